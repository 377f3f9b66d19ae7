//! The demo server's thinking: lines in, messages out, time handed in. Pure.
//!
//! It speaks the handshake revisions of MCP, 2024-11-05 to 2025-11-25. It is
//! lenient about the order: a request is answered before `initialize`, too.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use crate::cli::demo_server::answers;
use crate::cli::demo_server::failure::{self, Failure, text};
use crate::cli::demo_server::offers;
use crate::limits;
use crate::logging::timestamp::rfc3339_millis;

/// The revisions spoken, the newest last.
const VERSIONS: &[&str] = &["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// The one revision with batches.
const BATCH_VERSION: &str = "2025-03-26";

/// The levels of log messages, from the most verbose (RFC 5424).
const LEVELS: &[&str] = &[
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];

/// How often a sleeping call tells its progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// The time at which something happens.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Since the server's start; never runs backwards.
    pub elapsed: Duration,
    /// The wall clock, for the tool `time`.
    pub wall: SystemTime,
}

/// The server between two lines.
#[derive(Debug, Default)]
pub struct DemoServer {
    /// The negotiated revision.
    version: Option<&'static str>,
    /// The least severe level the client asked for, as a place in [`LEVELS`].
    /// Until it asks, it gets no log messages.
    log_level: Option<usize>,
    /// The calls of `sleep` under way.
    sleeps: Vec<Sleep>,
}

/// A call of `sleep` under way.
#[derive(Debug)]
struct Sleep {
    id: Value,
    start: Duration,
    end: Duration,
    /// The client's token and when it is told next, if it wants to be.
    progress: Option<(Value, Duration)>,
}

/// A request that is understood.
struct Request<'a> {
    id: &'a Value,
    method: &'a str,
    params: &'a Map<String, Value>,
}

/// What becomes of a request that does not fail.
enum Outcome {
    Result(Value),
    /// It is answered by [`DemoServer::wake`].
    Later,
}

/// The answer to a line over the limit, whose id is unknown.
pub fn line_too_long() -> Value {
    let limit = limits::DEMO_LINE_BYTES_MAX;
    Failure::new(
        failure::INVALID_REQUEST,
        format!("a line is longer than {limit} bytes"),
    )
    .answer(&Value::Null)
}

impl DemoServer {
    /// Takes a line of the client's and gives the messages to send, in order.
    pub fn handle(&mut self, now: Now, line: &[u8]) -> Vec<Value> {
        let mut out = Vec::new();
        if line.trim_ascii().is_empty() {
            return out;
        }
        let answer = match serde_json::from_slice(line) {
            Ok(Value::Array(batch)) => self.batch(now, &batch, &mut out),
            Ok(message) => self.message(now, &message, &mut out),
            Err(error) => Some(
                Failure::new(failure::PARSE_ERROR, format!("broken JSON: {error}"))
                    .answer(&Value::Null),
            ),
        };
        out.extend(answer);
        out
    }

    /// When [`DemoServer::wake`] wants to be called, since the start.
    pub fn next_wake(&self) -> Option<Duration> {
        self.sleeps.iter().map(Sleep::next_wake).min()
    }

    /// Gives the messages that are due.
    pub fn wake(&mut self, elapsed: Duration) -> Vec<Value> {
        let mut out = Vec::new();
        self.sleeps.retain_mut(|sleep| {
            out.extend(sleep.wake(elapsed));
            elapsed < sleep.end
        });
        out
    }

    /// The answers to a batch are sent together, but for those that come later.
    fn batch(&mut self, now: Now, batch: &[Value], out: &mut Vec<Value>) -> Option<Value> {
        let refused = if self.version != Some(BATCH_VERSION) {
            format!("batches exist in revision {BATCH_VERSION} only")
        } else if batch.is_empty() {
            "a batch must not be empty".to_owned()
        } else {
            let answers: Vec<Value> = batch
                .iter()
                .filter_map(|message| self.message(now, message, out))
                .collect();
            return (!answers.is_empty()).then_some(Value::Array(answers));
        };
        Some(Failure::new(failure::INVALID_REQUEST, refused).answer(&Value::Null))
    }

