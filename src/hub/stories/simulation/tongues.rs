//! What the processes of a simulation speak: servers of either era and of both,
//! and what those of the stateless era do that others do not.

use crate::config::checked::Protocol;
use crate::event::Life;
use crate::hub::stories::cast::{notice, result};
use crate::hub::stories::simulation::Simulation;
use crate::wire::method::Method;

/// What a process speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Tongue {
    /// The handshake era.
    #[default]
    Handshake,
    /// The stateless era.
    Stateless,
    /// Either: what it is asked first.
    Both,
}

impl Tongue {
    /// What a process of that life speaks: not always what its server's entry
    /// says, nor what the process before it did.
    pub(super) fn of(life: Life, protocol: Protocol) -> Tongue {
        match (protocol, life.0 % 5) {
            (Protocol::Legacy, _) => Tongue::Handshake,
            (_, 0) => Tongue::Handshake,
            (_, 1..4) => Tongue::Stateless,
            (_, _) => Tongue::Both,
        }
    }

    /// The error with which it answers the greeting of another era.
    pub(super) fn refuses(self, method: &Method) -> Option<&'static str> {
        match (self, method) {
            (Tongue::Handshake, Method::Discover) => {
                Some(r#"{"code":-32601,"message":"no such method"}"#)
            }
            (Tongue::Stateless, Method::Initialize) => Some(
                r#"{"code":-32022,"message":"not in this era","data":{"supported":["2026-07-28"]}}"#,
            ),
            _ => None,
        }
    }
}

impl Simulation {
    /// The answer of a process that wants to know something first; now and then
    /// nonsense.
    pub(super) fn input_required(&mut self, life: Life) -> String {
        let count = match self.dice.below(20) {
            0 => return r#"{"resultType":"input_required","inputRequests":7}"#.to_owned(),
            1 => return r#"{"resultType":"input_required","requestState":"s"}"#.to_owned(),
            2..12 => 1,
            12..19 => 2,
            _ => 30,
        };
        let questions: Vec<String> = (0..count)
            .map(|_| {
                let process = self.process(life);
                process.asked += 1;
                let asked = process.asked;
                let method = match self.dice.below(5) {
                    0 => "roots/list",
                    1..3 => "sampling/createMessage",
                    _ => "elicitation/create",
                };
                let params = format!(r#"{{"question":"r{asked}","life":{}}}"#, life.0);
                format!(r#""k{asked}":{{"method":"{method}","params":{params}}}"#)
            })
            .collect();
        let questions = questions.join(",");
        format!(r#"{{"resultType":"input_required","inputRequests":{{{questions}}}}}"#)
    }

    /// A process is asked to tell of changes.
    pub(super) fn listens_to_gateway(&mut self, life: Life, number: u64) {
        let id = number.to_string();
        match self.dice.below(20) {
            0 => self.says(life, &result(&id, r#"{"resultType":"complete"}"#)),
            1 => {
                let error = r#"{"code":-32601,"message":"no such method"}"#;
                self.says(
                    life,
                    &format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#),
                );
            }
            _ => {
                self.process(life).listening.insert(number);
                let meta = format!(r#""_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}"#);
                let params = format!(r#"{{{meta},"notifications":{{}}}}"#);
                let method = "notifications/subscriptions/acknowledged";
                self.says(life, &notice(method, &params));
            }
        }
    }

    /// A process does not tell of changes any more.
    pub(super) fn stops_telling(&mut self, life: Life) {
        let listening: Vec<u64> = self.process(life).listening.iter().copied().collect();
        let Some(number) = self.dice.pick(&listening) else {
            return;
        };
        self.process(life).listening.remove(&number);
        let line = match self.dice.percent(50) {
            true => result(&number.to_string(), r#"{"resultType":"complete"}"#),
            false => notice(
                "notifications/cancelled",
                &format!(r#"{{"requestId":{number}}}"#),
            ),
        };
        self.says(life, &line);
    }
}
