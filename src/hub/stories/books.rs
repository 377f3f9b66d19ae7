//! What must be true of the hub's books after every event, looked up in all of
//! them at once. How much each may hold, `tables` knows.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Load, ServerId, SessionKey};
use crate::hub::Hub;
use crate::hub::calls::{Asker, Caller};
use crate::hub::children::{Child, Held};
use crate::hub::leases::Stage;
use crate::hub::lifecycle::Phase;
use crate::hub::stories::world::Ceilings;
use crate::hub::streams::{StreamId, StreamKind};
use crate::limits;
use crate::wire::own_id::OwnId;

impl Hub {
    /// Whether a request of that session and id still wants its answer.
    pub(super) fn is_awaited(&self, session: &SessionKey, id: &str) -> bool {
        let mine = |caller: &Caller| caller.session == *session && *caller.id == *id;
        self.calls.of_client(session, id).is_some()
            || self.carried_with_id(session, id).is_some()
            || self.rounds.of_client(session, id).is_some()
            || self.fans.callers().any(mine)
            || self.waiters.iter().any(|waiter| mine(waiter.caller()))
    }

    /// What is under way, in short: enough to see that a word has changed nothing.
    pub(super) fn posture(&self) -> Vec<(Phase, Load, [usize; 6])> {
        let children = self.children.iter().map(|(_, child)| {
            let counts = [
                child.held.len(),
                child.under_way.len(),
                child.reading.len(),
                usize::from(child.silent),
                usize::from(child.ended.is_some()),
                child.process.map_or(0, |process| process.pid as usize),
            ];
            (child.phase, child.load, counts)
        });
        let whole = [
            self.calls.len(),
            self.questions.len(),
            self.rounds.len(),
            self.streams.len(),
            self.sessions.len(),
            self.timers.len(),
        ];
        let whole = (Phase::Down, Load::default(), whole);
        children.chain([whole]).collect()
    }

    /// Holds all books against each other.
    pub(super) fn check_books(&self, most: &Ceilings) {
        let owed = self.check_calls();
        self.check_streams(&owed);
        self.check_sessions(&owed);
        self.check_children(most);
        self.check_servers();
        self.check_questions();
        self.check_leases();
        self.check_hearing();
        self.check_tables_are_bounded(most);
    }

    /// Every call lies with its child; returns the requests that want answers.
    fn check_calls(&self) -> Vec<Caller> {
        let mut owed = Vec::new();
        let mut placed = 0;
        for (id, child) in self.children.iter() {
            let lying = child.held.iter().map(|held| (&held.id, false));
            let sent = child.under_way.iter().map(|call| (call, true));
            for (call, is_sent) in lying.chain(sent) {
                placed += 1;
                let call = self
                    .calls
                    .get(*call)
                    .expect("a child's call is in the book");
                assert_eq!(call.child, id, "a call lies with another child");
                assert_eq!(call.life, is_sent.then_some(child.life), "{call:?}");
                assert!(call.timer.is_some(), "a call without a deadline");
                assert!(is_sent || !call.abandoned, "an abandoned call is held");
                if let (Asker::Client(caller), false) = (&call.asker, call.abandoned) {
                    owed.push(caller.clone());
                }
            }
        }
        assert_eq!(placed, self.calls.len(), "a call lies with no child");
        owed.extend(self.fans.callers().cloned());
        owed.extend(
            self.rounds
                .iter()
                .filter_map(|(_, round)| match &round.call.asker {
                    Asker::Client(caller) => Some(caller.clone()),
                    Asker::Fan(_) | Asker::Leased(_) | Asker::Nobody => None,
                }),
        );
        owed.extend(self.sessions.iter().filter_map(|(key, session)| {
            let lone = session.lone.as_ref().filter(|lone| lone.filter.is_some())?;
            Some(Caller {
                session: key.clone(),
                stream: lone.stream,
                id: lone.id.clone(),
                progress_token: None,
            })
        }));
        owed.extend(self.waiters.iter().map(|waiter| waiter.caller().clone()));
        owed
    }

