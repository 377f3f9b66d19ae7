//! The demo server's answers that depend on nothing but the question. Pure.

use serde_json::{Map, Value, json};

use crate::cli::demo_server::failure::{self, Failure, text};
use crate::cli::demo_server::offers;

/// All lists fit on one page, so no cursor was ever handed out.
pub fn only_page(params: &Map<String, Value>, page: Value) -> Result<Value, Failure> {
    match params.get("cursor") {
        None | Some(Value::Null) => Ok(page),
        Some(cursor) => Err(Failure::params(format!("unknown cursor {cursor}"))),
    }
}

/// The argument `name`, a number.
pub fn number(arguments: &Map<String, Value>, name: &str) -> Result<f64, String> {
    let value = arguments.get(name).and_then(Value::as_f64);
    value.ok_or_else(|| format!("{name:?} must be a number"))
}

/// The result of a tool that answers with `text`.
pub fn text_result(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

/// The tool `echo`.
pub fn echo(arguments: &Map<String, Value>) -> Result<Value, String> {
    match arguments.get("text") {
        Some(Value::String(text)) => Ok(text_result(text)),
        _ => Err("\"text\" must be a string".to_owned()),
    }
}

/// The tool `add`. Whole numbers are added as such as long as the sum fits.
pub fn add(arguments: &Map<String, Value>) -> Result<Value, String> {
    let (a, b) = (number(arguments, "a")?, number(arguments, "b")?);
    let whole = |name| arguments.get(name).and_then(Value::as_i64);
    let sum = match whole("a")
        .zip(whole("b"))
        .and_then(|(a, b)| a.checked_add(b))
    {
        Some(sum) => Value::from(sum),
        None => match serde_json::Number::from_f64(a + b) {
            Some(sum) => Value::Number(sum),
            None => return Err("the sum is too large".to_owned()),
        },
    };
    let mut result = text_result(&sum.to_string());
    result["structuredContent"] = json!({"sum": sum});
    Ok(result)
}

/// `prompts/get`
pub fn get_prompt(params: &Map<String, Value>) -> Result<Value, Failure> {
    let name = text(params, "name")?;
    if name != offers::PROMPT {
        return Err(Failure::params(format!("unknown prompt {name:?}")));
    }
    let none = Map::new();
    let arguments = params.get("arguments").and_then(Value::as_object);
    let whom = text(arguments.unwrap_or(&none), "name")?;
    let ask = format!("Write a short and friendly greeting for {whom}.");
    Ok(json!({
        "description": "Asks for a greeting",
        "messages": [{"role": "user", "content": {"type": "text", "text": ask}}],
    }))
}

/// `resources/read`
pub fn read_resource(params: &Map<String, Value>) -> Result<Value, Failure> {
    let uri = text(params, "uri")?;
    let greeted = uri
        .strip_prefix(offers::GREETING_PREFIX)
        .filter(|name| !name.is_empty() && !name.contains('/'))
        .and_then(percent_decoded);
    let (mime, text) = match greeted {
        Some(name) => ("text/plain", format!("Hello, {name}!")),
        None if uri == offers::README_URI => ("text/markdown", offers::README.to_owned()),
        None => {
            return Err(Failure {
                code: failure::RESOURCE_NOT_FOUND,
                message: format!("no resource {uri:?}"),
                data: Some(json!({"uri": uri})),
            });
        }
    };
    Ok(json!({"contents": [{"uri": uri, "mimeType": mime, "text": text}]}))
}

/// A part of a URI without its percent-encoding (RFC 3986, section 2.1);
/// `None` if that is broken or no UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    let digit = |bytes: &mut std::str::Bytes<'_>| char::from(bytes.next()?).to_digit(16);
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => u8::try_from(digit(&mut bytes)? * 16 + digit(&mut bytes)?).ok()?,
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

/// `completion/complete`: completes the name to greet, of the prompt as of the resource template.
pub fn complete(params: &Map<String, Value>) -> Result<Value, Failure> {
    let none = Map::new();
    let object = |name| params.get(name).and_then(Value::as_object).unwrap_or(&none);
    let reference = object("ref");
    let known = match text(reference, "type")? {
        "ref/prompt" => text(reference, "name")? == offers::PROMPT,
        "ref/resource" => text(reference, "uri")? == offers::GREETING_TEMPLATE,
        other => return Err(Failure::params(format!("unknown reference type {other:?}"))),
    };
    let argument = text(object("argument"), "name")?;
    let typed = text(object("argument"), "value")?.to_lowercase();
    if !known {
        return Err(Failure::params("\"ref\" names nothing of this server"));
    }
    if argument != "name" {
        return Err(Failure::params(format!("unknown argument {argument:?}")));
    }
    let values: Vec<&str> = offers::NAMES
        .iter()
        .copied()
        .filter(|name| name.to_lowercase().starts_with(&typed))
        .collect();
    Ok(json!({"completion": {"values": values, "total": values.len(), "hasMore": false}}))
}
