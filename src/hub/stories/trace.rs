//! What a story is told by: each effect as a short line of text, and the ways
//! to hold these lines against what they should be.

use serde_json::Value;

use crate::event::{Effect, Life, Moment, Parcel, Signal};
use crate::hub::stories::cast::session_name;
use crate::hub::stories::world::World;
use crate::wire::envelope::Kind;
use crate::wire::outgoing::Outgoing;
use crate::wire::sse::EventId;

/// Messages longer than this are told by their length.
const SHOWN_BYTES: usize = 8 << 10;

/// The bytes of a message on its way out.
pub(super) fn text(message: &Outgoing) -> String {
    let mut bytes = Vec::new();
    message.write_to(&mut bytes);
    String::from_utf8(bytes).expect("messages are text")
}

/// A message for a client, or an answer to a child.
fn plain(message: &Outgoing) -> String {
    if message.len_max() > SHOWN_BYTES {
        return format!("{} bytes", message.message.len());
    }
    let value: Value = serde_json::from_str(&text(message)).expect("messages are JSON");
    let id = &value["id"];
    let params = value
        .get("params")
        .map_or(String::new(), |p| format!(" {p}"));
    match &message.message.kind {
        Kind::Request(method) => format!("asks {id} {}{params}", method.name()),
        Kind::Notification(method) => format!("{}{params}", method.name()),
        Kind::Answer { failed: false } => format!("answer {id} {}", value["result"]),
        Kind::Answer { failed: true } => {
            let error = &value["error"];
            let sentence = error["message"].as_str().unwrap_or_default();
            format!("error {id} {} {sentence}", error["code"])
        }
    }
}

impl World {
    /// What was done since the story last looked, as lines.
    pub(super) fn trace(&mut self) -> Vec<String> {
        let deeds = std::mem::take(&mut self.deeds);
        deeds
            .iter()
            .map(|(moment, effect)| self.line(*moment, effect))
            .collect()
    }

    /// The messages among what was done since the story last looked, as JSON.
    pub(super) fn messages(&mut self) -> Vec<Value> {
        let deeds = std::mem::take(&mut self.deeds);
        let message = |effect| match effect {
            Effect::ToChild { message, .. } => Some(message),
            Effect::ToClient { parcel, .. } => match parcel {
                Parcel::Welcome { message, .. } | Parcel::Message { message, .. } => Some(message),
                Parcel::Verdict { message, .. } => message,
                Parcel::Opened { .. } | Parcel::Report(_) | Parcel::End | Parcel::Cut => None,
            },
            _ => None,
        };
        deeds
            .into_iter()
            .filter_map(|(_, effect)| message(effect))
            .map(|message| serde_json::from_str(&text(&message)).expect("messages are JSON"))
            .collect()
    }

    /// Looks away from what was done so far.
    pub(super) fn forget(&mut self) {
        self.deeds.clear();
    }

    /// Exactly these lines have been written since the story last looked.
    pub(super) fn expect(&mut self, lines: &[&str]) {
        let trace = self.trace();
        assert!(
            trace == lines,
            "expected\n    {}\nbut got\n    {}",
            lines.join("\n    "),
            trace.join("\n    ")
        );
    }

    /// Of the lines written since the story last looked, those that name
    /// `part` are exactly these.
    pub(super) fn expect_of(&mut self, part: &str, lines: &[&str]) {
        let trace = self.trace();
        let named: Vec<&String> = trace.iter().filter(|line| line.contains(part)).collect();
        assert!(
            named == lines,
            "expected\n    {}\nbut got\n    {}",
            lines.join("\n    "),
            trace.join("\n    ")
        );
    }

    /// One effect as a line.
    pub(super) fn line(&self, moment: Moment, effect: &Effect) -> String {
        let life = |life: &Life| self.lives[life].name.clone();
        let deed = match effect {
            Effect::ToClient { outbox, parcel } => {
                format!("{} {}", self.exchanges[outbox].name, self.parcel(parcel))
            }
            Effect::ToChild { life: to, message } => {
                format!("to {} {}", life(to), self.for_child(*to, message))
            }
            Effect::Spawn { life: born, .. } => format!("spawn {}", life(born)),
            Effect::CloseInput { life: whose } => format!("close {}", life(whose)),
            Effect::Signal {
                life: whose,
                signal: Signal::Terminate,
            } => format!("term {}", life(whose)),
            Effect::Signal {
                life: whose,
                signal: Signal::Kill,
            } => format!("kill {}", life(whose)),
            Effect::Bury { life: whose } => format!("bury {}", life(whose)),
            Effect::Keep(record) => format!("keep {record:?}"),
            Effect::Recount => "recount".to_owned(),
            Effect::Finished => "finished".to_owned(),
        };
        format!("{moment} {deed}")
    }