    /// A POST's stream owes exactly the answers that are awaited on it.
    fn check_streams(&self, owed: &[Caller]) {
        let mut awaited: BTreeMap<StreamId, usize> = BTreeMap::new();
        for caller in owed {
            *awaited.entry(caller.stream).or_default() += 1;
        }
        for (key, session) in self.sessions.iter() {
            for &id in &session.streams {
                let stream = self.streams.get(id).expect("a session's stream is open");
                assert_eq!(stream.session, *key, "a stream of two sessions");
                if let StreamKind::Post { owed } = stream.kind {
                    let awaited = awaited.get(&id).copied().unwrap_or_default();
                    assert!(owed == awaited && owed > 0, "{stream:?}: {awaited} awaited");
                }
            }
        }
        assert!(self.streams.unread_bytes() <= limits::OUTBOXES_BYTES_MAX);
        let held: usize = self.sessions.iter().map(|(_, s)| s.streams.len()).sum();
        assert_eq!(held, self.streams.len(), "a stream of no session");
        let attached = self.sessions.iter().flat_map(|(_, s)| &s.streams);
        let attached =
            attached.filter(|id| self.streams.get(**id).is_some_and(|s| s.outbox.is_some()));
        assert_eq!(
            attached.count(),
            self.streams.outboxes(),
            "an outbox of no stream"
        );
    }

    /// A session counts exactly its requests that want answers.
    fn check_sessions(&self, owed: &[Caller]) {
        let mut awaited: BTreeMap<&SessionKey, usize> = BTreeMap::new();
        for caller in owed {
            *awaited.entry(&caller.session).or_default() += 1;
            let lone = self
                .sessions
                .get(&caller.session)
                .and_then(|s| s.lone.as_ref());
            if let Some(carrier) = lone.and_then(|lone| lone.carrier.as_ref()) {
                *awaited.entry(carrier).or_default() += 1;
            }
        }
        for (key, session) in self.sessions.iter() {
            let awaited = awaited.remove(key).unwrap_or_default();
            assert_eq!(session.unanswered, awaited, "{key:?} has lost count");
            for (uri, child) in &session.subscriptions {
                let child = self.children.get(*child).expect("its child is known");
                assert!(
                    child.subscribers[uri].contains(key),
                    "{uri} is known to one side"
                );
            }
            for (server, child) in &session.children {
                let child = self.children.get(*child).expect("its child is known");
                assert_eq!((child.server, child.owner.as_ref()), (*server, Some(key)));
            }
        }
        assert!(awaited.is_empty(), "an answer is awaited by no session");
        let kept: usize = self.sessions.iter().map(|(_, s)| s.replay.bytes()).sum();
        assert_eq!(self.replay_bytes, kept);
        for key in &self.listeners {
            let session = self.sessions.get(key).expect("a listener is known");
            assert!(session.level.is_some());
        }
    }

    /// A server that the configuration names no more is known while a child of it
    /// is, and one that does not run has no place in any table after that.
    fn check_servers(&self) {
        for id in self.plan.servers.gone() {
            let is_left = self.children.iter().any(|(_, child)| child.server == id);
            assert!(is_left, "{id:?} is gone and still known");
        }
        let mut named: BTreeSet<ServerId> = BTreeSet::new();
        named.extend(self.mains.keys());
        named.extend(self.eras.keys());
        named.extend(self.links.servers());
        named.extend(self.tasks.servers());
        named.extend(self.rounds.iter().map(|(_, round)| round.server));
        named.extend(self.fans.servers());
        let known = |id: ServerId| self.plan.servers.get(id).is_some();
        assert!(
            self.figures.servers().all(known),
            "figures of a server that is gone"
        );
        named.extend(self.sessions.iter().flat_map(|(_, s)| s.children.keys()));
        for id in named {
            let is_left = self.children.iter().any(|(_, child)| child.server == id);
            let runs = self.plan.servers.runs(id);
            assert!(runs || is_left, "{id:?} is gone, and is in a table");
        }
        for id in self.figures.servers() {
            assert!(self.plan.servers.get(id).is_some(), "{id:?} is gone");
        }
        for view in self.shelf.keys() {
            assert!(self.check_view(view).is_ok(), "{view:?} is gone");
        }
        for child in self.resettling.awaited() {
            assert!(self.children.get(child).is_some(), "{child:?} is gone");
        }
        for (&server, &main) in &self.mains {
            let child = self.children.get(main).expect("a main child is known");
            assert_eq!(child.server, server);
            // One that goes is not what its server is known by but for a while.
            let runs = self.plan.servers.runs(server);
            let goes = matches!(child.phase, Phase::Leaving | Phase::Retiring);
            assert!(
                runs || goes,
                "{server:?} is not wanted and {:?}",
                child.phase
            );
        }
    }

