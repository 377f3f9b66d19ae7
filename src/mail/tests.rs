//! Outboxes with a dispatcher at the other end: what is written by pen, what is
//! found, and in which order.

use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::event::Standing;
use crate::mail::pen::Page;
use crate::threads;
use crate::wire::envelope::Message;
use crate::wire::outgoing::Outgoing;

/// A pen that notes what it writes, and says of each what it is told to say.
struct Noting {
    noted: Arc<Mutex<Vec<String>>>,
    says: fn(&str) -> Written,
}

impl Pen for Noting {
    fn write(&mut self, parcel: &Parcel, _: &mut Page) -> Written {
        let Parcel::Message { message, .. } = parcel else {
            return Written::Nothing;
        };
        let text = text(message);
        let written = (self.says)(&text);
        if written != Written::Nothing {
            self.noted.lock().unwrap().push(text);
        }
        written
    }
}

fn text(message: &Outgoing) -> String {
    let mut out = Vec::new();
    message.write_to(&mut out);
    String::from_utf8(out).unwrap()
}

fn parcel(text: &str) -> Parcel {
    let message = Message::parse(text.into()).unwrap();
    Parcel::Message {
        message: Outgoing::plain(message.into()),
        event: None,
        last: false,
    }
}

fn noticed(number: u32) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"n{number}"}}"#)
}

fn round(number: u32) -> Hand {
    let mut hand = Hand::default();
    (0..number % 2).for_each(|_| hand.next_round());
    hand
}

/// An outbox, the dispatcher's end of it, and what is written by pen.
struct Scene {
    outbox: Outbox,
    sender: OutboxSender,
    noted: Arc<Mutex<Vec<String>>>,
}

fn scene() -> Scene {
    let (inbox, letters) = Inbox::new(Budgets::new(1 << 20, 1 << 20));
    let mut outbox = Outbox::open(&inbox, 7, 8, Box::new(|| {})).unwrap();
    let Ok(Letter::Open { sender, .. }) = letters.try_recv() else {
        panic!("no outbox was opened");
    };
    outbox.begin(FromClient::Patience).unwrap();
    Scene {
        outbox,
        sender,
        noted: Arc::default(),
    }
}

impl Scene {
    fn pen(&self, says: fn(&str) -> Written) -> Option<Box<dyn Pen>> {
        Some(Box::new(Noting {
            noted: Arc::clone(&self.noted),
            says,
        }))
    }

    fn noted(&self) -> Vec<String> {
        self.noted.lock().unwrap().clone()
    }
}

/// Sleeps by doing something; then it is over.
pub struct Doing<F>(pub Option<F>);

impl<F: FnOnce()> Nap for Doing<F> {
    fn sleep(&mut self, _: &dyn Fn() -> bool) -> Slept {
        if let Some(act) = self.0.take() {
            act();
        }
        Slept::ToTheEnd
    }
}

fn all(_: &str) -> Written {
    Written::All
}

#[test]
fn who_sleeps_has_his_parcels_written_and_is_not_woken() {
    let mut s = scene();
    let mut pen = s.pen(all);
    let id = s.outbox.id().exchange;
    let sender = &s.sender;
    let mut told = Load::default();
    let mut nap = Doing(Some(|| {
        for number in 0..40 {
            let taken = sender
                .put(id, parcel(&noticed(number)), &mut round(number))
                .unwrap();
            told += taken.unwrap_or_default();
        }
    }));
    assert!(matches!(
        s.outbox.wait_lending(&mut pen, &mut nap),
        Found::Nothing
    ));
    assert_eq!(s.noted(), (0..40).map(noticed).collect::<Vec<_>>());
    assert!(pen.is_some(), "it is back");
    // Sixteen at a time; the rest is the owner's to tell.
    assert_eq!(told.messages, 32);
    assert_eq!(s.sender.untold().map(|(_, load)| load.messages), Some(8));
}