    /// Stories leave the epoch of the present hub out.
    fn event(&self, event: &EventId) -> String {
        match event.epoch == self.hub.streams.epoch() {
            true => format!("{}-{}", event.stream, event.number),
            false => event.to_string(),
        }
    }

    fn parcel(&self, parcel: &Parcel) -> String {
        match parcel {
            Parcel::Welcome { session, message } => {
                let value: Value = serde_json::from_str(&text(message)).expect("JSON");
                format!("welcome {} session {}", value["id"], session_name(session))
            }
            Parcel::Opened { prime, session } => {
                let prime = prime.as_ref().map_or(String::new(), |event| {
                    format!(" prime {}", self.event(event))
                });
                let session = session.as_ref();
                let session = session.map_or(String::new(), |key| {
                    format!(" session {}", session_name(key))
                });
                format!("opened{prime}{session}")
            }
            Parcel::Message {
                message,
                event,
                last,
            } => {
                let event = event
                    .as_ref()
                    .map_or(String::new(), |event| format!("[{}] ", self.event(event)));
                let last = if *last { " last" } else { "" };
                format!("{event}{}{last}", plain(message))
            }
            Parcel::Verdict { standing, message } => {
                let message = message.as_ref();
                let message = message.map_or(String::new(), |m| format!(" {}", plain(m)));
                format!("verdict {standing:?}{message}")
            }
            Parcel::Report(told) => format!("told {told:?}"),
            Parcel::End => "end".to_owned(),
            Parcel::Cut => "cut".to_owned(),
        }
    }

    /// A message for a child: requests of ours by their number in its life, and
    /// so are the progress tokens and ids that stand for them.
    fn for_child(&self, life: Life, message: &Outgoing) -> String {
        if message.len_max() > SHOWN_BYTES {
            return format!("{} bytes", message.message.len());
        }
        let mut value: Value = serde_json::from_str(&text(message)).expect("JSON");
        let requests = &self.lives[&life].requests;
        let number = |id: &Value| {
            let id = id.as_u64()?;
            let place = requests.iter().position(|(number, _)| *number == id)?;
            Some(format!("#{}", place + 1))
        };
        for path in ["/params/_meta/progressToken", "/params/requestId"] {
            if let Some(ours) = value.pointer_mut(path)
                && let Some(number) = number(ours)
            {
                *ours = number.into();
            }
        }
        let Kind::Request(method) = &message.message.kind else {
            return match &message.message.kind {
                Kind::Notification(method) => match value.get("params") {
                    Some(params) => format!("{} {params}", method.name()),
                    None => method.name().to_owned(),
                },
                _ => plain(message),
            };
        };
        let who = take_introduction(&mut value);
        let id = number(&value["id"]).unwrap_or_else(|| value["id"].to_string());
        match value
            .get("params")
            .filter(|_| method.name() != "initialize")
        {
            Some(params) => format!("{id} {} {params}{who}", method.name()),
            None => format!("{id} {}{who}", method.name()),
        }
    }
}

/// Takes out what a request says of who asks, as the stateless era wants it:
/// told in short, such as ` by c at debug`.
fn take_introduction(value: &mut Value) -> String {
    let Some(params) = value.get_mut("params").and_then(Value::as_object_mut) else {
        return String::new();
    };
    let Some(meta) = params.get_mut("_meta").and_then(Value::as_object_mut) else {
        return String::new();
    };
    let mut take = |key: &str| meta.remove(&format!("io.modelcontextprotocol/{key}"));
    let Some(version) = take("protocolVersion") else {
        return String::new();
    };
    let (info, level) = (take("clientInfo"), take("logLevel"));
    let can = take("clientCapabilities");
    if meta.is_empty() {
        params.remove("_meta");
    }
    if params.is_empty() {
        value
            .as_object_mut()
            .map(|members| members.remove("params"));
    }
    assert_eq!(version, "2026-07-28");
    assert!(can.is_some_and(|can| can.is_object()), "{value}");
    let name = info.map(|info| info["name"].as_str().unwrap_or("-").to_owned());
    let level = level.map(|level| format!(" at {}", level.as_str().unwrap_or_default()));
    format!(
        " by {}{}",
        name.unwrap_or_default(),
        level.unwrap_or_default()
    )
}
