//! What is said between a client and a server, by dice: every message in pieces, so that it is
//! known where its id, its name and its progress token stand, and all else must arrive as it is.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::eras::{
    CLIENT_CAPABILITIES, CLIENT_INFO, Crossing, Era, LOG_LEVEL, PROTOCOL_VERSION, SUBSCRIPTION_ID,
};
use super::json::{Field, any, extras, hole, maybe, member, object, space, spelled, string, text};
use super::template::{Piece, Place, Template};

/// The resource that the server lists.
pub const RESOURCE: &str = "test://one/ä";
/// The template that it lists.
pub const TEMPLATE: &str = "test://{id}/two";
/// The tools that it lists, and its prompts. The second cannot be served under its own name.
pub const NAMES: [&str; 2] = ["plain-1", "bü \"r\"/o\\"];

/// The members of a message that say what it is; one that stood twice would say two things.
const OF_MESSAGES: &[&str] = &["jsonrpc", "id", "method", "params", "result", "error"];
/// The members of parameters that the gateway reads.
const OF_PARAMS: &[&str] = &[
    "name",
    "uri",
    "cursor",
    "level",
    "requestId",
    "progressToken",
    "_meta",
    "ref",
    "inputResponses",
    "requestState",
    "taskId",
    "notifications",
];
/// The same of their `_meta`.
const OF_META: &[&str] = &[
    "progressToken",
    PROTOCOL_VERSION,
    CLIENT_CAPABILITIES,
    CLIENT_INFO,
    LOG_LEVEL,
    SUBSCRIPTION_ID,
];
/// What the gateway reads of results where eras are crossed.
const OF_RESULTS: &[&str] = &[
    "resultType",
    "ttlMs",
    "cacheScope",
    "inputRequests",
    "requestState",
    "taskId",
    "_meta",
];

/// For whom messages are made.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// The eras.
    pub crossing: &'static Crossing,
    /// Whether the session has a child of its own.
    pub own_child: bool,
}

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// `tools/call`; the place in `NAMES`.
    Tool(usize),
    /// `prompts/get`; the place in `NAMES`.
    Prompt(usize),
    /// `resources/read`
    Resource,
    /// `completion/complete` for a prompt; the place in `NAMES`.
    PromptArgument(usize),
    /// `completion/complete` for a template
    TemplateVariable,
}

/// A request, what is said while it is under way, and its answer.
#[derive(Debug, Clone)]
pub struct Talk {
    /// What it is about.
    pub target: Target,
    /// The request.
    pub request: Template,
    /// The id that the client gives it.
    pub id: String,
    /// The progress token that the client gives it, if it has a place for one.
    pub token: String,
    /// Which characters of the name are escaped.
    pub spelling: Vec<bool>,
    /// What is said before the answer.
    pub steps: Vec<Step>,
    /// The answer.
    pub answer: Template,
    /// What the client says instead of waiting for the answer.
    pub taken_back: Option<Template>,
}

/// Something that is said while a request is under way.
#[derive(Debug, Clone)]
pub enum Step {
    /// The server tells something about the request; `Piece::Token` is that of the request.
    Notice(Template),
    /// The server tells something about no request.
    Aside(Template),
    /// The client tells something about no request.
    Told(Template),
    /// The server asks the client.
    Question(Question),
}

/// A request of the server.
#[derive(Debug, Clone)]
pub struct Question {
    /// The request.
    pub request: Template,
    /// The id that the server gives it.
    pub id: String,
    /// The progress token that the server gives it, if it has a place for one.
    pub token: String,
    /// The client's progress with it.
    pub progress: Option<Template>,
    /// The client's answer.
    pub answer: Template,
    /// What the server says instead of waiting for the answer.
    pub taken_back: Option<Template>,
    /// What the server says later of the same matter.
    pub completed: Option<Template>,
}

impl Target {
    /// The method of the request.
    pub fn method(self) -> &'static str {
        match self {
            Target::Tool(_) => "tools/call",
            Target::Prompt(_) => "prompts/get",
            Target::Resource => "resources/read",
            Target::PromptArgument(_) | Target::TemplateVariable => "completion/complete",
        }
    }
}