#[test]
fn what_is_no_matter_for_a_pen_and_all_behind_it_is_found_in_order() {
    let mut s = scene();
    let mut pen = s.pen(|text| match text.contains("n1") {
        true => Written::Nothing,
        false => Written::All,
    });
    let id = s.outbox.id().exchange;
    let sender = &s.sender;
    let mut nap = Doing(Some(|| {
        for number in 0..3 {
            sender
                .put(id, parcel(&noticed(number)), &mut round(number))
                .unwrap();
        }
    }));
    for number in 1..3 {
        match s.outbox.wait_lending(&mut pen, &mut nap) {
            Found::Parcel(Parcel::Message { message, .. }) => {
                assert_eq!(text(&message), noticed(number));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(s.noted(), [noticed(0)]);
}

#[test]
fn what_was_not_told_of_is_known_when_it_is_asked_for() {
    let mut s = scene();
    let id = s.outbox.id().exchange;
    let load = Load {
        messages: 1,
        bytes: 7,
    };
    s.outbox.count_taken(load).unwrap();
    let mut pen = s.pen(all);
    let (sender, told) = (&s.sender, &mut None);
    let mut nap = Doing(Some(|| {
        sender.put(id, parcel(&noticed(0)), &mut round(0)).unwrap();
        *told = sender.untold();
    }));
    s.outbox.wait_lending(&mut pen, &mut nap);
    let bytes = 7 + noticed(0).len() as u64;
    let both = Load { messages: 2, bytes };
    assert_eq!(*told, Some((id, both)));
    assert_eq!(s.sender.untold(), None, "it is told once");
    s.outbox.count_taken(load).unwrap();
    // Nobody hears of it here.
    let _ = s.outbox.begin(FromClient::Patience);
    assert_eq!(s.sender.untold(), None, "that was another exchange");
}

#[test]
fn in_one_round_a_pen_writes_once() {
    let mut s = scene();
    let mut pen = s.pen(all);
    let id = s.outbox.id().exchange;
    let sender = &s.sender;
    let mut nap = Doing(Some(|| {
        for number in 0..3 {
            sender
                .put(id, parcel(&noticed(number)), &mut round(0))
                .unwrap();
        }
    }));
    for number in 1..3 {
        match s.outbox.wait_lending(&mut pen, &mut nap) {
            Found::Parcel(Parcel::Message { message, .. }) => {
                assert_eq!(text(&message), noticed(number));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(s.noted(), [noticed(0)]);
}

#[test]
fn a_rest_is_found_before_all_that_follows_it() {
    let mut s = scene();
    let mut pen = s.pen(|_| Written::Part(b"rest".to_vec()));
    let id = s.outbox.id().exchange;
    let sender = &s.sender;
    let mut nap = Doing(Some(|| {
        sender.put(id, parcel(&noticed(0)), &mut round(0)).unwrap();
        sender.put(id, parcel(&noticed(1)), &mut round(1)).unwrap();
    }));
    match s.outbox.wait_lending(&mut pen, &mut nap) {
        Found::Rest(rest, load) => assert_eq!((&rest[..], load.messages), (&b"rest"[..], 1)),
        other => panic!("{other:?}"),
    }
    assert!(matches!(s.outbox.look(), Found::Parcel(_)));
    assert_eq!(s.noted(), [noticed(0)]);
}

#[test]
fn an_answer_by_pen_ends_the_exchange_and_the_pen_is_for_no_other() {
    let mut s = scene();
    let mut pen = s.pen(|_| Written::Last);
    let id = s.outbox.id().exchange;
    let sender = &s.sender;
    let mut nap = Doing(Some(|| {
        sender
            .put(id - 1, parcel(&noticed(8)), &mut round(0))
            .map(drop)
            .unwrap();
    }));
    // What is of another exchange goes into the outbox, and is passed over there.
    assert!(matches!(
        s.outbox.wait_lending(&mut pen, &mut nap),
        Found::Nothing
    ));
    assert_eq!(s.noted(), [""; 0]);
    let sender = &s.sender;
    let mut nap = Doing(Some(|| {
        sender.put(id, parcel(&noticed(9)), &mut round(1)).unwrap();
        let verdict = Parcel::Verdict {
            standing: Standing::Accepted,
            message: None,
        };
        sender.put(id, verdict, &mut round(2)).unwrap();
    }));
    assert!(matches!(
        s.outbox.wait_lending(&mut pen, &mut nap),
        Found::Answered
    ));
    assert_eq!(s.noted(), [noticed(9)]);
}

#[test]
fn with_no_pen_lent_everything_lies_in_the_outbox() {
    let mut s = scene();
    let id = s.outbox.id().exchange;
    s.sender
        .put(id, parcel(&noticed(0)), &mut round(0))
        .unwrap();
    let sender = &s.sender;
    let mut nap = Doing(Some(|| {
        sender
            .put(id, parcel(&noticed(1)), &mut round(1))
            .map(drop)
            .unwrap();
    }));
    let mut pen = s.pen(all);
    let found = s.outbox.wait_lending(&mut pen, &mut nap);
    assert!(matches!(found, Found::Parcel(_)), "{found:?}");
    assert_eq!(s.noted(), [""; 0]);
}

#[test]
fn order_is_kept_however_the_two_meet() {
    const COUNT: u32 = 20_000;
    let mut s = scene();
    let id = s.outbox.id().exchange;
    let (sender, noted) = (s.sender, Arc::clone(&s.noted));
    let dispatcher = threads::spawn("putting", 64 << 10, move || {
        for number in 0..COUNT {
            while sender
                .put(id, parcel(&noticed(number)), &mut round(number))
                .is_err()
            {
                thread::yield_now();
            }
        }
        while !sender.sender.is_empty() {
            thread::yield_now();
        }
        sender.end();
    });
    let mut pen: Option<Box<dyn Pen>> = Some(Box::new(Noting {
        noted: Arc::clone(&noted),
        says: all,
    }));
    #[expect(clippy::disallowed_methods, reason = "tests wait in real time")]
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match s.outbox.wait_lending(&mut pen, &mut Until(deadline)) {
            Found::Parcel(Parcel::Message { message, .. }) => {
                noted.lock().unwrap().push(text(&message));
            }
            Found::Ended => break,
            other => panic!("{other:?} after {}", noted.lock().unwrap().len()),
        }
    }
    dispatcher.unwrap().join().unwrap();
    let expected: Vec<_> = (0..COUNT).map(noticed).collect();
    assert!(*noted.lock().unwrap() == expected);
}

/// An answer to `n1` is no matter for this pen.
fn but_n1(text: &str) -> Written {
    match text.contains("n1") {
        true => Written::Nothing,
        false => Written::Last,
    }
}

#[test]
fn a_deputy_begins_the_next_exchange_as_soon_as_the_pen_has_answered() {
    let mut s = scene();
    let mut pen = s.pen(|_| Written::Last);
    let id = s.outbox.id();
    let (sender, deputy) = (&s.sender, s.outbox.deputy());
    let mut nap = Doing(Some(|| {
        assert!(!deputy.is_free(), "nothing is answered yet");
        assert!(deputy.begin(FromClient::Patience).is_none());
        for number in 0..3 {
            let exchange = id.exchange + number;
            // A pen writes once in a round, but it is another exchange each time.
            let put = sender.put(exchange, parcel(&noticed(number)), &mut round(0));
            assert_eq!(put, Ok(None));
            assert!(deputy.is_free());
            match deputy.begin(FromClient::Patience) {
                Some(Event::Client { outbox, word }) => {
                    assert!(matches!(word, FromClient::Patience));
                    let connection = id.connection;
                    let exchange = exchange + 1;
                    let next = OutboxId {
                        connection,
                        exchange,
                    };
                    assert_eq!(outbox, next);
                }
                other => panic!("{other:?}"),
            }
            assert!(!deputy.is_free(), "that one is under way");
            assert!(deputy.begin(FromClient::Patience).is_none());
        }
        let put = sender.put(id.exchange + 3, parcel(&noticed(3)), &mut round(0));
        assert_eq!(put, Ok(None));
    }));
    let found = s.outbox.wait_lending(&mut pen, &mut nap);
    assert!(matches!(found, Found::Answered), "{found:?}");
    assert_eq!(s.noted(), (0..4).map(noticed).collect::<Vec<_>>());
    // Its owner counts on from there.
    assert_eq!(s.outbox.id().exchange, id.exchange + 3);
    // Nobody hears of it here.
    let _ = s.outbox.begin(FromClient::Patience);
    assert_eq!(s.outbox.id().exchange, id.exchange + 4);
}

#[test]
fn what_a_deputy_began_and_the_pen_does_not_answer_is_found_by_the_owner() {
    let mut s = scene();
    let mut pen = s.pen(but_n1);
    let id = s.outbox.id().exchange;
    let (sender, deputy) = (&s.sender, s.outbox.deputy());
    let mut nap = Doing(Some(|| {
        sender.put(id, parcel(&noticed(0)), &mut round(0)).unwrap();
        assert!(deputy.begin(FromClient::Patience).is_some());
        // A word that comes late for the exchange before is for nobody.
        sender.put(id, parcel(&noticed(8)), &mut round(1)).unwrap();
        sender
            .put(id + 1, parcel(&noticed(1)), &mut round(0))
            .map(drop)
            .unwrap();
    }));
    match s.outbox.wait_lending(&mut pen, &mut nap) {
        Found::Parcel(Parcel::Message { message, .. }) => assert_eq!(text(&message), noticed(1)),
        other => panic!("{other:?}"),
    }
    assert_eq!(s.outbox.id().exchange, id + 1);
    assert_eq!(s.noted(), [noticed(0)]);
    assert!(pen.is_some(), "it is back");
}

#[test]
fn the_rest_of_an_answer_is_that_of_the_exchange_a_deputy_began() {
    let mut s = scene();
    let mut pen = s.pen(|text| match text.contains("n1") {
        true => Written::Part(b"rest".to_vec()),
        false => Written::Last,
    });
    let id = s.outbox.id().exchange;
    let (sender, deputy) = (&s.sender, s.outbox.deputy());
    let mut nap = Doing(Some(|| {
        sender.put(id, parcel(&noticed(0)), &mut round(0)).unwrap();
        assert!(deputy.begin(FromClient::Patience).is_some());
        sender
            .put(id + 1, parcel(&noticed(1)), &mut round(0))
            .unwrap();
        assert!(!deputy.is_free(), "the answer is not out yet");
    }));
    match s.outbox.wait_lending(&mut pen, &mut nap) {
        Found::Rest(rest, load) => assert_eq!((&rest[..], load.messages), (&b"rest"[..], 1)),
        other => panic!("{other:?}"),
    }
    assert_eq!(s.outbox.id().exchange, id + 1);
}

#[test]
fn without_a_pen_a_deputy_begins_nothing() {
    let mut s = scene();
    let id = s.outbox.id().exchange;
    let (sender, deputy) = (&s.sender, s.outbox.deputy());
    assert!(deputy.begin(FromClient::Patience).is_none());
    let mut nap = Doing(Some(|| {
        sender
            .put(id, parcel(&noticed(0)), &mut round(0))
            .map(drop)
            .unwrap();
    }));
    let mut pen = s.pen(|_| Written::Last);
    let found = s.outbox.wait_lending(&mut pen, &mut nap);
    assert!(matches!(found, Found::Answered), "{found:?}");
    // The owner is awake, and has its pen back.
    assert!(deputy.begin(FromClient::Patience).is_none());
    assert_eq!(s.outbox.id().exchange, id);
}
