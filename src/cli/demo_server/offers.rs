//! What the demo server offers, as its lists tell it. Data only: `core` gives
//! it life.

use serde_json::{Value, json};

/// What the client's model is told about the server.
pub const INSTRUCTIONS: &str =
    "A server to try things with: echo, add, time and sleep harm nobody.";

/// The name of the prompt.
pub const PROMPT: &str = "greet";

/// The URI of the resource.
pub const README_URI: &str = "demo://readme";

/// The text of the resource.
pub const README: &str = "# mcproxy demo server\n\nEvery part of the protocol in small: the tools \
    `echo`, `add`, `time` and `sleep`, the prompt `greet`, this resource, and the resource \
    template `demo://greeting/{name}`.\n";

/// The resource template.
pub const GREETING_TEMPLATE: &str = "demo://greeting/{name}";

/// What the resources of the template begin with.
pub const GREETING_PREFIX: &str = "demo://greeting/";

/// The names that are offered as completions.
pub const NAMES: &[&str] = &[
    "Ada",
    "Alan",
    "Barbara",
    "Donald",
    "Edsger",
    "Frances",
    "Grace",
    "Katherine",
];

/// The tools.
pub fn tools() -> Value {
    // None of them changes anything, and none reaches out of the process.
    let harmless = json!({"readOnlyHint": true, "openWorldHint": false, "idempotentHint": true});
    json!([
        {
            "name": "echo",
            "title": "Echo",
            "description": "Answers with the text it is given",
            "inputSchema": object(&json!({
                "text": {"type": "string", "description": "What to answer"},
            })),
            "annotations": harmless,
        },
        {
            "name": "add",
            "title": "Add",
            "description": "Adds two numbers",
            "inputSchema": object(&json!({
                "a": {"type": "number", "description": "One number"},
                "b": {"type": "number", "description": "The other"},
            })),
            "outputSchema": object(&json!({"sum": {"type": "number"}})),
            "annotations": harmless,
        },
        {
            "name": "time",
            "title": "Time",
            "description": "Tells the time, in UTC",
            "inputSchema": object(&json!({})),
            "annotations": harmless,
        },
        {
            "name": "sleep",
            "title": "Sleep",
            "description": "Answers after a while, tells its progress on the way, can be cancelled",
            "inputSchema": object(&json!({
                "seconds": {
                    "type": "number",
                    "description": "How long to sleep",
                    "minimum": 0,
                    "maximum": crate::limits::DEMO_SLEEP_SECONDS_MAX,
                },
            })),
            "annotations": harmless,
        },
    ])
}

/// The prompts.
pub fn prompts() -> Value {
    json!([{
        "name": PROMPT,
        "title": "Greet",
        "description": "Asks for a greeting",
        "arguments": [{"name": "name", "description": "Whom to greet", "required": true}],
    }])
}

/// The resources.
pub fn resources() -> Value {
    json!([{
        "uri": README_URI,
        "name": "readme",
        "title": "Read me",
        "description": "What this server offers",
        "mimeType": "text/markdown",
        "size": README.len(),
    }])
}

/// The resource templates.
pub fn templates() -> Value {
    json!([{
        "uriTemplate": GREETING_TEMPLATE,
        "name": "greeting",
        "title": "Greeting",
        "description": "A greeting for whomever the URI names",
        "mimeType": "text/plain",
    }])
}

/// The schema of an object that needs each of `properties`.
fn object(properties: &Value) -> Value {
    let names = properties
        .as_object()
        .map(|all| all.keys().collect::<Vec<_>>());
    match names {
        Some(names) if !names.is_empty() => {
            json!({"type": "object", "properties": properties, "required": names})
        }
        _ => json!({"type": "object", "properties": properties}),
    }
}
