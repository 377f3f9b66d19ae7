//! An MCP server that gives back what it is given, as bytes in and bytes out: what `bench-echo`
//! puts behind a pipe. What every call costs here is taken from the gateway it is to measure, so a
//! call is answered without building anything; all other messages are none of the measured ones.

use memchr::memchr_iter;
use serde_json::{Value, json};

use crate::json::Members;

/// The revisions that are agreed to as asked; whoever asks for another gets the newest of them.
const REVISIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// A server with its tools, and whatever answers it has not yet been asked to give away.
pub struct Echo {
    /// The number of the first tool, which is named `t` and it.
    first: u64,
    /// How many tools there are.
    tools: u64,
    /// The answer to tools/list, without its id: made once, since it may be long.
    listed: String,
}

impl Echo {
    /// A server with the tools `tFIRST` to `t(FIRST + tools - 1)`.
    pub fn new(first: u64, tools: u64) -> Echo {
        Echo::showing(first, tools, tool)
    }

    /// The same, but of each tool its list says no more than it must.
    pub fn brief(first: u64, tools: u64) -> Echo {
        Echo::showing(first, tools, brief_tool)
    }

    fn showing(first: u64, tools: u64, tool: fn(u64) -> Value) -> Echo {
        let offered: Vec<Value> = (first..first + tools).map(tool).collect();
        let listed = json!({ "tools": offered }).to_string();
        Echo {
            first,
            tools,
            listed,
        }
    }

    /// Answers every whole line of `input` into `out`; returns how many bytes they were.
    pub fn answer_lines(&self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let mut start = 0;
        for end in memchr_iter(b'\n', input) {
            if self.answer(&input[start..end], out) {
                out.push(b'\n');
            }
            start = end + 1;
        }
        start
    }

    /// Answers one message into `out`, without a line's end; `false` if it asks for no answer.
    pub fn answer(&self, message: &[u8], out: &mut Vec<u8>) -> bool {
        self.answer_call(message, out).is_some() || self.answer_any(message, out)
    }