/// A whole talk.
pub fn talk(terms: Terms) -> BoxedStrategy<Talk> {
    let named = |target: fn(usize) -> Target| (0..NAMES.len()).prop_map(target);
    let targets = prop_oneof![
        4 => named(Target::Tool),
        1 => named(Target::Prompt),
        1 => Just(Target::Resource),
        1 => named(Target::PromptArgument),
        1 => Just(Target::TemplateVariable),
    ];
    let asked = targets.prop_flat_map(move |target| (Just(target), request(terms, target)));
    let steps = prop_oneof![Just(Vec::new()), vec(step(terms), 1..4)];
    let spelling = vec(prop::bool::weighted(0.1), 0..24);
    let ending = (answer(terms), taken_back(terms));
    (asked, id(), token(), spelling, steps, ending)
        .prop_map(
            |((target, request), id, token, spelling, steps, (answer, taken_back))| Talk {
                target,
                request,
                id,
                token,
                spelling,
                steps,
                answer,
                taken_back,
            },
        )
        .boxed()
}

/// An id: a string, or a number without a fraction, in any notation but with an exponent.
pub fn id() -> BoxedStrategy<String> {
    let number = select(vec![
        "0",
        "1",
        "-7",
        "-0",
        "3.0",
        "9007199254740993",
        "123456789012345678901234567890",
    ]);
    prop_oneof![number.prop_map(str::to_owned), short_string()].boxed()
}

/// A progress token: a string or any number.
fn token() -> BoxedStrategy<String> {
    let number = select(vec!["0", "7", "-1", "1.50", "1e400"]);
    prop_oneof![number.prop_map(str::to_owned), short_string()].boxed()
}

fn short_string() -> BoxedStrategy<String> {
    let fits = |text: &String| text.len() < 200;
    string().prop_filter("ids are short", fits).boxed()
}

/// A message: its own members, and any others.
fn message(mut fields: Vec<Field>) -> BoxedStrategy<Template> {
    fields.push(member("jsonrpc", text("2.0")));
    let inner = object(None, fields, extras(OF_MESSAGES));
    (space(), inner, space())
        .prop_map(|(before, inner, after)| {
            let mut message = Template::from(before.to_owned());
            message.append(inner);
            message.push(after);
            message
        })
        .boxed()
}

/// `_meta` of a request, where there may be one.
fn meta(opening: Option<Place>, mut fields: Vec<Field>) -> BoxedStrategy<Template> {
    fields.push(
        prop_oneof![
            4 => member("progressToken", hole(Piece::Token)),
            1 => member("progressToken", text_of("null")),
            2 => Just(None),
        ]
        .boxed(),
    );
    object(opening, fields, extras(OF_META))
}

fn text_of(json: &'static str) -> BoxedStrategy<Template> {
    Just(Template::from(json.to_owned())).boxed()
}

/// The request of a client.
fn request(terms: Terms, target: Target) -> BoxedStrategy<Template> {
    let reference = |kind, field| object(None, vec![member("type", text(kind)), field], none());
    let of_target = match target {
        Target::Tool(_) | Target::Prompt(_) => member("name", hole(Piece::Name)),
        Target::Resource => member("uri", text(RESOURCE)),
        Target::PromptArgument(_) => {
            let name = member("name", hole(Piece::Name));
            member("ref", reference("ref/prompt", name))
        }
        Target::TemplateVariable => {
            let uri = member("uri", text(TEMPLATE));
            member("ref", reference("ref/resource", uri))
        }
    };
    let arguments = object(None, Vec::new(), extras(&[]));
    let mut fields = vec![
        of_target,
        maybe("arguments", arguments.clone()),
        maybe("argument", arguments),
    ];
    if terms.crossing.is_plain() {
        fields.extend(strangers());
    }
    let params = match terms.crossing.client {
        Era::Stateless => {
            fields.push(member("_meta", meta(None, era_fields(terms))));
            object(None, fields, extras(OF_PARAMS))
        }
        Era::Handshake => {
            let bare = object(Some(Place::Params), fields.clone(), extras(OF_PARAMS));
            fields.push(member("_meta", meta(Some(Place::Meta), Vec::new())));
            prop_oneof![1 => bare, 2 => object(None, fields, extras(OF_PARAMS))].boxed()
        }
    };
    message(vec![
        member("id", hole(Piece::Id)),
        member("method", text(target.method())),
        member("params", params),
    ])
}

