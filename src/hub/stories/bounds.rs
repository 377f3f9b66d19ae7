//! What the books say of themselves: that they are empty when they are, and
//! hold something when they do. Whether anything is left behind at the end is
//! read from them, so they have to be right about it.

use crate::config::checked::Protocol;
use crate::hub::stories::cast::request;
use crate::hub::stories::eras::speaking;
use crate::hub::stories::world::World;

#[test]
fn a_call_and_a_question_lie_in_their_books_until_they_are_answered() {
    let mut w = World::ready(&["git"]);
    assert!(w.hub.calls.is_empty() && w.hub.streams.is_empty());
    assert!(w.hub.sessions.is_empty() && w.hub.questions.is_empty());
    w.connect(&["ann"]);
    w.calls("ann", "1", "git__x");
    w.says("git.1", &request("1", "elicitation/create", "{}"));
    assert_eq!((w.hub.calls.len(), w.hub.calls.is_empty()), (1, false));
    assert_eq!((w.hub.streams.len(), w.hub.streams.is_empty()), (1, false));
    assert_eq!(
        (w.hub.sessions.len(), w.hub.sessions.is_empty()),
        (1, false)
    );
    assert_eq!(
        (w.hub.questions.len(), w.hub.questions.is_empty()),
        (1, false)
    );
    assert!(!w.hub.timers.is_empty());
}

#[test]
fn a_resource_that_is_looked_for_lies_in_its_book() {
    let mut w = World::of(&["git", "time"]);
    for name in ["git", "time"] {
        let offers = w.offers.get_mut(name).expect("it is there");
        offers.resources = vec![format!("file:///{name}")];
        w.serve(&format!("{name}.1"));
    }
    w.connect(&["ann"]);
    for (number, id) in ["1", "2"].into_iter().enumerate() {
        w.asks("ann", id, "resources/read", r#"{"uri":"file:///hidden"}"#);
        assert_eq!(
            (w.hub.fans.len(), w.hub.fans.is_empty()),
            (number + 1, false)
        );
    }
}

#[test]
fn a_call_whose_child_asks_in_its_answer_lies_in_its_book() {
    let mut w = speaking(&["git"], Protocol::Modern);
    w.serve("git.1");
    w.pass(0.2);
    w.connect(&["ann"]);
    let ask = r#"{"method":"elicitation/create","params":{"message":"who?"}}"#;
    let asks = format!(r#"{{"resultType":"input_required","inputRequests":{{"q":{ask}}}}}"#);
    for (number, id) in ["1", "2"].into_iter().enumerate() {
        w.calls("ann", id, "git__x");
        w.answers("git.1", 3 + number, &asks);
        let rounds = &w.hub.rounds;
        assert_eq!((rounds.len(), rounds.is_empty()), (number + 1, false));
    }
}