    fn check_children(&self, most: &Ceilings) {
        let own = || self.children.iter().filter(|(_, c)| c.is_extra());
        let goes = |child: &Child| matches!(child.phase, Phase::Leaving | Phase::Retiring);
        assert!(own().filter(|(_, c)| !goes(c)).count() <= most.processes);
        assert!(own().count() <= 2 * most.processes);
        for (id, child) in self.children.iter() {
            let bytes: u64 = child.held.iter().map(Held::len_max).sum();
            assert_eq!(child.held_bytes, bytes);
            let goes_on = |id: &&OwnId| self.calls.get(**id).is_some_and(|call| !call.abandoned);
            let going_on = child.under_way.iter().filter(goes_on).count();
            assert!(going_on <= most.concurrent);
            for (uri, sessions) in &child.subscribers {
                assert!(!sessions.is_empty(), "{uri} has no subscriber");
                for key in sessions {
                    let session = self.sessions.get(key).expect("a subscriber is known");
                    assert!(session.subscriptions.contains(&(uri.clone(), id)));
                }
            }
            if let Some(owner) = &child.owner {
                let held = self
                    .sessions
                    .get(owner)
                    .map(|s| s.children.values().any(|c| *c == id));
                assert!(held == Some(true) || goes(child));
            }
            self.check_rest(child);
            let waits = child.held.is_empty() || !self.takes_calls(child);
            assert!(waits, "{id:?} holds back a call that it could be sent");
            let finishes = matches!(child.phase, Phase::Yielding | Phase::Leaving);
            let goes_on = |call: &OwnId| self.calls.get(*call).is_some_and(|c| !c.abandoned);
            let is_awaited = child.ended.is_some() || child.under_way.iter().any(goes_on);
            assert!(!finishes || is_awaited, "{id:?} has finished its calls");
            if !child.has_process() {
                assert!(child.under_way.is_empty() && child.reading.is_empty());
            }
        }
    }

    /// Who has no process knows what it waits for, and nobody waits for one that
    /// waits for nothing.
    fn check_rest(&self, child: &Child) {
        let phase = child.phase;
        let is_timed = matches!(phase, Phase::Waiting | Phase::Parked);
        assert_eq!(child.retry.is_some(), is_timed, "{phase:?}");
        assert!(child.parked || phase != Phase::Parked);
        assert!(!child.parked || !matches!(phase, Phase::Ready | Phase::Asleep));
        let is_refused = child.parked || phase == Phase::Down;
        let is_unneeded = matches!(phase, Phase::Asleep | Phase::Dozing);
        assert!(
            child.held.is_empty() || !(is_refused || is_unneeded),
            "{phase:?}"
        );
        assert!(child.subscribers.is_empty() || !is_unneeded, "{phase:?}");
        assert!(child.under_way.is_empty() || phase != Phase::Dozing);
        assert!(child.missed < limits::PINGS_MISSED_MAX || phase != Phase::Ready);
        assert!(child.missed == 0 || child.pinged.is_some());
    }

    fn check_questions(&self) {
        for id in self.questions.ids_where(|_| true) {
            let question = self.questions.get(id).expect("it was just listed");
            assert!(self.sessions.get(&question.session).is_some());
            let open = match question.round {
                Some(_) => self.questions.count_to(question.child, &question.session),
                None => self.questions.count_of(question.child),
            };
            assert!(open <= limits::CHILD_QUESTIONS_MAX);
            match question.round {
                Some((call, place)) => {
                    let round = self.rounds.get(call).expect("its round goes on");
                    assert_eq!(round.parts[place].question, Some(id));
                    assert!(round.parts[place].answer.is_none());
                    assert_eq!(round.session, question.session);
                }
                None => assert_eq!(self.children.of_life(question.life), Some(question.child)),
            }
        }
        for (call, round) in self.rounds.iter() {
            assert!(self.calls.get(call).is_none(), "it was answered");
            assert!(self.sessions.get(&round.session).is_some());
            assert!(round.call.rounds < limits::ROUNDS_MAX);
            let open = round.parts.iter().filter(|part| part.answer.is_none());
            for part in open.clone() {
                let question = part.question.and_then(|id| self.questions.get(id));
                assert!(question.is_some(), "a part that waits for nothing");
            }
            assert!(open.count() > 0, "a round that waits for nothing");
        }
    }

