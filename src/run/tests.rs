//! In which order the dispatcher handles what comes at once.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::eventfd::EventFd;

use crate::channel::Alarm;
use crate::child::reaper::{Orphans, Reaper};
use crate::dispatcher::Dispatcher;
use crate::event::report::Told;
use crate::event::{Event, FromClient, Parcel, Report};
use crate::hub::{Hub, Outset};
use crate::limits;
use crate::mail::hearing::Poller;
use crate::mail::{Budgets, Found, Inbox, Outbox};
use crate::plan::{Plan, Servers};
use crate::seal::Seal;
use crate::sorted::SortedMap;
use crate::state::{Opening, State};

/// A plan without servers.
fn plan() -> Plan {
    Plan {
        servers: Servers::default(),
        groups: SortedMap::new(),
        tool_name_max: 64,
        queue_max: 1,
        processes_max: 1,
        connection_timeout: Duration::ZERO,
        instructions_wait: Duration::ZERO,
        reconnect_delay: Duration::ZERO,
        reconnect_attempts_max: 0,
        ping_interval: Duration::ZERO,
    }
}

/// A dispatcher without servers, and the way to it.
fn dispatcher() -> (Dispatcher, Inbox) {
    let (inbox, letters) = Inbox::new(Budgets::new(1 << 20, 1 << 20));
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
    let hub = Hub::new(plan(), outset);
    let reaper = Reaper::start(Orphans::Ignore, None).unwrap();
    let post = (inbox.clone(), letters);
    let dispatcher = Dispatcher::new(hub, post, SortedMap::new(), (reaper, state.keeper()));
    (dispatcher, inbox)
}

/// Hears one word. A letter comes before its wait ends, and others when the word was heard.
struct Hasty {
    before: Option<Event>,
    word: Option<Event>,
    behind: Vec<Event>,
    inbox: Inbox,
}

impl Poller for Hasty {
    fn alarm(&self) -> Alarm {
        Alarm::Event(Arc::new(EventFd::new().unwrap()))
    }

    fn wait(&mut self, _: Option<Duration>) {
        let before = self.before.take().into_iter();
        before.for_each(|event| self.inbox.post(event).unwrap());
    }

    fn next_event(&mut self) -> Option<Event> {
        let behind = self.behind.drain(..);
        behind.for_each(|event| self.inbox.post(event).unwrap());
        self.word.take()
    }
}

#[test]
fn what_is_heard_comes_behind_letters_that_were_there_and_before_those_of_its_thread() {
    let (dispatcher, inbox) = dispatcher();
    let outbox = Outbox::open(&inbox, 7, limits::OUTBOX_SLOTS, Box::new(|| {})).unwrap();
    let ask = |report| Event::Client {
        outbox: outbox.id(),
        word: FromClient::Ask(report),
    };
    let hasty = Hasty {
        before: Some(ask(Report::Status)),
        word: Some(ask(Report::Health)),
        behind: vec![ask(Report::Ready), Event::Stop],
        inbox,
    };
    dispatcher.hearing(Some(Box::new(hasty))).run();
    let told = std::iter::from_fn(|| match outbox.look() {
        Found::Parcel(Parcel::Report(told)) => Some(match *told {
            Told::Status(_) => "status",
            Told::Health(_) => "health",
            Told::Ready(_) => "ready",
            Told::Inventory(_) => "inventory",
        }),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), ["status", "health", "ready"]);
}
