//! Questions of a server as results and parameters, in the stateless era
//! (2026-07-28, "Multi Round-Trip Requests"): a result that asks for input, and
//! a request that brings it.

use crate::limits::{ID_BYTES_MAX, INPUT_REQUESTS_MAX};
use crate::sorted::SortedMap;
use crate::wire::envelope::{Message, quoted};
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

/// The result that asks a stateless client for input. `state` is plain text;
/// without one the client comes back as if it came for the first time.
pub fn input_required_result<'a>(
    requests: impl IntoIterator<Item = &'a InputRequest>,
    state: Option<&str>,
) -> String {
    let requests: Vec<String> = requests
        .into_iter()
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
    let state = state.map_or_else(String::new, |state| {
        format!(",\"requestState\":{}", quoted(state))
    });
    format!(
        r#"{{"resultType":"input_required","inputRequests":{{{}}}{state}}}"#,
        requests.join(",")
    )
}

/// The code of an error by which a server of 2025-11-25 wants its client to open
/// URLs first (elicitation, "URL Elicitation Required Error").
pub const URL_REQUIRED: i32 = -32042;

/// What such an error asks for: each elicitation under its own name, as a
/// question of this era. Those that cannot be read are left out.
pub fn read_url_elicitations(message: &Message) -> Vec<InputRequest> {
    let Some(error) = message.marks.outcome.map(|span| message.json(span)) else {
        return Vec::new();
    };
    let member = |json, key| scan::members(json, [key]).ok().and_then(|[value]| value);
    let Some(data) = member(error, "data").map(|value| value.json(error)) else {
        return Vec::new();
    };
    let Some(list) = member(data, "elicitations").map(|value| value.json(data)) else {
        return Vec::new();
    };
    let mut found: Vec<InputRequest> = Vec::new();
    let _ = Scanner::new(list).array(|scanner| {
        let params = scanner.value()?.json(list);
        if let Some(key) = elicitation_id(params)
            && found.len() < INPUT_REQUESTS_MAX
            && found.iter().all(|request| request.key != key)
        {
            found.push(InputRequest {
                key,
                method: Method::Elicit,
                params: Some(params.into()),
            });
        }
        Ok(())
    });
    found
}

/// The name that a server gave an elicitation by URL, in its parameters (JSON
/// text) or in those of the word that it is complete.
pub fn elicitation_id(params: &str) -> Option<Box<str>> {
    let [id] = scan::members(params, ["elicitationId"]).ok()?;
    let id = scan::text(id?.json(params))?;
    (id.len() <= ID_BYTES_MAX).then(|| id.into())
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
/// JSON text. What there is none of is left out.
pub fn retry_members(responses: &[(Box<str>, Box<str>)], state: Option<&str>) -> String {
    let mut members = Vec::new();
    if !responses.is_empty() {
        let responses: Vec<String> = responses
            .iter()
            .map(|(key, json)| format!("{}:{json}", quoted(key)))
            .collect();
        members.push(format!("\"inputResponses\":{{{}}}", responses.join(",")));
    }
    members.extend(state.map(|json| format!("\"requestState\":{json}")));
    members.join(",")
}

/// Parameters in a form that does not depend on the order of their members, and
/// without those that differ between a request and the one that asks it again.
/// A value that only some parsers take, such as half a surrogate pair or a number
/// beyond all floating points, counts as it stands there.
pub fn canonical_params(params: &str) -> String {
    let mut members = Vec::new();
    let read = Scanner::new(params).object(|scanner, key| {
        let value = scanner.value()?.json(params);
        if !["_meta", "inputResponses", "requestState"].contains(&key) {
            let parsed = serde_json::from_str(value);
            let sorted =
                parsed.map_or_else(|_| value.to_owned(), |v: serde_json::Value| v.to_string());
            members.push((key.to_owned(), sorted));
        }
        Ok(())
    });
    if read.is_err() {
        return params.to_owned();
    }
    let members: SortedMap<String, String> = members.into_iter().collect();
    let members = members
        .iter()
        .map(|(key, value)| format!("{}:{value}", quoted(key)));
    members.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(data: &str) -> Message {
        Message::error(URL_REQUIRED, "first sign in", Some(data))
    }

    #[test]
    fn the_elicitations_of_an_error_become_questions() {
        let one = r#"{"mode":"url","elicitationId":"a","url":"https://x.y/?a=1","message":"m"}"#;
        let message = failed(&format!(
            r#"{{"k":1,"elicitations":[{one}, {{"elicitationId":"a"}}, {{}}, 7, {{ "elicitationId" : "b" }}]}}"#
        ));
        let found = read_url_elicitations(&message);
        let keys: Vec<&str> = found.iter().map(|request| &*request.key).collect();
        assert_eq!(keys, ["a", "b"]);
        assert_eq!(found[0].params.as_deref(), Some(one));
        assert_eq!(
            input_required_result(&found[..1], None),
            format!(
                r#"{{"resultType":"input_required","inputRequests":{{"a":{{"method":"elicitation/create","params":{one}}}}}}}"#
            )
        );
        for data in ["[]", "{}", r#"{"elicitations":{}}"#, "7"] {
            assert_eq!(read_url_elicitations(&failed(data)), [], "{data}");
        }
        assert_eq!(read_url_elicitations(&Message::error(1, "", None)), []);
    }

    #[test]
    fn a_name_that_is_no_text_or_too_long_is_none() {
        assert_eq!(elicitation_id(r#"{"elicitationId":"a"}"#), Some("a".into()));
        let long = format!(r#"{{"elicitationId":"{}"}}"#, "a".repeat(ID_BYTES_MAX + 1));
        for params in ["{}", r#"{"elicitationId":1}"#, "[]", &long] {
            assert_eq!(elicitation_id(params), None);
        }
    }

    #[test]
    fn the_order_of_members_and_what_a_retry_adds_do_not_count() {
        let asked =
            canonical_params(r#"{"name":"x","arguments":{"b":[1,2],"a":"é"},"_meta":{"k":1}}"#);
        let retried = r#"{ "requestState":"s", "arguments":{"a":"\u00e9","b":[ 1,2 ]},
            "inputResponses":{"q1":{}}, "name":"x" }"#;
        assert_eq!(canonical_params(retried), asked);
        for other in [
            r#"{"name":"y","arguments":{"b":[1,2],"a":"é"}}"#,
            r#"{"name":"x","arguments":{"b":[2,1],"a":"é"}}"#,
            r#"{"name":"x","arguments":{"b":[1,2],"a":"é","requestState":"s"}}"#,
        ] {
            assert_ne!(canonical_params(other), asked);
        }
    }

    #[test]
    fn what_not_every_parser_takes_can_be_asked_again_too() {
        for odd in [r#"{"a":"\ud800"}"#, r#"{"a":1e999}"#, r#"{"\ud800":1}"#] {
            let asked = canonical_params(&format!(r#"{{"name":"x","arguments":{odd}}}"#));
            let retried = format!(r#"{{"requestState":"s","arguments":{odd},"name":"x"}}"#);
            assert_eq!(canonical_params(&retried), asked, "{odd}");
            let other = odd.replace("800", "801").replace("999", "998");
            let other = canonical_params(&format!(r#"{{"name":"x","arguments":{other}}}"#));
            assert_ne!(other, asked, "{odd}");
        }
    }
}
