//! Why the demo server refuses a request, as JSON-RPC says it.

use serde_json::{Map, Value, json};

/// The line is no JSON (JSON-RPC 2.0, section 5.1).
pub const PARSE_ERROR: i32 = -32700;

/// The JSON is no message.
pub const INVALID_REQUEST: i32 = -32600;

/// There is no such method.
pub const METHOD_NOT_FOUND: i32 = -32601;

/// The parameters are not as they must be.
pub const INVALID_PARAMS: i32 = -32602;

/// There is no such resource (specification 2025-11-25, resources).
pub const RESOURCE_NOT_FOUND: i32 = -32002;

/// Why a request fails.
pub struct Failure {
    /// The JSON-RPC error code.
    pub code: i32,
    /// A sentence that names the thing.
    pub message: String,
    /// More, for programs.
    pub data: Option<Value>,
}

impl Failure {
    /// A failure without data.
    pub fn new(code: i32, message: impl Into<String>) -> Failure {
        Failure {
            code,
            message: message.into(),
            data: None,
        }
    }

    /// Parameters that are not as they must be.
    pub fn params(message: impl Into<String>) -> Failure {
        Failure::new(INVALID_PARAMS, message)
    }

    /// The error response to the request `id`.
    pub fn answer(self, id: &Value) -> Value {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(data) = self.data {
            error["data"] = data;
        }
        json!({"jsonrpc": "2.0", "id": id, "error": error})
    }
}

/// The parameter `name`, a string.
///
/// # Errors
/// [`INVALID_PARAMS`] if it is missing or something else.
pub fn text<'a>(params: &'a Map<String, Value>, name: &str) -> Result<&'a str, Failure> {
    let value = params.get(name).and_then(Value::as_str);
    value.ok_or_else(|| Failure::params(format!("{name:?} must be a string")))
}
