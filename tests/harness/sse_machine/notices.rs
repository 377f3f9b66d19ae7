//! Which notifications a server may send to this client now: of requests that are under way, of
//! what it declared, of what the client asked for. The two eras differ in nearly all of them.

use serde_json::Value;

use super::{Judged, Machine, Mode, State, must};

/// The severities of RFC 5424 as MCP names them, the most verbose first.
const LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];

const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

impl Machine {
    /// Looks at a notification.
    ///
    /// # Errors
    /// The promise that it breaks.
    pub(super) fn judge_notice(&mut self, method: &str, params: &Value) -> Judged<()> {
        match (method, self.mode) {
            ("notifications/progress", _) => self.judge_progress(params),
            ("notifications/message", _) => self.judge_log(params),
            (_, Mode::Stateless) => self.judge_of_subscription(method, params),
            (_, Mode::Handshake) => self.judge_of_session(method, params),
        }
    }

    /// Progress is of a request under way, under the very token it gave, and only ever grows
    /// (basic/utilities/progress).
    fn judge_progress(&mut self, params: &Value) -> Judged<()> {
        let token = &params["progressToken"];
        let asked = self
            .under_way
            .values_mut()
            .find(|asked| asked.params["_meta"].get("progressToken") == Some(token));
        let asked = asked.ok_or(format!("progress of {token}, which is not under way"))?;
        let progress = params["progress"].as_f64();
        let progress = progress.ok_or("progress without \"progress\"")?;
        let grows = asked.progress.is_none_or(|before| before < progress);
        must(grows, format!("the progress of {token} does not grow"))?;
        asked.progress = Some(progress);
        Ok(())
    }

    /// A log message is of a level that was asked for (server/utilities/logging), in the
    /// stateless era by a request that is under way.
    fn judge_log(&self, params: &Value) -> Judged<()> {
        let rank = |name: &str| LEVELS.iter().position(|level| *level == name);
        let level = params["level"].as_str().and_then(rank);
        let level = level.ok_or(format!("a log message of no level: {params}"))?;
        must(
            params.get("data").is_some(),
            "a log message without \"data\"",
        )?;
        let wanted = match self.mode {
            Mode::Handshake => match &self.level {
                Some(wanted) => rank(wanted),
                // Unasked, the server decides.
                None => Some(0),
            },
            Mode::Stateless => self
                .under_way
                .values()
                .filter_map(|asked| asked.params["_meta"][LOG_LEVEL].as_str())
                .filter_map(rank)
                .min(),
        };
        must(
            wanted.is_some_and(|wanted| level >= wanted),
            format!("a log message that nobody asked for: {params}"),
        )
    }

    fn judge_of_session(&mut self, method: &str, params: &Value) -> Judged<()> {
        must(
            self.state == State::Initialized,
            format!("{method} comes before the handshake"),
        )?;
        let changes = |list: &str| self.offered[list]["listChanged"] == true;
        let holds = match method {
            "notifications/tools/list_changed" => changes("tools"),
            "notifications/prompts/list_changed" => changes("prompts"),
            "notifications/resources/list_changed" => changes("resources"),
            "notifications/resources/updated" => params["uri"]
                .as_str()
                .is_some_and(|uri| self.subscribed.contains(uri)),
            "notifications/elicitation/complete" => self.capabilities["elicitation"].is_object(),
            "notifications/cancelled" => {
                let id = params["requestId"].to_string();
                self.open_questions.remove(&id);
                // One that the client has answered meanwhile may still be taken back.
                self.questions.contains(&id)
            }
            _ => false,
        };
        must(holds, format!("{method} comes without a reason: {params}"))
    }

    /// Everything else comes for a `subscriptions/listen` that is under way and names it, after
    /// its acknowledgement, and only what it asked for (2026-07-28, basic/patterns/subscriptions).
    fn judge_of_subscription(&mut self, method: &str, params: &Value) -> Judged<()> {
        if method == "notifications/cancelled" {
            let id = params["requestId"].to_string();
            let asked = self.under_way.remove(&id);
            self.done.insert(id);
            let is_listening = asked.is_some_and(|asked| asked.method == "subscriptions/listen");
            return must(is_listening, "a server ends what is no subscription");
        }
        let id = params["_meta"][SUBSCRIPTION].to_string();
        let asked = self.under_way.get_mut(&id);
        let asked = asked
            .filter(|asked| asked.method == "subscriptions/listen")
            .ok_or(format!("{method} is of no subscription: {params}"))?;
        if method == "notifications/subscriptions/acknowledged" {
            let is_first = !std::mem::replace(&mut asked.acknowledged, true);
            return must(is_first, "a subscription is acknowledged twice");
        }
        must(
            asked.acknowledged,
            format!("{method} comes before its acknowledgement"),
        )?;
        let wanted = &asked.params["notifications"];
        let holds = match method {
            "notifications/tools/list_changed" => wanted["toolsListChanged"] == true,
            "notifications/prompts/list_changed" => wanted["promptsListChanged"] == true,
            "notifications/resources/list_changed" => wanted["resourcesListChanged"] == true,
            "notifications/resources/updated" => wanted["resourceSubscriptions"]
                .as_array()
                .is_some_and(|uris| uris.contains(&params["uri"])),
            _ => false,
        };
        must(holds, format!("{method} was not asked for: {params}"))
    }
}