    /// A child of the stateless era is asked for what its sessions want, or will
    /// be soon.
    fn check_hearing(&self) {
        for (_, child) in self.children.iter() {
            let hearing = &child.hearing;
            let asked = [&hearing.open, &hearing.opening];
            let is_asked = asked.into_iter().any(Option::is_some);
            let may_be_asked = child.phase == Phase::Ready && child.is_stateless();
            assert!(may_be_asked || !is_asked || child.has_process());
            assert!(hearing.opening.is_none() || hearing.timer.is_some());
            if may_be_asked && hearing.timer.is_none() && !hearing.refused {
                let told = hearing.open.iter().flat_map(|open| &open.filter.uris);
                let wanted = child.subscribers.keys().map(|uri| &**uri);
                let wanted = wanted.filter(|uri| !hearing.unwelcome.contains(*uri));
                assert!(told.map(|uri| &**uri).eq(wanted));
            }
        }
    }

    /// A leased call, its questions, and the request it is entered as know each
    /// other; what a stateless client is asked belongs to a leased call.
    fn check_leases(&self) {
        let mut questions = 0;
        for (id, lease) in self.leases.iter() {
            let session = self.sessions.get(&lease.session);
            let session = session.expect("a leased call has its request");
            let lone = session.lone.as_ref().expect("of a stateless client");
            assert_eq!(lone.lease, Some(id), "known to one side");
            assert_eq!(session.unanswered, usize::from(!lease.awaits_return()));
            let call = self.calls.get(lease.call).filter(|call| !call.abandoned);
            match (&lease.stage, call.map(|call| &call.asker)) {
                (Stage::Gathering, Some(Asker::Client(caller))) => {
                    assert_eq!(caller.session, lease.session);
                    assert!(!lease.open.is_empty(), "nothing is gathered");
                }
                (Stage::Waiting(_), Some(Asker::Leased(other))) => assert_eq!(*other, id),
                (Stage::Over(_), None) => assert!(lease.open.is_empty(), "asked for nothing"),
                (stage, asker) => panic!("{stage:?} with {asker:?}"),
            }
            if let Some(call) = call {
                assert_eq!(
                    (call.child, &call.origin),
                    (lease.child, &Some(lease.session.clone()))
                );
            }
            for (question, _) in &lease.open {
                let question = self.questions.get(*question).expect("it is open");
                assert_eq!(
                    (&question.session, question.child),
                    (&lease.session, lease.child)
                );
                questions += 1;
            }
            assert!(lease.open.len() <= limits::INPUT_REQUESTS_MAX);
        }
        let is_lone = |key: &SessionKey| self.sessions.get(key).is_some_and(|s| s.lone.is_some());
        let to_lone = self.questions.ids_where(|q| is_lone(&q.session));
        assert_eq!(to_lone.len(), questions, "a question that nobody carries");
        for (key, session) in self.sessions.iter() {
            let lone = session.lone.as_ref();
            let lease = lone.and_then(|lone| lone.lease);
            assert!(lease.is_none_or(|id| self.leases.get(id).is_some_and(|h| h.session == *key)));
            let is_over = lone.is_some() && session.unanswered == 0;
            assert!(
                !is_over || lease.is_some(),
                "{key:?} is answered and still entered"
            );
        }
        let waits = |call: &crate::hub::calls::Call| matches!(call.asker, Asker::Leased(_));
        for (_, child) in self.children.iter() {
            for call in child.under_way.iter().filter_map(|id| self.calls.get(*id)) {
                let lease = self
                    .leases
                    .iter()
                    .any(|(_, lease)| Some(&lease.session) == call.origin.as_ref());
                assert!(!waits(call) || call.abandoned || lease, "a call for nobody");
            }
        }
    }
}
