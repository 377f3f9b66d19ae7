//! Questions of a server as results and parameters, in the stateless era
//! (2026-07-28, "Multi Round-Trip Requests"): a result that asks for input, and
//! a request that brings it.

use crate::limits::INPUT_REQUESTS_MAX;
use crate::wire::envelope::{Kind, Message, quoted};
use crate::wire::method::Method;
use crate::wire::scan::{self, Scanner, Shape, Value};

/// A result that asks its client for input.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InputRequired {
    /// What is asked, in the order of the result.
    pub requests: Vec<InputRequest>,
    /// What the client must bring back as it is, as JSON text.
    pub state: Option<Box<str>>,
}

/// One question in such a result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InputRequest {
    /// The key under which the answer is to come, decoded.
    pub key: Box<str>,
    /// What is asked.
    pub method: Method,
    /// Its parameters, as JSON text.
    pub params: Option<Box<str>>,
}

/// The question that an answer of a server is, if it is one.
///
/// # Errors
/// It is one, and cannot be read; the sentence says why.
pub fn read_input_required(message: &Message) -> Result<Option<InputRequired>, String> {
    let kind = message
        .marks
        .result_type
        .and_then(|span| message.text(span));
    if kind.as_deref() != Some("input_required") {
        return Ok(None);
    }
    let result = message.succeeded()?;
    let found = scan::members(result, ["inputRequests", "requestState"]);
    let [requests, state] = found.map_err(|fault| fault.to_string())?;
    let state = match state {
        Some(state) if state.shape == Shape::String => Some(state.json(result).into()),
        None => None,
        Some(state) if state.shape == Shape::Null => None,
        Some(state) => return Err(format!("requestState is {}", state.shape)),
    };
    let requests = match requests {
        Some(requests) if requests.shape == Shape::Object => read_requests(requests.json(result))?,
        None => Vec::new(),
        Some(requests) if requests.shape == Shape::Null => Vec::new(),
        Some(requests) => return Err(format!("inputRequests is {}", requests.shape)),
    };
    if requests.is_empty() && state.is_none() {
        return Err("it has neither inputRequests nor requestState".to_owned());
    }
    Ok(Some(InputRequired { requests, state }))
}

fn read_requests(json: &str) -> Result<Vec<InputRequest>, String> {
    read_members(json, "inputRequests")?
        .into_iter()
        .map(|(key, value)| {
            let wrong = |what: &str| format!("its question {key:?} {what}");
            let request = value.json(json);
            let [method, params] = scan::members(request, ["method", "params"])
                .map_err(|_| wrong("is not an object"))?;
            let method = method
                .and_then(|value| scan::text(value.json(request)))
                .ok_or_else(|| wrong("has no \"method\""))?;
            let params = params.filter(|value| value.shape != Shape::Null);
            Ok(InputRequest {
                method: Method::from_name(&method),
                params: params.map(|value| value.json(request).into()),
                key: key.into(),
            })
        })
        .collect()
}

/// The members of an object, at most [`INPUT_REQUESTS_MAX`], in its order.
fn read_members(json: &str, name: &str) -> Result<Vec<(String, Value)>, String> {
    let mut members = Vec::new();
    let mut count = 0_usize;
    Scanner::new(json)
        .object(|scanner, key| {
            let value = scanner.value()?;
            count += 1;
            if count <= INPUT_REQUESTS_MAX {
                members.push((key.to_owned(), value));
            }
            Ok(())
        })
        .map_err(|_| format!("{name} is not an object"))?;
    if count > INPUT_REQUESTS_MAX {
        return Err(format!(
            "{name} has {count} members: at most {INPUT_REQUESTS_MAX} are taken"
        ));
    }
    Ok(members)
}

/// The result that asks a stateless client for input. `state` is plain text.
pub fn input_required_result(requests: &[InputRequest], state: &str) -> String {
    let requests: Vec<String> = requests
        .iter()
        .map(|request| {
            let params = request.params.as_deref();
            let params = params.map_or_else(String::new, |json| format!(",\"params\":{json}"));
            format!(
                "{}:{{\"method\":{}{params}}}",
                quoted(&request.key),
                quoted(request.method.name())
            )
        })
        .collect();
    format!(
        r#"{{"resultType":"input_required","inputRequests":{{{}}},"requestState":{}}}"#,
        requests.join(","),
        quoted(state)
    )
}

/// The answers that a request brings, by their keys, as JSON text.
///
/// # Errors
/// They cannot be read; the sentence says why.
pub fn read_input_responses(message: &Message) -> Result<Vec<(String, Box<str>)>, String> {
    let Some(responses) = message.marks.input_responses else {
        return Ok(Vec::new());
    };
    let json = message.json(responses);
    let members = read_members(json, "inputResponses")?;
    members
        .into_iter()
        .map(|(key, value)| match value.shape {
            Shape::Object => Ok((key, value.json(json).into())),
            shape => Err(format!(
                "the response {key:?} is {shape}: it must be an object"
            )),
        })
        .collect()
}

/// The members of the parameters of a request that brings answers to a
/// stateless server: answers by key as JSON text, and the server's state as
/// JSON text.
pub fn retry_members(responses: &[(Box<str>, Box<str>)], state: Option<&str>) -> String {
    let responses: Vec<String> = responses
        .iter()
        .map(|(key, json)| format!("{}:{json}", quoted(key)))
        .collect();
    let state = state.map_or_else(String::new, |json| format!(",\"requestState\":{json}"));
    format!("\"inputResponses\":{{{}}}{state}", responses.join(","))
}

/// Whether a message is an answer that asks for input.
pub fn asks_for_input(message: &Message) -> bool {
    let kind = message.marks.result_type.map(|span| message.json(span));
    message.kind == (Kind::Answer { failed: false }) && kind == Some("\"input_required\"")
}