    /// Answers a call of a tool that is there with a text; `None` if this is anything else.
    fn answer_call(&self, message: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let (mut id, mut method, mut params) = (None, None, None);
        let mut members = Members::of(message);
        for (key, value) in members.by_ref() {
            match key {
                b"id" => id = Some(value),
                b"method" => method = Some(value),
                b"params" => params = Some(value),
                b"jsonrpc" => {}
                _ => return None,
            }
        }
        let (id, params) = (id?, params?);
        // A key with escapes may be one of those above after all; the long way reads it.
        if members.lost || method != Some(b"\"tools/call\"".as_slice()) {
            return None;
        }
        let (mut name, mut arguments) = (None, None);
        let mut members = Members::of(params);
        for (key, value) in members.by_ref() {
            match key {
                b"name" => name = Some(value),
                b"arguments" => arguments = Some(value),
                _ if key.contains(&b'\\') => return None,
                _ => {}
            }
        }
        let named =
            self.has(std::str::from_utf8(name?.strip_prefix(b"\"")?.strip_suffix(b"\"")?).ok()?);
        if members.lost || !named {
            return None;
        }
        let mut text = None;
        let mut members = Members::of(arguments?);
        for (key, value) in members.by_ref() {
            match key {
                b"text" => text = Some(value),
                _ if key.contains(&b'\\') => return None,
                _ => {}
            }
        }
        let text = text.filter(|text| text.starts_with(b"\"") && !members.lost)?;
        out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
        out.extend_from_slice(id);
        out.extend_from_slice(br#","result":{"content":[{"type":"text","text":"#);
        out.extend_from_slice(text);
        out.extend_from_slice(b"}]}}");
        Some(())
    }

    /// Answers any message, the long way.
    fn answer_any(&self, message: &[u8], out: &mut Vec<u8>) -> bool {
        if message.trim_ascii().is_empty() {
            return false;
        }
        let Ok(message) = serde_json::from_slice::<Value>(message) else {
            say(out, &refused(&Value::Null, -32700, "this is no JSON"));
            return true;
        };
        let id = message.get("id").cloned();
        let Some(method) = message.get("method").and_then(Value::as_str) else {
            // An answer to what was never asked, or nothing known.
            let is_answer = message.get("result").or(message.get("error")).is_some();
            if !is_answer {
                let id = id.unwrap_or_default();
                say(out, &refused(&id, -32600, "this is no request"));
            }
            return !is_answer;
        };
        let Some(id) = id else {
            return false; // a notification
        };
        let params = &message["params"];
        let result = match method {
            "initialize" => greeting(params),
            "ping" => json!({}),
            "tools/list" => {
                out.extend_from_slice(
                    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"#).as_bytes(),
                );
                out.extend_from_slice(self.listed.as_bytes());
                out.push(b'}');
                return true;
            }
            "tools/call" if !self.has(params["name"].as_str().unwrap_or_default()) => {
                say(out, &refused(&id, -32602, "there is no such tool"));
                return true;
            }
            "tools/call" => match &params["arguments"]["text"] {
                Value::String(text) => json!({"content": [{"type": "text", "text": text}]}),
                _ => json!({
                    "content": [{"type": "text", "text": "the argument \"text\" must be a string"}],
                    "isError": true,
                }),
            },
            _ => {
                say(out, &refused(&id, -32601, "there is no such method"));
                return true;
            }
        };
        say(out, &json!({"jsonrpc": "2.0", "id": id, "result": result}));
        true
    }

    /// Whether there is a tool of this name.
    fn has(&self, name: &str) -> bool {
        let digits = name.strip_prefix('t').unwrap_or_default();
        // `+7` and `007` are numbers too, but no names of ours.
        let plain = digits == "0" || digits.starts_with(|c: char| ('1'..='9').contains(&c));
        let number = digits.parse::<u64>().ok().filter(|_| plain);
        number.is_some_and(|number| (self.first..self.first + self.tools).contains(&number))
    }
}

/// A tool as tools/list shows it: about as long as those of real servers, 300 bytes of schema.
fn tool(number: u64) -> Value {
    json!({
        "name": format!("t{number}"),
        "title": format!("Give back a text ({number})"),
        "description": format!(
            "Gives back the text it is given, unchanged, as one block of text. Use it to find out \
             whether this server is reached and how long the way is. It reads and changes nothing \
             else. (Number {number} of its kind.)"
        ),
        "inputSchema": {
            "type": "object",
            "properties": {
                "text": {
                    "type": "string",
                    "description": "What to give back. May be empty, and may be long.",
                },
                "note": {
                    "type": "string",
                    "description": "A remark of the caller, which is not looked at.",
                    "default": "",
                },
            },
            "required": ["text"],
            "additionalProperties": false,
        },
        "annotations": { "readOnlyHint": true, "idempotentHint": true, "openWorldHint": false },
    })
}

/// A tool in about 100 bytes, the name with a gateway's prefix among them.
fn brief_tool(number: u64) -> Value {
    json!({
        "name": format!("t{number}"),
        "description": "Gives back its text.",
        "inputSchema": { "type": "object" },
    })
}

fn greeting(params: &Value) -> Value {
    let asked = params["protocolVersion"].as_str().unwrap_or_default();
    let known = REVISIONS.iter().find(|revision| **revision == asked);
    json!({
        "protocolVersion": known.unwrap_or(&REVISIONS[0]),
        "capabilities": { "tools": {} },
        "serverInfo": { "name": "bench-echo", "version": env!("CARGO_PKG_VERSION") },
    })
}

fn refused(id: &Value, code: i32, why: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": why}})
}

fn say(out: &mut Vec<u8>, message: &Value) {
    out.extend_from_slice(message.to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(message: &str) -> Option<Value> {
        let mut out = Vec::new();
        let answered = Echo::new(10, 3).answer(message.as_bytes(), &mut out);
        answered.then(|| serde_json::from_slice(&out).expect("an answer is JSON"))
    }

    fn text(message: &str) -> Value {
        answer(message).expect("an answer")["result"]["content"][0]["text"].clone()
    }

    #[test]
    fn a_call_is_answered_by_the_short_way_and_by_the_long_one_alike() {
        let short = r#"{"jsonrpc":"2.0","id":"a\"b","method":"tools/call","params":{"_meta":{"x":[1]},"name":"t11","arguments":{"text":"tab\t ü \u00fc \"}"}}}"#;
        let mut out = Vec::new();
        assert!(
            Echo::new(10, 3)
                .answer_call(short.as_bytes(), &mut out)
                .is_some()
        );
        let long = short.replace("name", r"n\u0061me");
        assert!(
            Echo::new(10, 3)
                .answer_call(long.as_bytes(), &mut out)
                .is_none()
        );
        assert_eq!(answer(short), answer(&long));
        assert_eq!(text(short), json!("tab\t ü ü \"}"));
        assert_eq!(answer(short).expect("an answer")["id"], json!("a\"b"));
    }

    #[test]
    fn the_members_of_a_call_may_stand_in_any_order() {
        let call = r#" { "params" : { "arguments" : { "note":"n", "text" : "x" } , "name" : "t12" }, "method": "tools/call", "id": 0 , "jsonrpc":"2.0" } "#;
        assert_eq!(text(call), json!("x"));
        assert_eq!(answer(call).expect("an answer")["id"], json!(0));
    }

    #[test]
    fn what_cannot_be_answered_is_refused() {
        let code = |message: &str| answer(message).expect("an answer")["error"]["code"].clone();
        for name in ["t9", "t13", "t+11", "t011", "x", ""] {
            let call = format!(
                r#"{{"id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{{"text":""}}}}}}"#
            );
            assert_eq!(code(&call), json!(-32602), "{name}");
        }
        assert_eq!(code(r#"{"id":1,"method":"nothing"}"#), json!(-32601));
        assert_eq!(code("{"), json!(-32700));
        assert_eq!(code("[]"), json!(-32600));
        let no_text = answer(
            r#"{"id":1,"method":"tools/call","params":{"name":"t10","arguments":{"text":1}}}"#,
        );
        assert_eq!(
            no_text.expect("an answer")["result"]["isError"],
            json!(true)
        );
    }

    #[test]
    fn notifications_and_answers_are_not_answered() {
        assert_eq!(
            answer(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
            None
        );
        assert_eq!(answer(r#"{"jsonrpc":"2.0","id":4,"result":{}}"#), None);
        assert_eq!(answer("  "), None);
    }

    #[test]
    fn whole_lines_are_answered_and_the_rest_is_left() {
        let mut out = Vec::new();
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let input = format!("{ping}\n\n{ping}\r\n{ping}");
        let taken = Echo::new(0, 1).answer_lines(input.as_bytes(), &mut out);
        assert_eq!(taken, input.len() - ping.len());
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 2);
    }

    #[test]
    fn the_list_has_the_tools_that_were_asked_for() {
        let list = answer(r#"{"id":"l","method":"tools/list"}"#).expect("an answer");
        let tools = list["result"]["tools"].as_array().expect("tools");
        let names: Vec<&Value> = tools.iter().map(|tool| &tool["name"]).collect();
        assert_eq!(names, [&json!("t10"), &json!("t11"), &json!("t12")]);
        let schema = tools[0]["inputSchema"].to_string().len();
        assert!((250..350).contains(&schema), "{schema}");
        let brief = brief_tool(1999).to_string().len();
        assert!((85..100).contains(&brief), "{brief}");
    }
}
