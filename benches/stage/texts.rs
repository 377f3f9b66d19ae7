//! What clients and servers say in the scenarios, byte for byte. Nothing here
//! plays them.

use mcproxy::wire::items::ItemKind;
use mcproxy::wire::method::Method;

/// The `_meta` of each request of the stateless era, as clients send it.
const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1.0.0"},"io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"sampling":{}}}"#;

/// The eras of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Era {
    /// Up to 2025-11-25: `initialize`, and a session.
    Handshake,
    /// Since 2026-07-28: each request says who asks.
    Stateless,
}

/// A request; `params` are the members of its parameters.
pub(crate) fn request(era: Era, id: u64, method: &str, params: &str) -> Vec<u8> {
    let (comma, meta) = match (era, params) {
        (Era::Handshake, _) => ("", ""),
        (Era::Stateless, "") => ("", META),
        (Era::Stateless, _) => (",", META),
    };
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}{comma}{meta}}}}}"#
    )
    .into_bytes()
}

/// The call of a tool with one argument of so many bytes.
pub(crate) fn call(era: Era, id: u64, tool: &str, payload: usize) -> Vec<u8> {
    let text = "x".repeat(payload);
    let params = format!(r#""name":"{tool}","arguments":{{"text":"{text}"}}"#);
    request(era, id, "tools/call", &params)
}

/// A notification; `params` are the members of its parameters.
pub(crate) fn notice(method: &str, params: &str) -> Vec<u8> {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{{params}}}}}"#).into_bytes()
}

/// The first word of a client of the handshake era.
pub(crate) fn initialize() -> Vec<u8> {
    let params = r#""protocolVersion":"2025-11-25","capabilities":{"sampling":{},"elicitation":{}},"clientInfo":{"name":"bench","version":"1.0.0"}"#;
    request(Era::Handshake, 0, "initialize", params)
}

/// A server's answer to a call: one text of so many bytes.
pub(crate) fn answer(era: Era, id: u64, payload: usize) -> Vec<u8> {
    let text = "x".repeat(payload);
    let complete = match era {
        Era::Handshake => "",
        Era::Stateless => r#""resultType":"complete","#,
    };
    let result = format!(r#"{{{complete}"content":[{{"type":"text","text":"{text}"}}]}}"#);
    result_of(id, &result)
}

/// A server's answer to one of the gateway's own requests, if it gives one.
pub(crate) fn own_answer(id: u64, method: &Method, tools: usize) -> Option<Vec<u8>> {
    let result = match method {
        Method::Initialize => {
            r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}"#.to_owned()
        }
        Method::Discover => {
            r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}}"#.to_owned()
        }
        Method::ToolsList => tool_list(tools),
        _ => return None,
    };
    Some(result_of(id, &result))
}

/// The result of `tools/list`, with descriptions and schemas as servers have them.
pub(crate) fn tool_list(count: usize) -> String {
    let tools: Vec<String> = (0..count)
        .map(|number| {
            format!(
                r#"{{"name":"{}","description":"Gives back the text that it is given, unchanged.","inputSchema":{{"type":"object","properties":{{"text":{{"type":"string","description":"What is given back."}}}},"required":["text"]}}}}"#,
                tool(number)
            )
        })
        .collect();
    format!(r#"{{"{}":[{}]}}"#, ItemKind::Tool.list(), tools.join(","))
}

/// What a server calls one of its tools.
pub(crate) fn tool(number: usize) -> String {
    format!("echo_{number}")
}

/// What a server is called.
pub(crate) fn server(number: usize) -> String {
    format!("server{number}")
}

/// What clients call a tool of a server on the merged view.
pub(crate) fn served(server_number: usize, tool_number: usize) -> String {
    format!("{}__{}", server(server_number), tool(tool_number))
}

fn result_of(id: u64, result: &str) -> Vec<u8> {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#).into_bytes()
}
