//! In which order the dispatcher handles what comes at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::eventfd::EventFd;

use super::*;
use crate::channel::Alarm;
use crate::child::reaper::Orphans;
use crate::config::check;
use crate::config::problem::Fault;
use crate::config::surroundings::{Files, Overrides, Surroundings};
use crate::event::{Report, report};
use crate::hub::Outset;
use crate::mail::{Budgets, Found, Outbox};
use crate::plan::draft::Draft;
use crate::seal::Seal;
use crate::state::{Opening, State};

/// A machine without files.
struct Bare;

impl Files for Bare {
    fn is_executable(&self, _: &Path) -> bool {
        false
    }

    fn is_directory(&self, _: &Path) -> bool {
        false
    }

    fn read(&self, path: &Path, _: usize) -> Result<Vec<u8>, Fault> {
        Err(Fault::Unreadable(path.display().to_string()))
    }
}

/// What is drawn from a configuration without servers.
fn drawn() -> Drawn {
    let around = Surroundings {
        environment: SortedMap::new(),
        executable: PathBuf::from("/bin/mcproxy"),
        working_dir: PathBuf::from("/"),
        files: &Bare,
    };
    let text = r#"{"servers": []}"#;
    let loaded = check::parse(text, "f", &around, &Overrides::default());
    let config = loaded.expect("no error of the whole file").config;
    Draft::new(&config, 0).last().clone()
}

/// A dispatcher without servers, and the way to it.
fn dispatcher() -> (Dispatcher, Inbox) {
    let (inbox, letters) = Inbox::new(Budgets::new(1 << 20, 1 << 20));
    let Drawn { plan, recipes } = drawn();
    let (state, recalled) = State::open(Opening {
        folder: None,
        now: 0,
        journal: false,
        servers: &[],
    });
    let outset = Outset {
        seal: Seal::new(b"a test", None),
        recalled,
        seed: 0,
        unix: Duration::ZERO,
    };
    let hub = Hub::new(plan, outset);
    let reaper = Reaper::start(Orphans::Ignore, None).unwrap();
    let post = (inbox.clone(), letters);
    let dispatcher = Dispatcher::new(hub, post, recipes, (reaper, state.keeper()));
    (dispatcher, inbox)
}

/// Hears one word, whose client's thread gets up at once and says something more; and then the end.
struct Hasty {
    word: Option<Event>,
    more: Option<Event>,
    inbox: Inbox,
}

impl Listening for Hasty {
    fn alarm(&self) -> Alarm {
        Alarm::Event(Arc::new(EventFd::new().unwrap()))
    }

    fn listen(&mut self, time: Option<Duration>, heard: &mut Vec<Event>) {
        // Nothing is heard of a connection before its first letters are opened.
        if time != Some(Duration::ZERO) {
            heard.extend(self.word.take());
            let letters = self.more.take().into_iter().chain([Event::Stop]);
            letters.for_each(|event| self.inbox.post(event).unwrap());
        }
    }
}

#[test]
fn what_was_heard_comes_before_what_its_thread_says_of_it() {
    let (dispatcher, inbox) = dispatcher();
    let outbox = Outbox::open(&inbox, 7, limits::OUTBOX_SLOTS, Box::new(|| {})).unwrap();
    let ask = |report| {
        Some(Event::Client {
            outbox: outbox.id(),
            word: FromClient::Ask(report),
        })
    };
    let hasty = Hasty {
        word: ask(Report::Health),
        more: ask(Report::Ready),
        inbox,
    };
    dispatcher.hearing(Some(Box::new(hasty))).run();
    let told = std::iter::from_fn(|| match outbox.look() {
        Found::Parcel(Parcel::Report(told)) => Some(matches!(*told, report::Told::Health(_))),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [true, false]);
}
