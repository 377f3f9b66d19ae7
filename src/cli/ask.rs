//! The sub-commands that ask the gateway themselves: `tools` and `call`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::exit::Exit;
use crate::cli::table::Table;
use crate::cli::{console, missing};
use crate::config::checked::{Config, Launch, Server};
use crate::door::local::{LocalClient, LocalError};
use crate::limits;
use crate::run::outset::Sessions;
use crate::run::{Error, Gateway};
use crate::wire::envelope::Kind;
use crate::wire::method::Method;

/// Who these sub-commands say they are.
const INFO: &str = concat!(
    r#"{"name":"mcproxy command line","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}"#
);

/// The answer to a request: a result, or the sentence of an error.
pub type Answer = Result<Value, String>;

/// `mcproxy tools`: the merged tools, as a table or as JSON. Whose tools are
/// missing for a server that does not serve is said beside it, and is a failure:
/// a script must not take half of a list for the whole.
///
/// # Errors
/// The gateway cannot start.
pub fn tools(config: &Config, as_json: bool) -> Result<Exit, Error> {
    let patience = config.limits.connection_timeout + limits::ASK_MARGIN;
    let told = with_gateway(config, |client| {
        let answer = ask(client, Method::ToolsList, "{}", patience)?;
        Ok((answer, client.inventory(patience)?))
    })?;
    let (answer, inventory) = told.unwrap_or_else(|error| (Err(error.to_string()), Value::Null));
    let missing = missing::lines(config, &inventory);
    let exit = match answer {
        Ok(result) => console::out(&shown_tools(&result["tools"], as_json)),
        Err(sentence) => {
            console::say(sentence);
            Exit::Failure
        }
    };
    missing.iter().for_each(console::note);
    Ok(match missing.is_empty() {
        true => exit,
        false => Exit::Failure,
    })
}

fn shown_tools(tools: &Value, as_json: bool) -> String {
    if as_json {
        return format!("{tools:#}\n");
    }
    let text = |tool: &Value, key: &str| tool[key].as_str().unwrap_or_default().to_owned();
    let mut table = Table::new(["TOOL", "DESCRIPTION"]);
    let tools = tools.as_array().map(Vec::as_slice).unwrap_or_default();
    for tool in tools {
        let description = text(tool, "description");
        let first = description.lines().next().unwrap_or_default();
        table.row([text(tool, "name"), shortened(first)]);
    }
    let count = match tools.len() {
        1 => "1 tool".to_owned(),
        count => format!("{count} tools"),
    };
    format!("{table}\n{count}\n")
}

/// Enough of a description to tell tools apart on a line.
fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    if text.chars().count() <= MOST {
        return text.chars().filter(|c| !c.is_control()).collect();
    }
    let kept = text.chars().filter(|c| !c.is_control()).take(MOST - 1);
    kept.chain(['…']).collect()
}

/// `mcproxy call`: one call, its content on stdout.
///
/// # Errors
/// The gateway cannot start.
pub fn call(config: &Config, tool: &str, arguments: Option<&str>) -> Result<Exit, Error> {
    let config = only_needed(config, tool);
    let arguments: Value = arguments
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_else(|| json!({}));
    let params = json!({ "name": tool, "arguments": arguments }).to_string();
    let times = config.servers.iter().map(|s| s.timeout + s.startup_timeout);
    let patience =
        times.max().unwrap_or_default() + config.limits.connection_timeout + limits::ASK_MARGIN;
    let answer = with_gateway(&config, |client| {
        ask(client, Method::ToolsCall, &params, patience)
    })?;
    Ok(
        match answer.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(result) => {
                let written = console::out(&shown_content(&result));
                match result["isError"] == json!(true) {
                    true => Exit::Failure,
                    false => written,
                }
            }
            Err(sentence) => {
                console::say(sentence);
                Exit::Failure
            }
        },
    )
}

/// The servers that can own a tool of that name: those whose prefix it bears,
/// and those without a prefix. If there is none, all are asked.
fn only_needed(config: &Config, tool: &str) -> Config {
    let may_own = |server: &Server| {
        server.prefix.is_empty()
            || tool
                .strip_prefix(&*server.prefix)
                .is_some_and(|rest| rest.starts_with(crate::catalog::name::SEPARATOR))
    };
    let mut needed = config.clone();
    let runs = |server: &Server| matches!(server.state, Launch::Run(_));
    if needed.servers.iter().any(|s| runs(s) && may_own(s)) {
        for server in needed.servers.iter_mut().filter(|s| !may_own(s)) {
            server.state = Launch::Disabled;
        }
    }
    needed
}

/// Text as it is, all else as JSON.
fn shown_content(result: &Value) -> String {
    let content = result["content"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut out = String::new();
    for item in content {
        match item["text"].as_str() {
            Some(text) if item["type"] == "text" => out.push_str(text),
            _ => out.push_str(&item.to_string()),
        }
        if !out.ends_with('\n') {
            out.push('\n');
        }
    }
    if content.is_empty() && !result["structuredContent"].is_null() {
        out = format!("{:#}\n", result["structuredContent"]);
    }
    out
}

/// Runs a gateway for as long as the asking takes.
///
/// # Errors
/// It cannot start. What goes wrong later is in what is returned.
pub fn with_gateway<T>(
    config: &Config,
    asking: impl FnOnce(&mut LocalClient) -> Result<T, LocalError>,
) -> Result<Result<T, LocalError>, Error> {
    let gateway = Gateway::start(config, Sessions::None, None, None)?;
    let patience = config.limits.connection_timeout + limits::ASK_MARGIN;
    let answer = LocalClient::open(gateway.inbox(), INFO, patience)
        .and_then(|mut client| asking(&mut client));
    gateway.stop();
    gateway.finish();
    Ok(answer)
}

/// One request, its result or the sentence of its error.
///
/// # Errors
/// There is no answer.
pub fn ask(
    client: &mut LocalClient,
    method: Method,
    params: &str,
    patience: Duration,
) -> Result<Answer, LocalError> {
    let message = client.request(method, Some(params), patience)?;
    let outcome = message.marks.outcome.map_or("null", |it| message.json(it));
    let outcome = serde_json::from_str(outcome).map_err(|error| error.to_string());
    Ok(match message.kind {
        Kind::Answer { failed: true } => Err(sentence_of(&outcome.unwrap_or_default())),
        _ => outcome,
    })
}

/// What a JSON-RPC error says, whole: the person who asked has nowhere else to
/// read it. Without control characters, for a server may have written it.
fn sentence_of(error: &Value) -> String {
    match error["message"].as_str() {
        Some(text) if !text.is_empty() => text.chars().filter(|c| !c.is_control()).collect(),
        _ => format!("the answer is an error without a message: {error}"),
    }
}
