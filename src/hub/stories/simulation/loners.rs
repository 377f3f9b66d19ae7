//! The clients of a simulation that have no session: each of their requests
//! stands for itself. Those that are asked something come back with answers, with
//! some of them, with the same answers again, or not at all.

use crate::event::{OutboxId, Report, SessionKey, View};
use crate::hub::stories::cast::request;
use crate::hub::stories::simulation::Simulation;
use crate::hub::stories::simulation::clients::COMPLETE;
use crate::hub::stories::simulation::judge::{Asking, Lone};

/// What one wants to be told of.
const LISTEN: &str = r#""notifications":{"toolsListChanged":true,"resourceSubscriptions":["file:///new","file:///git"]}"#;
const LONERS: [&str; 3] = ["lou", "max", "nan"];
/// How many calls that asked are remembered; older ones are never taken up.
const ASKING_MAX: usize = 8;

impl Simulation {
    /// Such a client posts a request.
    pub(super) fn loner_acts(&mut self) {
        let who = LONERS[self.dice.below(LONERS.len())];
        if !self.world.clients.contains_key(who) {
            let view = match who {
                "nan" => View::Server("git".into()),
                _ => View::Merged,
            };
            self.world.come(who, view);
        }
        let session = self.fresh(who);
        let exchange = self.next_exchange(who);
        let text = self.something_lone_to_ask(&session, exchange);
        self.posts(who, session, &text);
    }

    /// A monitor, or somebody who is curious, asks after the gateway itself.
    pub(super) fn somebody_inquires(&mut self) {
        let who = "eye";
        if !self.world.clients.contains_key(who) {
            self.world.come(who, View::Merged);
        }
        let report = match self.dice.below(4) {
            0 => Report::Health,
            1 => Report::Ready,
            2 => Report::Status,
            _ => Report::Inventory,
        };
        self.judge.begins(self.next_exchange(who), self.fresh(who));
        self.tell(|| format!("{report:?} is asked"));
        self.world.inquires(who, report);
        self.look();
    }

    /// A request without a session: a new one, or one that comes back.
    pub(super) fn something_lone_to_ask(
        &mut self,
        session: &SessionKey,
        exchange: OutboxId,
    ) -> String {
        let surplus = self.judge.asking.len().saturating_sub(ASKING_MAX);
        self.judge.asking.drain(..surplus);
        let (id, new_mark) = self.judge.mint(session);
        let count = self.judge.asking.len();
        let (mark, more) = if count > 0 && self.dice.percent(60) {
            let place = self.dice.below(count);
            // Some come back twice with the same state.
            let asking = match self.dice.percent(80) {
                true => self.judge.asking.remove(place),
                false => self.judge.asking[place].clone(),
            };
            let more = self.what_a_retry_adds(&asking);
            let mark = match self.dice.percent(97) {
                true => asking.mark,
                // With that it asks for something else.
                false => {
                    let lone = self.new_call(&new_mark);
                    self.judge.lone.insert(new_mark.clone(), lone);
                    new_mark
                }
            };
            (mark, more)
        } else {
            let lone = self.new_call(&new_mark);
            self.judge.lone.insert(new_mark.clone(), lone);
            (new_mark, String::new())
        };
        self.judge.asks((session, &id), mark.clone(), exchange);
        if self.judge.lone[&mark].method == "subscriptions/listen" {
            self.judge.listens(session, &id);
        }
        let level = match self.dice.percent(30) {
            true => r#","io.modelcontextprotocol/logLevel":"info""#,
            false => "",
        };
        let can = match self.dice.percent(88) {
            true => r#"{"sampling":{},"elicitation":{},"roots":{}}"#,
            false => "{}",
        };
        let meta = format!(
            r#""_meta":{{"progressToken":"{mark}","io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{can}{level}}}"#
        );
        let Lone {
            method, members, ..
        } = &self.judge.lone[&mark];
        request(&id, method, &format!("{{{meta},{members}{more}}}"))
    }

    fn new_call(&mut self, mark: &str) -> Lone {
        let (method, member) = match self.dice.below(12) {
            10 => match self.dice.below(3) {
                0 => ("completion/complete", COMPLETE),
                1 => ("tasks/get", r#""taskId":"none""#),
                _ => ("prompts/get", r#""name":"git__p""#),
            },
            11 => ("subscriptions/listen", LISTEN),
            0..2 => ("tools/call", r#""name":"git__x""#),
            2 => ("tools/call", r#""name":"time__x""#),
            3..5 => ("tools/call", r#""name":"pad__x""#),
            5 => ("tools/call", r#""name":"x""#),
            6 => ("resources/read", r#""uri":"file:///hidden""#),
            8..10 => ("tools/call", r#""name":"new__x""#),
            _ => ("resources/read", r#""uri":"file:///git""#),
        };
        Lone {
            method,
            members: format!(r#""mark":"{mark}",{member}"#),
        }
    }

    /// The state and answers, of which some are forgotten and some not readable.
    fn what_a_retry_adds(&mut self, asking: &Asking) -> String {
        let broken = self.dice.percent(5);
        let answers: Vec<String> = asking
            .keys
            .iter()
            .filter(|_| self.dice.percent(85))
            .map(|key| match broken {
                true => format!(r#""{key}":7"#),
                false => format!(r#""{key}":{{"from":"{}"}}"#, asking.mark),
            })
            .collect();
        let changed = if self.dice.percent(5) { "x" } else { "" };
        format!(
            r#","requestState":"{}{changed}","inputResponses":{{{}}}"#,
            asking.state,
            answers.join(",")
        )
    }

    /// Whoever asks in the answer to a call was sent that call.
    pub(super) fn check_asked(&self) {
        for asking in &self.judge.asking {
            for life in &asking.lives {
                let process = self.processes.alive.get(life);
                assert!(
                    process.is_none_or(|process| process.marks.contains(&asking.mark)),
                    "{life:?} asks in the answer to {}, which it never got",
                    asking.mark
                );
            }
        }
    }
}