fn none() -> BoxedStrategy<Vec<(String, Template)>> {
    Just(Vec::new()).boxed()
}

/// Parameters that are read of other methods, and are no business of anybody here. Each once: a
/// message in which one of them stands twice is refused.
fn strangers() -> Vec<Field> {
    let rarely = |key| prop_oneof![9 => Just(None), 1 => member(key, any())].boxed();
    [
        "cursor",
        "level",
        "requestId",
        "progressToken",
        "inputResponses",
        "requestState",
        "taskId",
        "notifications",
    ]
    .map(rarely)
    .into()
}

/// What a request of 2026-07-28 carries in its `_meta`.
fn era_fields(terms: Terms) -> Vec<Field> {
    let version = match terms.crossing.server {
        Era::Stateless => text("2026-07-28"),
        // A server of the other era may refuse what names a version that it does not know.
        Era::Handshake => hole(Piece::Leaving("\"2026-07-28\"".to_owned())),
    };
    vec![
        member(PROTOCOL_VERSION, version),
        member(CLIENT_CAPABILITIES, text_of("{}")),
        maybe(CLIENT_INFO, text_of(r#"{"name": "relay","version":"1"}"#)),
        member(LOG_LEVEL, text("debug")),
    ]
}

/// The answer of a server.
fn answer(terms: Terms) -> BoxedStrategy<Template> {
    let items = object(None, Vec::new(), extras(&[]));
    let content = super::json::array(items.prop_map(|item| item.write(&Default::default())));
    let mut fields = vec![
        maybe("content", content.prop_map(Template::from).boxed()),
        maybe("structuredContent", any()),
        maybe("isError", text_of("false")),
        maybe("_meta", object(None, Vec::new(), extras(OF_META))),
    ];
    if terms.crossing.server == Era::Stateless {
        fields.push(member("resultType", text("complete")));
    }
    if terms.crossing.is_plain() {
        let result = object(Some(Place::Result), fields, extras(&[]));
        return outcome(prop_oneof![8 => result, 1 => any()].boxed(), ERROR_CODES);
    }
    let result = object(Some(Place::Result), fields, extras(OF_RESULTS));
    // Codes that mean something are translated between the eras.
    outcome(result, &["-32603", "1", "-1"])
}

const ERROR_CODES: &[&str] = &["-32603", "-32002", "-32042", "1", "-0", "1e9"];

/// An answer with such a result, or with an error.
fn outcome(
    result: BoxedStrategy<Template>,
    codes: &'static [&'static str],
) -> BoxedStrategy<Template> {
    let code = select(codes).prop_map(|code| Template::from(code.to_owned()));
    let error = vec![
        member("code", code.boxed()),
        member("message", string().prop_map(Template::from).boxed()),
        maybe("data", any()),
    ];
    let id = || member("id", hole(Piece::Id));
    let error = member("error", object(None, error, extras(&["code", "message"])));
    prop_oneof![
        3 => message(vec![id(), member("result", result)]),
        1 => message(vec![id(), error]),
    ]
    .boxed()
}

fn step(terms: Terms) -> BoxedStrategy<Step> {
    let notices = prop_oneof![progress(), log()].prop_map(Step::Notice);
    if terms.crossing.server == Era::Stateless {
        return notices.boxed();
    }
    if terms.crossing.client == Era::Stateless {
        let asides = updated().prop_map(Step::Aside);
        return prop_oneof![2 => notices, 1 => asides].boxed();
    }
    let asides = updated().prop_map(Step::Aside);
    let mut choices = vec![
        (4, notices.boxed()),
        (2, asides.boxed()),
        (
            4,
            question(terms, &["elicitation/create", "sampling/createMessage"]),
        ),
    ];
    choices.push((2, url_question(terms)));
    if terms.own_child {
        let told = notification("notifications/roots/list_changed", Vec::new());
        choices.push((1, told.prop_map(Step::Told).boxed()));
        choices.push((1, completed().prop_map(Step::Aside).boxed()));
        choices.push((1, question(terms, &["roots/list"])));
    }
    proptest::strategy::Union::new_weighted(choices).boxed()
}

fn notification(method: &'static str, mut params: Vec<Field>) -> BoxedStrategy<Template> {
    let bare = object(Some(Place::Params), params.clone(), extras(OF_PARAMS));
    let meta = object(Some(Place::Meta), Vec::new(), extras(OF_META));
    params.push(member("_meta", meta));
    let params = prop_oneof![bare, object(None, params, extras(OF_PARAMS))].boxed();
    message(vec![
        member("method", text(method)),
        member("params", params),
    ])
}

/// A notification that takes back the request of that id, where the eras are the same.
fn taken_back(terms: Terms) -> BoxedStrategy<Option<Template>> {
    if !terms.crossing.is_plain() {
        return Just(None).boxed();
    }
    let params = vec![member("requestId", hole(Piece::Id)), maybe("reason", any())];
    let cancelled = notification("notifications/cancelled", params);
    prop_oneof![4 => Just(None), 1 => cancelled.prop_map(Some)].boxed()
}

fn progress() -> BoxedStrategy<Template> {
    let params = vec![
        member("progressToken", hole(Piece::Token)),
        maybe("name", any()),
        maybe("uri", any()),
        member("progress", any()),
        maybe("total", any()),
        maybe("message", any()),
    ];
    notification("notifications/progress", params)
}

fn log() -> BoxedStrategy<Template> {
    let levels = ["debug", "info", "warning", "emergency"].map(spelled);
    let level = proptest::strategy::Union::new(levels).prop_map(Template::from);
    let params = vec![
        member("level", level.boxed()),
        maybe("name", any()),
        maybe("logger", any()),
        maybe("data", any()),
    ];
    notification("notifications/message", params)
}

fn updated() -> BoxedStrategy<Template> {
    let params = vec![member("uri", text(RESOURCE)), maybe("title", any())];
    notification("notifications/resources/updated", params)
}

/// A child of a session's own tells its session, whatever it names; a shared one tells who was
/// asked under that name, and here nobody was.
fn completed() -> BoxedStrategy<Template> {
    let params = vec![member("elicitationId", any())];
    notification("notifications/elicitation/complete", params)
}

fn question(terms: Terms, methods: &'static [&'static str]) -> BoxedStrategy<Step> {
    let request = select(methods).prop_flat_map(|method| {
        let fields = match method {
            "elicitation/create" => vec![maybe("mode", text("form")), maybe("tools", any())],
            "sampling/createMessage" => vec![maybe("mode", any()), maybe("tools", any())],
            _ => Vec::new(),
        };
        asked(method, fields)
    });
    put(terms, request.boxed(), Just(None).boxed())
}

