//! Drawing from one configuration after another, and telling what that means.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::config::check;
use crate::config::checked::Config;
use crate::config::problem::Fault;
use crate::config::surroundings::{Files, Overrides, Surroundings};
use crate::event::ServerId;
use crate::plan::changes::{Changes, Fate};
use crate::plan::draft::Draft;
use crate::plan::{Drawn, Readiness};
use crate::sorted::SortedMap;

/// A machine on which every program is there but `missing`.
struct Cardboard;

impl Files for Cardboard {
    fn is_executable(&self, path: &Path) -> bool {
        !path.ends_with("missing")
    }

    fn is_directory(&self, _: &Path) -> bool {
        true
    }

    fn read(&self, path: &Path, _: usize) -> Result<Vec<u8>, Fault> {
        Err(Fault::Unreadable(path.display().to_string()))
    }
}

fn checked(json: &Value) -> Config {
    let around = Surroundings {
        environment: SortedMap::from([("PATH".to_owned(), "/bin".to_owned())]),
        executable: PathBuf::from("/bin/mcproxy"),
        working_dir: PathBuf::from("/project"),
        files: &Cardboard,
    };
    let text = json.to_string();
    let loaded = check::parse(&text, "f", &around, &Overrides::default());
    loaded.expect("no error of the whole file").config
}

/// The configuration of these entries.
fn config(servers: &[Value]) -> Config {
    checked(&json!({ "servers": servers }))
}

fn entry(name: &str) -> Value {
    json!({"name": name, "command": "node"})
}

/// An entry with these members besides.
fn with(name: &str, members: &Value) -> Value {
    let mut entry = entry(name);
    for (key, value) in members.as_object().expect("members") {
        entry[key] = value.clone();
    }
    entry
}

/// What becomes of the servers, told, if these entries take the place of those;
/// with what is drawn then.
fn told(before: &[Value], after: &[Value]) -> (String, Drawn) {
    let mut draft = Draft::new(&config(before), 0);
    let old = draft.last().clone();
    let new = draft.redraw(&config(after)).clone();
    (Changes::between(&old.plan, &new.plan).to_string(), new)
}

#[test]
fn the_same_file_changes_nothing() {
    let servers = [entry("a"), with("b", &json!({"env": {"K": "v"}}))];
    assert_eq!(told(&servers, &servers).0, "2 unchanged");
}

#[test]
fn what_a_process_is_started_with_renews_it_and_all_else_does_not() {
    for (members, renewed) in [
        (json!({"command": "npx"}), true),
        (json!({"args": ["x"]}), true),
        (json!({"env": {"K": "v"}}), true),
        (json!({"cwd": "/elsewhere"}), true),
        (json!({"scope": "session"}), true),
        (json!({"protocol": "auto"}), true),
        (json!({"timeout": "7s"}), false),
        (json!({"startup_timeout": "7s"}), false),
        (json!({"max_concurrent": 7}), false),
        (json!({"prefix": "p"}), false),
        (json!({"tools": {"deny": ["x"]}}), false),
        (json!({"start": "lazy"}), false),
        (json!({"idle_stop": "7s"}), false),
        (json!({"when_parked": "hidden"}), false),
        (json!({"ping": false}), false),
    ] {
        let after = [with("a", &members), entry("b")];
        let expected = match renewed {
            true => "renewed a; 1 unchanged",
            false => "changed a in place; 1 unchanged",
        };
        assert_eq!(
            told(&[entry("a"), entry("b")], &after).0,
            expected,
            "{members}"
        );
    }
}

#[test]
fn arguments_and_variables_that_only_read_alike_are_not_the_same() {
    let of = |args: Value, env: Value| with("a", &json!({"args": args, "env": env}));
    for (before, after) in [
        (
            of(json!(["x y"]), json!({})),
            of(json!(["x", "y"]), json!({})),
        ),
        (
            of(json!(["K=v"]), json!({})),
            of(json!([]), json!({"K": "v"})),
        ),
        (of(json!([""]), json!({})), of(json!([]), json!({}))),
    ] {
        assert_eq!(told(&[before], &[after]).0, "renewed a; 0 unchanged");
    }
}

#[test]
fn servers_come_and_go() {
    let off = |name| with(name, &json!({"enabled": false}));
    for (before, after, expected) in [
        (vec![], vec![entry("a")], "started a; 0 unchanged"),
        (vec![entry("a")], vec![], "stopped a; 0 unchanged"),
        (vec![off("a")], vec![entry("a")], "started a; 0 unchanged"),
        (vec![entry("a")], vec![off("a")], "stopped a; 0 unchanged"),
        (vec![off("a")], vec![off("a")], "1 unchanged"),
        (
            vec![off("a")],
            vec![],
            "noted a, which does not run; 0 unchanged",
        ),
        (
            vec![entry("b"), entry("c"), entry("d")],
            vec![
                entry("a"),
                with("b", &json!({"args": ["x"]})),
                entry("d"),
                entry("e"),
            ],
            "started a and e, renewed b, stopped c; 1 unchanged",
        ),
    ] {
        assert_eq!(told(&before, &after).0, expected);
    }
}

#[test]
fn many_are_not_all_named() {
    let servers: Vec<Value> = (10..30).map(|n| entry(&n.to_string())).collect();
    assert_eq!(
        told(&[], &servers).0,
        "started 10 and 11 and 12 and 13 and 14 and 15 and 16 and 17 and 18 and 19 and 10 more; \
         0 unchanged"
    );
}

