//! Subscriptions to resources: counted, so that the child hears of the first
//! and of the end of the last, and given to every new life.

use crate::event::{FromChild, Load};
use crate::hub::stories::cast::notice;
use crate::hub::stories::world::{World, plan};

const URI: &str = r#"{"uri":"file:///r"}"#;

/// A server with a resource, and two clients that listen.
fn world() -> World {
    let mut w = World::new(resourceful());
    w.offers.get_mut("git").expect("it is there").resources = vec!["file:///r".into()];
    w.serve("git.1");
    w.pass(0.2);
    w.connect(&["ann", "bob"]);
    w.listens("ann", None);
    w.listens("bob", None);
    w.forget();
    w
}

fn resourceful() -> crate::plan::Plan {
    let mut plan = plan(&["git"]);
    plan.queue_max = 8;
    plan.servers[0].concurrent_max = 4;
    plan
}

fn subscribe(w: &mut World, who: &str) {
    w.asks(who, "\"s\"", "resources/subscribe", URI);
}

fn unsubscribe(w: &mut World, who: &str) {
    w.asks(who, "\"u\"", "resources/unsubscribe", URI);
}

fn update(w: &mut World, life: &str) {
    w.says(life, &notice("notifications/resources/updated", URI));
}

#[test]
fn the_child_hears_of_the_first_and_of_the_end_of_the_last() {
    let mut w = world();
    subscribe(&mut w, "ann");
    w.expect(&[r#"0.200s to git.1 #5 resources/subscribe {"uri":"file:///r"}"#]);
    w.answers("git.1", 5, "{}");
    w.expect(&[r#"0.200s ann.3 answer "s" {} last"#]);
    subscribe(&mut w, "bob");
    w.expect(&[r#"0.200s bob.3 answer "s" {} last"#]);
    unsubscribe(&mut w, "ann");
    w.expect(&[r#"0.200s ann.4 answer "u" {} last"#]);
    unsubscribe(&mut w, "ann");
    w.expect(&[r#"0.200s ann.5 answer "u" {} last"#]);
    unsubscribe(&mut w, "bob");
    w.expect(&[
        r#"0.200s to git.1 #6 resources/unsubscribe {"uri":"file:///r"}"#,
        r#"0.200s bob.4 answer "u" {} last"#,
    ]);
}

#[test]
fn who_has_subscribed_and_nobody_else_hears_of_updates() {
    let mut w = world();
    subscribe(&mut w, "ann");
    w.answers("git.1", 5, "{}");
    w.forget();
    update(&mut w, "git.1");
    w.expect(&[r#"0.200s ann.2 [3-1] notifications/resources/updated {"uri":"file:///r"}"#]);
    unsubscribe(&mut w, "ann");
    w.forget();
    update(&mut w, "git.1");
    w.expect(&[]);
}

#[test]
fn a_new_life_is_subscribed_again() {
    let mut w = world();
    subscribe(&mut w, "ann");
    w.answers("git.1", 5, "{}");
    w.dies("git.1");
    w.pass(1.0);
    w.spawned("git.2");
    w.forget();
    w.greets("git.2");
    w.expect_of(
        "subscribe",
        &[r#"1.200s to git.2 #5 resources/subscribe {"uri":"file:///r"}"#],
    );
    w.forget();
    update(&mut w, "git.2");
    w.expect_of(
        "ann",
        &[r#"1.200s ann.2 [3-1] notifications/resources/updated {"uri":"file:///r"}"#],
    );
}

#[test]
fn the_end_of_a_session_ends_its_subscriptions() {
    let mut w = world();
    subscribe(&mut w, "ann");
    w.answers("git.1", 5, "{}");
    w.forget();
    w.deletes("ann");
    w.expect_of(
        "git",
        &[r#"0.200s to git.1 #6 resources/unsubscribe {"uri":"file:///r"}"#],
    );
    assert!(
        w.hub
            .children
            .iter()
            .all(|(_, child)| child.subscribers.is_empty())
    );
}

/// Nothing is left of a subscription that failed, and the next is no second.
fn is_as_if_never_asked(w: &mut World, life: &str, number: usize) {
    let nobody = |w: &World| w.hub.children.iter().all(|(_, c)| c.subscribers.is_empty());
    assert!(nobody(w));
    assert!(
        w.hub
            .sessions
            .iter()
            .all(|(_, s)| s.subscriptions.is_empty())
    );
    w.forget();
    subscribe(w, "ann");
    let line = format!("to {life} #{number} resources/subscribe {URI}");
    w.expect(&[&format!("{} {line}", w.now)]);
}

#[test]
fn a_subscription_that_the_child_refuses_is_none() {
    let mut w = world();
    subscribe(&mut w, "ann");
    w.fails("git.1", 5, "no");
    is_as_if_never_asked(&mut w, "git.1", 6);
}

#[test]
fn a_subscription_that_has_had_its_time_is_none() {
    let mut w = world();
    subscribe(&mut w, "ann");
    w.pass(30.0);
    is_as_if_never_asked(&mut w, "git.1", 6);
}

#[test]
fn a_subscription_that_comes_too_late_is_taken_back() {
    let mut w = world();
    subscribe(&mut w, "ann");
    w.pass(30.0);
    w.forget();
    w.answers("git.1", 5, "{}");
    w.expect(&[r#"30.200s to git.1 #6 resources/unsubscribe {"uri":"file:///r"}"#]);
}

#[test]
fn a_subscription_that_is_taken_back_is_none() {
    let mut w = world();
    subscribe(&mut w, "ann");
    w.cancels("ann", "\"s\"");
    is_as_if_never_asked(&mut w, "git.1", 6);
}

#[test]
fn a_subscription_that_dies_with_its_child_is_none() {
    let mut w = world();
    subscribe(&mut w, "ann");
    w.dies("git.1");
    w.pass(1.0);
    w.serve("git.2");
    is_as_if_never_asked(&mut w, "git.2", 5);
}

#[test]
fn a_subscription_that_finds_no_place_is_none() {
    let mut w = world();
    for id in 0..12 {
        w.calls("bob", &id.to_string(), "git__x");
    }
    w.forget();
    subscribe(&mut w, "ann");
    w.expect(&[
        "0.200s ann.3 error \"s\" -32000 server \"git\" is busy: 8 calls wait for it; try again later last",
    ]);
    let taken = Load {
        messages: 8,
        bytes: 0,
    };
    w.child("git.1", FromChild::Taken(taken));
    is_as_if_never_asked(&mut w, "git.1", 8);
}

#[test]
fn what_was_subscribed_can_be_given_up_though_it_is_listed_no_more() {
    let mut w = World::of(&["git", "time"]);
    for name in ["git", "time"] {
        w.offers.get_mut(name).expect("it is there").resources = vec![format!("file:///{name}")];
    }
    w.offers
        .get_mut("git")
        .expect("it is there")
        .resources
        .push("file:///r".into());
    w.serve("git.1");
    w.serve("time.1");
    w.connect(&["ann"]);
    subscribe(&mut w, "ann");
    w.answers("git.1", 5, "{}");
    w.says("git.1", &notice("notifications/resources/list_changed", ""));
    w.pass(0.2);
    w.offers
        .get_mut("git")
        .expect("it is there")
        .resources
        .pop();
    w.lists("git.1", 6);
    w.forget();
    unsubscribe(&mut w, "ann");
    w.expect(&[
        r#"0.200s to git.1 #8 resources/unsubscribe {"uri":"file:///r"}"#,
        r#"0.200s ann.3 answer "u" {} last"#,
    ]);
}

/// A server that takes one call at a time, and a client with three subscriptions.
fn crowded() -> World {
    let mut plan = plan(&["git"]);
    plan.servers[0].concurrent_max = 1;
    plan.reconnect_attempts_max = 100;
    let mut w = World::new(plan);
    let uris = ["a", "b", "c"];
    w.offers.get_mut("git").expect("it is there").resources = uris.map(String::from).into();
    w.serve("git.1");
    w.connect(&["ann"]);
    for (place, uri) in uris.into_iter().enumerate() {
        let params = format!(r#"{{"uri":"{uri}"}}"#);
        w.asks("ann", &place.to_string(), "resources/subscribe", &params);
        w.answers("git.1", 5 + place, "{}");
    }
    w.dies("git.1");
    w.pass(1.0);
    w
}

#[test]
fn subscriptions_wait_for_a_new_life_once_however_many_lives_it_takes() {
    let mut w = crowded();
    for (life, wait) in [(2, 2.0), (3, 4.0), (4, 8.0)] {
        w.serve(&format!("git.{life}"));
        assert_eq!(w.hub.calls.len(), 3, "life {life}");
        w.dies(&format!("git.{life}"));
        w.pass(wait);
    }
    w.serve("git.5");
    w.forget();
    w.answers("git.5", 5, "{}");
    w.answers("git.5", 6, "{}");
    w.answers("git.5", 7, "{}");
    w.expect(&[
        r#"15.000s to git.5 #6 resources/subscribe {"uri":"b"}"#,
        r#"15.000s to git.5 #7 resources/subscribe {"uri":"c"}"#,
    ]);
    assert!(w.hub.calls.is_empty());
}

#[test]
fn a_subscription_given_up_while_it_waits_for_a_new_life_is_taken_back() {
    let mut w = crowded();
    w.serve("git.2");
    w.asks("ann", "9", "resources/unsubscribe", r#"{"uri":"c"}"#);
    w.answers("git.2", 5, "{}");
    w.forget();
    for number in 6..9 {
        if number < w.lives[&w.life("git.2")].requests.len() + 1 {
            w.answers("git.2", number, "{}");
        }
    }
    let subscribed: Vec<&String> = w.lives[&w.life("git.2")]
        .requests
        .iter()
        .map(|(_, method)| method)
        .filter(|method| method.ends_with("subscribe"))
        .collect();
    assert_eq!(
        *subscribed.last().expect("there are some"),
        "resources/unsubscribe",
        "{subscribed:?}"
    );
}

/// So many clients that the books are not swept, for what stories lay into
/// their sessions stands in one book alone.
fn multitude() -> (World, Vec<&'static str>) {
    let mut w = world();
    let who: Vec<&'static str> = (0..110)
        .map(|number| &*format!("who{number}").leak())
        .collect();
    w.connect(&who);
    (w, who)
}

/// Gives a session so many subscriptions at the first child.
fn lay(w: &mut World, who: &str, count: usize) {
    let child = w.hub.children.ids()[0];
    let key = w.clients[who].session.clone().expect("it has a session");
    let session = w.hub.sessions.get_mut(&key).expect("it is known");
    let uris = (0..count).map(|number| (format!("file:///{number}").into(), child));
    session.subscriptions = uris.collect();
}

/// Whether the child is asked to tell a client of one more resource.
fn is_passed_on(w: &mut World, who: &str, uri: &str) -> bool {
    w.forget();
    w.asks(
        who,
        "1",
        "resources/subscribe",
        &format!(r#"{{"uri":"{uri}"}}"#),
    );
    let told = w.trace().concat();
    assert_ne!(told.contains("to git.1"), told.contains("error 1 -32000"));
    told.contains("to git.1")
}

#[test]
fn a_session_may_have_as_many_subscriptions_as_the_limits_say() {
    use crate::limits;
    let (mut w, who) = multitude();
    let max = limits::SESSION_SUBSCRIPTIONS_MAX;
    lay(&mut w, who[0], max - 1);
    assert!(is_passed_on(&mut w, who[0], "file:///new"));
    lay(&mut w, who[0], max);
    assert!(!is_passed_on(&mut w, who[0], "file:///new"));
    // As many as all may have, but for one; and then that one.
    for who in &who[1..limits::SUBSCRIPTIONS_MAX / max] {
        lay(&mut w, who, max);
    }
    lay(&mut w, who[0], max - 1);
    assert!(is_passed_on(&mut w, who[0], "file:///new"));
    lay(&mut w, who[101], 1);
    assert!(!is_passed_on(&mut w, who[0], "file:///new"));
}

#[test]
fn a_resource_may_have_so_long_a_name() {
    use crate::limits;
    let mut w = world();
    let longest = "u".repeat(limits::SUBSCRIPTION_URI_BYTES_MAX);
    assert!(is_passed_on(&mut w, "ann", &longest));
    assert!(!is_passed_on(&mut w, "ann", &format!("{longest}u")));
}

#[test]
fn a_child_may_be_watched_for_as_many_resources_as_the_limit_says() {
    use crate::limits;
    let (mut w, who) = multitude();
    let id = w.hub.children.ids()[0];
    let key = w.clients[who[5]].session.clone().expect("it has a session");
    let watched = |w: &mut World, count: usize| {
        let child = w.hub.children.get_mut(id).expect("it is there");
        let entry = |number| (format!("file:///{number}").into(), [key.clone()].into());
        child.subscribers = (0..count).map(entry).collect();
    };
    watched(&mut w, limits::CHILD_SUBSCRIPTIONS_MAX - 1);
    assert!(is_passed_on(&mut w, who[0], "file:///new"));
    // Others were quicker: it is taken back.
    watched(&mut w, limits::CHILD_SUBSCRIPTIONS_MAX);
    let newest = w.lives[&w.life("git.1")].requests.len();
    w.forget();
    w.answers("git.1", newest, "{}");
    let told = w.trace().concat();
    assert!(told.contains("resources/unsubscribe"), "{told}");
    assert!(!is_passed_on(&mut w, who[1], "file:///other"));
    // What it tells of already costs no place.
    w.asks(who[2], "1", "resources/subscribe", r#"{"uri":"file:///7"}"#);
    let told = w.trace().concat();
    assert!(told.contains("answer 1 {}"), "{told}");
}