/// A question that sends the client to a URL, and the word that all is done there, which only
/// clients hear that were sent there.
fn url_question(terms: Terms) -> BoxedStrategy<Step> {
    let id = || member("elicitationId", text("one/ä"));
    let fields = vec![member("mode", text("url")), id(), maybe("url", any())];
    let completed = notification("notifications/elicitation/complete", vec![id()]);
    put(
        terms,
        asked("elicitation/create", fields),
        completed.prop_map(Some).boxed(),
    )
}

fn asked(method: &'static str, mut params: Vec<Field>) -> BoxedStrategy<Template> {
    params.extend([
        maybe("message", any()),
        maybe("messages", any()),
        maybe("requestedSchema", any()),
        maybe("name", any()),
        maybe("uri", any()),
        maybe("_meta", meta(None, Vec::new())),
    ]);
    params.extend(strangers());
    message(vec![
        member("id", hole(Piece::Id)),
        member("method", text(method)),
        member("params", object(None, params, extras(OF_PARAMS))),
    ])
}

fn put(
    terms: Terms,
    request: BoxedStrategy<Template>,
    completed: BoxedStrategy<Option<Template>>,
) -> BoxedStrategy<Step> {
    let result = object(None, vec![maybe("action", any())], extras(&[]));
    let progress = prop::option::of(progress());
    let ending = (outcome(result, ERROR_CODES), taken_back(terms));
    (request, id(), token(), progress, ending, completed)
        .prop_map(
            |(request, id, token, progress, (answer, taken_back), completed)| {
                Step::Question(Question {
                    request,
                    id,
                    token,
                    progress,
                    answer,
                    taken_back,
                    completed,
                })
            },
        )
        .boxed()
}