#[test]
fn what_ran_goes_on_where_its_new_entry_is_wrong_and_says_so() {
    let wrong = json!({"name": "a", "command": "missing", "timeout": "9s"});
    let good = with("a", &json!({"args": ["x"]}));
    let mut draft = Draft::new(&config(std::slice::from_ref(&good)), 0);
    let old = draft.last().clone();
    for _ in 0..2 {
        let new = draft.redraw(&config(std::slice::from_ref(&wrong))).clone();
        let changes = Changes::between(&old.plan, &new.plan);
        assert_eq!(
            changes.to_string(),
            "kept a as it was, for its new entry has errors; 0 unchanged"
        );
        assert_eq!(new.recipes, old.recipes);
        let server = new.plan.servers.get(ServerId(0)).expect("it is there");
        assert_eq!(server.readiness, Readiness::Enabled);
        assert!(
            server
                .fault
                .as_ref()
                .is_some_and(|why| why.contains("missing"))
        );
        assert_eq!(server.timeout.as_secs(), 30, "all of it is as it was");
    }
    let wrong = draft.last().plan.clone();
    let mended = draft.redraw(&config(&[good])).plan.clone();
    assert_eq!(
        Changes::between(&wrong, &mended).of("a"),
        Some(Fate::Unchanged)
    );
}

#[test]
fn what_never_ran_and_is_wrong_does_not_run() {
    let wrong = json!({"name": "a", "command": "missing"});
    let (line, new) = told(&[], std::slice::from_ref(&wrong));
    assert_eq!(line, "noted a, which does not run; 0 unchanged");
    assert!(new.recipes.is_empty());
    assert_eq!(told(&[wrong], &[entry("a")]).0, "started a; 0 unchanged");
}

#[test]
fn what_was_taken_out_and_is_back_has_another_number() {
    let mut draft = Draft::new(&config(&[entry("a"), entry("b")]), 0);
    let number = |drawn: &Drawn, name: &str| drawn.plan.servers.by_name(name).map(|(id, _)| id);
    draft.redraw(&config(&[entry("b")]));
    let drawn = draft.redraw(&config(&[entry("a"), entry("b")]));
    assert_eq!(number(drawn, "a"), Some(ServerId(2)));
    assert_eq!(number(drawn, "b"), Some(ServerId(1)));
    let order: Vec<_> = drawn.plan.servers.iter().map(|(id, _)| id.0).collect();
    assert_eq!(order, [2, 1], "in the order of the file");
}

#[test]
fn what_is_gone_is_found_by_its_number_until_it_is_forgotten() {
    let mut draft = Draft::new(&config(&[entry("a"), entry("b")]), 0);
    let before = draft.last().plan.servers.clone();
    let mut servers = draft.redraw(&config(&[entry("b")])).plan.servers.clone();
    assert_eq!(servers.succeed(before), [ServerId(0)]);
    assert_eq!(servers.get(ServerId(0)).map(|s| &*s.name), Some("a"));
    assert!(!servers.names(ServerId(0)) && !servers.runs(ServerId(0)));
    assert!(servers.by_name("a").is_none());
    assert_eq!(servers.len(), 1);
    servers.forget(ServerId(0));
    servers.forget(ServerId(1));
    assert!(servers.get(ServerId(0)).is_none() && servers.get(ServerId(1)).is_some());
}

/// One of the states that an entry may be in; `None` where it is not there.
fn state() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        Just(None),
        Just(Some(json!({}))),
        Just(Some(json!({"args": ["x"]}))),
        Just(Some(json!({"timeout": "9s"}))),
        Just(Some(json!({"enabled": false}))),
        Just(Some(json!({"command": "missing"}))),
    ]
}

proptest! {
    /// Over any number of configurations: a number is one name's for ever, one that
    /// stays in the file keeps its, and each server that runs has its recipe.
    #[test]
    fn numbers_last(files in prop::collection::vec(prop::collection::vec(state(), 4), 1..8)) {
        let mut draft = Draft::new(&config(&[]), 0);
        let mut owners: BTreeMap<ServerId, String> = BTreeMap::new();
        let mut gone: BTreeSet<ServerId> = BTreeSet::new();
        for file in files {
            let entries: Vec<Value> = ["a", "b", "c", "d"]
                .iter()
                .zip(&file)
                .filter_map(|(name, state)| Some(with(name, state.as_ref()?)))
                .collect();
            let before = draft.last().clone();
            let after = draft.redraw(&config(&entries)).clone();
            let changes = Changes::between(&before.plan, &after.plan);
            prop_assert_eq!(after.plan.servers.len(), entries.len());
            for (id, server) in after.plan.servers.iter() {
                prop_assert!(!gone.contains(&id), "{id:?} is used again");
                let owner = owners.entry(id).or_insert(server.name.clone());
                prop_assert_eq!(&*owner, &server.name);
                let runs = server.readiness == Readiness::Enabled;
                prop_assert_eq!(runs, after.recipes.contains_key(&id));
                if let Some((was, _)) = before.plan.servers.by_name(&server.name) {
                    prop_assert_eq!(was, id);
                }
            }
            for (id, _) in before.plan.servers.iter() {
                if !after.plan.servers.names(id) {
                    gone.insert(id);
                }
            }
            for (id, fate) in changes.fates() {
                let same = before.recipes.get(&id) == after.recipes.get(&id);
                let ran = before.recipes.contains_key(&id);
                let runs = after.recipes.contains_key(&id);
                let fits = match fate {
                    Fate::Started => !ran && runs,
                    Fate::Stopped => ran && !runs,
                    Fate::Idle => !ran && !runs,
                    Fate::Renewed => ran && runs && !same,
                    Fate::Adjusted | Fate::Kept => ran && runs && same,
                    Fate::Unchanged => ran == runs && same,
                };
                prop_assert!(fits, "{id:?} {fate:?}");
            }
        }
    }
}
