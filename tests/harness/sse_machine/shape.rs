//! The three shapes of a message (2024-11-05, basic/messages) and what the results of the
//! stateless era hold.

use serde_json::Value;

use super::{Judged, must};

/// What a message is.
pub(super) enum Shape {
    /// Of the request with that id.
    Answer(Value),
    /// Id, method, parameters.
    Request(Value, String, Value),
    /// Method, parameters.
    Notification(String, Value),
}

/// The shape of a message.
pub(super) fn of(message: &Value) -> Judged<Shape> {
    let complain = |what: &str| format!("{what}: {message}");
    must(message.is_object(), complain("a message is no object"))?;
    must(
        message["jsonrpc"] == "2.0",
        complain("\"jsonrpc\" is not \"2.0\""),
    )?;
    let id = message.get("id");
    let is_id = |id: &Value| id.is_string() || id.is_i64() || id.is_u64();
    must(
        id.is_none_or(is_id),
        complain("an id is neither text nor integer"),
    )?;
    let params = message.get("params");
    must(
        params.is_none_or(Value::is_object),
        complain("\"params\" is no object"),
    )?;
    let params = params.cloned().unwrap_or_default();
    let outcome = (message.get("result"), message.get("error"));
    match (message.get("method"), id) {
        (Some(Value::String(method)), id) => {
            must(
                outcome == (None, None),
                complain("a request and an answer at once"),
            )?;
            Ok(match id {
                Some(id) => Shape::Request(id.clone(), method.clone(), params),
                None => Shape::Notification(method.clone(), params),
            })
        }
        (Some(_), _) => Err(complain("\"method\" is no text")),
        (None, None) => Err(complain("neither method nor id")),
        (None, Some(id)) => {
            match outcome {
                (Some(result), None) => must(result.is_object(), complain("a result is no object")),
                (None, Some(error)) => must(
                    error["code"].is_i64() && error["message"].is_string(),
                    complain("an error without code or message"),
                ),
                _ => Err(complain("not either a result or an error")),
            }?;
            Ok(Shape::Answer(id.clone()))
        }
    }
}

/// What every result of 2026-07-28 says of itself, and what those that may be cached say more
/// (basic, "ResultType"; server/utilities/caching).
pub(super) fn judge_stateless_result(method: &str, result: &Value, declared: &Value) -> Judged<()> {
    let complain = |what: &str| format!("{method} is answered {what}: {result}");
    match result["resultType"].as_str() {
        Some("complete") => {}
        Some("input_required") => {
            let inputs = result["inputRequests"].as_object();
            let asks = inputs.is_some() || result["requestState"].is_string();
            must(asks, complain("input_required, and requires none"))?;
            let may_be_asked = |input: &Value| can_be_asked(declared, &input["method"]);
            return must(
                inputs.is_none_or(|inputs| inputs.values().all(may_be_asked)),
                complain("with a question that the client never declared"),
            );
        }
        _ => return Err(complain("without a resultType")),
    }
    let is_cacheable = method.ends_with("/list")
        || matches!(
            method,
            "resources/templates/list" | "resources/read" | "server/discover"
        );
    let lasts = result["ttlMs"].as_u64().is_some();
    let scope = matches!(result["cacheScope"].as_str(), Some("public" | "private"));
    must(
        !is_cacheable || (lasts && scope),
        complain("without ttlMs and cacheScope"),
    )
}

/// Whether a client that declares this can be asked by that method.
pub(super) fn can_be_asked(declared: &Value, method: &Value) -> bool {
    match method.as_str() {
        Some("sampling/createMessage") => declared["sampling"].is_object(),
        Some("elicitation/create") => declared["elicitation"].is_object(),
        Some("roots/list") => declared["roots"].is_object(),
        _ => false,
    }
}