    /// Handles one message: its answer is returned, what goes before it is put
    /// into `out`.
    fn message(&mut self, now: Now, message: &Value, out: &mut Vec<Value>) -> Option<Value> {
        let id = message.get("id");
        let valid_id = id.filter(|id| id.is_string() || id.is_number());
        let refuse = |reason: &str| {
            let id = valid_id.unwrap_or(&Value::Null);
            Some(Failure::new(failure::INVALID_REQUEST, reason).answer(id))
        };
        if !message.is_object() {
            return refuse("a message must be a JSON object");
        }
        if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return refuse("\"jsonrpc\" must be \"2.0\"");
        }
        let method = match message.get("method") {
            Some(Value::String(method)) if !method.is_empty() => method,
            Some(_) => return refuse("\"method\" must be a string that is not empty"),
            // An answer; this server asks nothing, so it is nobody's.
            None if message.get("result").or(message.get("error")).is_some() => return None,
            None => return refuse("\"method\" is missing"),
        };
        let none = Map::new();
        let params = match message.get("params") {
            None => Ok(&none),
            Some(Value::Object(params)) => Ok(params),
            Some(_) => Err(Failure::params("\"params\" must be an object")),
        };
        if id.is_none() {
            if let Ok(params) = params {
                self.notification(method, params);
            }
            return None;
        }
        let Some(id) = valid_id else {
            return refuse("\"id\" must be a string or a number");
        };
        let request = |params| Request { id, method, params };
        match params.and_then(|params| self.request(now, &request(params), out)) {
            Ok(Outcome::Result(result)) => {
                Some(json!({"jsonrpc": "2.0", "id": id, "result": result}))
            }
            Ok(Outcome::Later) => None,
            Err(failure) => Some(failure.answer(id)),
        }
    }

    /// Only `notifications/cancelled` means anything here; a notification that
    /// is unknown is ignored, and so is the cancellation of what is over.
    fn notification(&mut self, method: &str, params: &Map<String, Value>) {
        if method == "notifications/cancelled" {
            let cancelled = params.get("requestId");
            self.sleeps.retain(|sleep| Some(&sleep.id) != cancelled);
        }
    }

    fn request(
        &mut self,
        now: Now,
        request: &Request<'_>,
        out: &mut Vec<Value>,
    ) -> Result<Outcome, Failure> {
        let params = request.params;
        let result = match request.method {
            "initialize" => self.initialize(params)?,
            "ping" => json!({}),
            "tools/list" => answers::only_page(params, json!({"tools": offers::tools()}))?,
            "tools/call" => return self.call(now, request, out),
            "prompts/list" => answers::only_page(params, json!({"prompts": offers::prompts()}))?,
            "prompts/get" => answers::get_prompt(params)?,
            "resources/list" => {
                answers::only_page(params, json!({"resources": offers::resources()}))?
            }
            "resources/templates/list" => {
                answers::only_page(params, json!({"resourceTemplates": offers::templates()}))?
            }
            "resources/read" => answers::read_resource(params)?,
            "completion/complete" => answers::complete(params)?,
            "logging/setLevel" => self.set_level(params)?,
            unknown => {
                return Err(Failure::new(
                    failure::METHOD_NOT_FOUND,
                    format!("unknown method {unknown:?}"),
                ));
            }
        };
        Ok(Outcome::Result(result))
    }

    /// A revision that is spoken is taken; instead of any other the newest is
    /// offered (specification 2025-11-25, lifecycle, version negotiation).
    fn initialize(&mut self, params: &Map<String, Value>) -> Result<Value, Failure> {
        let wanted = text(params, "protocolVersion")?;
        let newest = VERSIONS[VERSIONS.len() - 1];
        let spoken = VERSIONS.iter().copied().find(|version| *version == wanted);
        let version = spoken.unwrap_or(newest);
        self.version = Some(version);
        Ok(json!({
            "protocolVersion": version,
            "capabilities": {
                "tools": {}, "prompts": {}, "resources": {}, "completions": {}, "logging": {}
            },
            "serverInfo": {
                "name": "mcproxy-demo",
                "title": "mcproxy demo server",
                "version": env!("CARGO_PKG_VERSION"),
            },
            "instructions": offers::INSTRUCTIONS,
        }))
    }

    fn set_level(&mut self, params: &Map<String, Value>) -> Result<Value, Failure> {
        let wanted = text(params, "level")?;
        let place = LEVELS.iter().position(|level| *level == wanted);
        let place = place.ok_or_else(|| {
            Failure::params(format!("\"level\" must be one of {}", LEVELS.join(", ")))
        })?;
        self.log_level = Some(place);
        Ok(json!({}))
    }

    fn call(
        &mut self,
        now: Now,
        request: &Request<'_>,
        out: &mut Vec<Value>,
    ) -> Result<Outcome, Failure> {
        let params = request.params;
        let name = text(params, "name")?;
        let none = Map::new();
        let arguments = match params.get("arguments") {
            None => &none,
            Some(Value::Object(arguments)) => arguments,
            Some(_) => return Err(Failure::params("\"arguments\" must be an object")),
        };
        let answered = match name {
            "echo" => answers::echo(arguments),
            "add" => answers::add(arguments),
            "time" => Ok(answers::text_result(&rfc3339_millis(now.wall))),
            "sleep" => match self.sleep(now, request, arguments) {
                Ok(()) => {
                    self.log(name, out);
                    return Ok(Outcome::Later);
                }
                Err(reason) => Err(reason),
            },
            unknown => return Err(Failure::params(format!("unknown tool {unknown:?}"))),
        };
        self.log(name, out);
        // Bad arguments are the model's to correct, so they are told in a
        // result (specification 2025-11-25, tools, error handling).
        Ok(Outcome::Result(answered.unwrap_or_else(|reason| {
            let mut result = answers::text_result(&format!("{name}: {reason}"));
            result["isError"] = Value::Bool(true);
            result
        })))
    }

    /// Tells that a tool was called, at level info.
    fn log(&self, tool: &str, out: &mut Vec<Value>) {
        let info = 1;
        if self.log_level.is_some_and(|level| level <= info) {
            out.push(json!({
                "jsonrpc": "2.0",
                "method": "notifications/message",
                "params": {"level": LEVELS[info], "logger": "demo", "data": format!("{tool} called")},
            }));
        }
    }

    fn sleep(
        &mut self,
        now: Now,
        request: &Request<'_>,
        arguments: &Map<String, Value>,
    ) -> Result<(), String> {
        let seconds = answers::number(arguments, "seconds")?;
        let most = limits::DEMO_SLEEP_SECONDS_MAX;
        if !(0.0..=most).contains(&seconds) {
            return Err(format!("\"seconds\" must lie between 0 and {most}"));
        }
        if self.sleeps.len() >= limits::DEMO_SLEEPS_MAX {
            return Err(format!("{} calls sleep already", self.sleeps.len()));
        }
        let token = request.params.get("_meta");
        let token = token.and_then(|meta| meta.get("progressToken"));
        self.sleeps.push(Sleep {
            id: request.id.clone(),
            start: now.elapsed,
            end: now.elapsed + Duration::from_secs_f64(seconds),
            progress: token.map(|token| (token.clone(), now.elapsed + PROGRESS_INTERVAL)),
        });
        Ok(())
    }
}

impl Sleep {
    fn next_wake(&self) -> Duration {
        let next_progress = self.progress.as_ref().map_or(self.end, |(_, next)| *next);
        next_progress.min(self.end)
    }

    /// What is due: the answer, or else the progress.
    fn wake(&mut self, elapsed: Duration) -> Option<Value> {
        let total = (self.end - self.start).as_secs_f64();
        if self.end <= elapsed {
            let result = answers::text_result(&format!("slept {total} s"));
            return Some(json!({"jsonrpc": "2.0", "id": self.id, "result": result}));
        }
        let (token, next) = self
            .progress
            .as_mut()
            .filter(|(_, next)| *next <= elapsed)?;
        // A wake-up that comes late makes up for those it missed.
        while *next <= elapsed {
            *next += PROGRESS_INTERVAL;
        }
        let slept = (*next - PROGRESS_INTERVAL - self.start).as_secs_f64();
        Some(json!({
            "jsonrpc": "2.0",
            "method": "notifications/progress",
            "params": {
                "progressToken": token,
                "progress": slept,
                "total": total,
                "message": format!("slept {slept} of {total} s"),
            },
        }))
    }
}

#[cfg(test)]
mod tests;
