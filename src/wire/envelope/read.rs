//! Understanding one message: the pass over its text that notes where the
//! parts stand, whatever their order, and the judgement on what was found.

use crate::limits::{ID_BYTES_MAX, METHOD_BYTES_MAX};
use crate::wire::envelope::Malformed;
use crate::wire::envelope::{
    INVALID_PARAMS, INVALID_REQUEST, Kind, Marks, PARSE_ERROR, Span, broken,
};
use crate::wire::method::Method;
use crate::wire::scan::{self, Fault, Scanner, Shape, Value};
use crate::wire::stateless;

/// What was understood of a message.
pub(super) struct Found {
    pub(super) kind: Kind,
    /// Whether line breaks stand between its tokens.
    pub(super) newlines: bool,
    /// Where the message ends; only white space stands behind.
    pub(super) end: usize,
}

/// Understands the message that is all of `text`. Where its parts stand is noted
/// in `marks`, which were empty: they are too many to be handed from one to the
/// next.
pub(super) fn understand(text: &str, marks: &mut Marks) -> Result<Found, Malformed> {
    if u32::try_from(text.len()).is_err() {
        return Err(Malformed {
            code: PARSE_ERROR,
            sentence: "the message is longer than 4 GiB".into(),
            id: None,
            data: None,
        });
    }
    let mut scanner = Scanner::new(text);
    let mut reader = Reader {
        text,
        found: [None; PARTS],
        repeated: None,
        id_repeated: false,
    };
    let message = reader.message(&mut scanner).map_err(broken)?;
    // Line breaks behind the message are cut off with the rest there.
    let newlines = scanner.newlines();
    scanner.finish().map_err(broken)?;
    match reader.judge(message.shape, marks) {
        Ok(kind) => Ok(Found {
            kind,
            newlines,
            end: message.end,
        }),
        Err(Refused(code, sentence)) => Err(Malformed {
            code,
            sentence,
            id: reader.id_to_answer(),
            data: None,
        }),
    }
}

/// The objects in which parts are looked for.
#[derive(Clone, Copy)]
enum Place {
    Message,
    Params,
    Meta,
    Ref,
    Result,
    Error,
}

/// The members that the gateway reads. It would read another message than its
/// receiver does if one of them stood twice: so none may, but for those by which
/// nothing is decided that would be worth the loss of a message.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    JsonRpc,
    Id,
    Method,
    Params,
    Result,
    Error,
    Name,
    Uri,
    Cursor,
    Level,
    RequestId,
    ProgressToken,
    Meta,
    MetaProgressToken,
    Ref,
    RefType,
    RefName,
    RefUri,
    Arguments,
    Filter,
    TaskId,
    Mode,
    Tools,
    RequestState,
    InputResponses,
    MetaVersion,
    MetaInfo,
    MetaCapabilities,
    MetaLogLevel,
    MetaSubscription,
    ResultType,
    ResultTtl,
    ResultScope,
    ResultTaskId,
    ResultIsError,
    ErrorCode,
}

const PARTS: usize = Part::ErrorCode as usize + 1;

impl Place {
    /// The path of its members, up to their keys.
    fn path(self) -> &'static str {
        match self {
            Place::Message => "",
            Place::Params => "params.",
            Place::Meta => "params._meta.",
            Place::Ref => "params.ref.",
            Place::Result => "result.",
            Place::Error => "error.",
        }
    }

    /// The part of that key here.
    fn part(self, key: &str) -> Option<Part> {
        Some(match (self, key) {
            (Place::Message, "jsonrpc") => Part::JsonRpc,
            (Place::Message, "id") => Part::Id,
            (Place::Message, "method") => Part::Method,
            (Place::Message, "params") => Part::Params,
            (Place::Message, "result") => Part::Result,
            (Place::Message, "error") => Part::Error,
            (Place::Params, "name") => Part::Name,
            (Place::Params, "uri") => Part::Uri,
            (Place::Params, "cursor") => Part::Cursor,
            (Place::Params, "level") => Part::Level,
            (Place::Params, "requestId") => Part::RequestId,
            (Place::Params, "progressToken") => Part::ProgressToken,
            (Place::Params, "_meta") => Part::Meta,
            (Place::Params, "arguments") => Part::Arguments,
            (Place::Params, "notifications") => Part::Filter,
            (Place::Params, "taskId") => Part::TaskId,
            (Place::Params, "mode") => Part::Mode,
            (Place::Params, "tools") => Part::Tools,
            (Place::Params, "requestState") => Part::RequestState,
            (Place::Params, "inputResponses") => Part::InputResponses,
            (Place::Meta, key) => return meta_part(key),
            (Place::Params, "ref") => Part::Ref,
            (Place::Ref, "type") => Part::RefType,
            (Place::Ref, "name") => Part::RefName,
            (Place::Ref, "uri") => Part::RefUri,
            (Place::Result, "resultType") => Part::ResultType,
            (Place::Result, "ttlMs") => Part::ResultTtl,
            (Place::Result, "cacheScope") => Part::ResultScope,
            (Place::Result, "taskId") => Part::ResultTaskId,
            (Place::Result, "isError") => Part::ResultIsError,
            (Place::Error, "code") => Part::ErrorCode,
            _ => return None,
        })
    }
}

/// The part of that key in `params._meta`.
fn meta_part(key: &str) -> Option<Part> {
    Some(match key {
        "progressToken" => Part::MetaProgressToken,
        stateless::META_VERSION => Part::MetaVersion,
        stateless::META_INFO => Part::MetaInfo,
        stateless::META_CAPABILITIES => Part::MetaCapabilities,
        stateless::META_LOG_LEVEL => Part::MetaLogLevel,
        stateless::META_SUBSCRIPTION => Part::MetaSubscription,
        _ => return None,
    })
}

impl Part {
    /// Whether a message is spoilt if it stands twice.
    fn is_strict(self) -> bool {
        !matches!(
            self,
            Part::Arguments
                | Part::Mode
                | Part::Tools
                | Part::ResultType
                | Part::ResultTtl
                | Part::ResultScope
                | Part::ResultTaskId
                | Part::ResultIsError
                | Part::ErrorCode
        )
    }

    /// The place inside it, where it is an object.
    fn place(self) -> Option<Place> {
        match self {
            Part::Params => Some(Place::Params),
            Part::Meta => Some(Place::Meta),
            Part::Ref => Some(Place::Ref),
            Part::Result => Some(Place::Result),
            Part::Error => Some(Place::Error),
            _ => None,
        }
    }
}

/// A JSON-RPC error code and its sentence.
struct Refused(i32, String);

fn invalid<T>(sentence: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(INVALID_REQUEST, sentence.into()))
}

struct Reader<'a> {
    text: &'a str,
    /// Where each part stands, null or not.
    found: [Option<Span>; PARTS],
    /// The path of the first key that stands twice.
    repeated: Option<String>,
    id_repeated: bool,
}

/// The pass over the text.
impl<'a> Reader<'a> {
    fn message(&mut self, scanner: &mut Scanner<'a>) -> Result<Value, Fault> {
        match scanner.shape()? {
            Shape::Object => self.members(scanner, Place::Message),
            _ => scanner.value(),
        }
    }

    /// Reads the object at `place`. Calls itself for the places inside, which
    /// are three deep at most, however deep the text is.
    fn members(&mut self, scanner: &mut Scanner<'a>, place: Place) -> Result<Value, Fault> {
        scanner.object(|scanner, key| {
            let Some(part) = place.part(key) else {
                return scanner.value().map(drop);
            };
            if part.is_strict() && self.found[part as usize].is_some() {
                self.id_repeated |= part == Part::Id;
                self.repeated
                    .get_or_insert_with(|| format!("{}{key}", place.path()));
            }
            let value = match part.place() {
                Some(inside) if scanner.shape()? == Shape::Object => {
                    self.members(scanner, inside)?
                }
                _ => scanner.value()?,
            };
            self.found[part as usize] = Span::new(value.start, value.end);
            Ok(())
        })
    }
}

/// The judgement on what was found.
impl<'a> Reader<'a> {
    fn judge(&self, shape: Shape, marks: &mut Marks) -> Result<Kind, Refused> {
        if shape != Shape::Object {
            return invalid(format!("the message is {shape}: it must be an object"));
        }
        if let Some(path) = &self.repeated {
            return invalid(format!("\"{path}\" stands twice"));
        }
        match self.bytes(Part::JsonRpc) {
            Some(b"\"2.0\"") => {}
            Some(_) if self.text_of(Part::JsonRpc).as_deref() == Some("2.0") => {}
            Some(_) => return invalid("\"jsonrpc\" is not \"2.0\""),
            None => return invalid("\"jsonrpc\" is missing: it must be \"2.0\""),
        }
        let kind = self.kind()?;
        marks.id = self.span(Part::Id);
        match &kind {
            Kind::Request(method) | Kind::Notification(method) => {
                self.mark_params(method, marks)?;
            }
            Kind::Answer { .. } => {
                marks.outcome = self.found(Part::Result).or(self.found(Part::Error));
                marks.result_type = self.found(Part::ResultType);
                marks.ttl = self.found(Part::ResultTtl);
                marks.cache_scope = self.found(Part::ResultScope);
                marks.task_id = self.span(Part::ResultTaskId);
                marks.is_error = self.found(Part::ResultIsError);
                marks.error_code = self.span(Part::ErrorCode);
            }
        }
        Ok(kind)
    }

    fn kind(&self) -> Result<Kind, Refused> {
        let method = self.method()?;
        let (result, error) = (self.found(Part::Result), self.found(Part::Error));
        match (method, result, error) {
            (Some(method), None, None) => {
                if self.found(Part::Id).is_some() {
                    self.check_id()?;
                    Ok(Kind::Request(method))
                } else {
                    Ok(Kind::Notification(method))
                }
            }
            (Some(_), ..) => invalid("the message has a method and a result or error"),
            (None, Some(_), Some(_)) => invalid("the message has a result and an error"),
            (None, Some(_), None) => {
                if self.found(Part::Id).is_none() {
                    return invalid("the result has no id");
                }
                self.check_id()?;
                Ok(Kind::Answer { failed: false })
            }
            (None, None, Some(_)) => {
                match self.shape(Part::Error) {
                    Some(Shape::Object) | None => {}
                    Some(shape) => {
                        return invalid(format!("error is {shape}: it must be an object"));
                    }
                }
                if self.span(Part::Id).is_some() {
                    self.check_id()?;
                }
                Ok(Kind::Answer { failed: true })
            }
            (None, None, None) => invalid("the message has no method, result or error"),
        }
    }

    fn method(&self) -> Result<Option<Method>, Refused> {
        let Some(json) = self.json(Part::Method) else {
            return Ok(None);
        };
        match self.shape(Part::Method) {
            Some(Shape::String) | None => {}
            Some(shape) => return invalid(format!("method is {shape}: it must be a string")),
        }
        // A known name is written as it is, but for very few who escape its slash.
        if let Some(method) = scan::between_quotes(json).and_then(Method::known) {
            return Ok(Some(method));
        }
        match scan::text(json) {
            None => invalid("method is no text: it holds half a surrogate pair"),
            Some(name) if name.is_empty() => invalid("method is empty"),
            Some(name) if name.len() > METHOD_BYTES_MAX => {
                invalid(format!("method is longer than {METHOD_BYTES_MAX} bytes"))
            }
            Some(name) => Ok(Some(Method::from_name(&name))),
        }
    }

    /// Whether the id, which is there, can be one.
    fn check_id(&self) -> Result<(), Refused> {
        let Some(json) = self.bytes(Part::Id) else {
            return Ok(());
        };
        match self.shape(Part::Id) {
            Some(Shape::String) | None => {}
            Some(Shape::Number) if is_whole(json) => {}
            Some(Shape::Number) => {
                return invalid("id is a fraction: it must be a string or an integer");
            }
            Some(shape) => {
                return invalid(format!("id is {shape}: it must be a string or an integer"));
            }
        }
        if json.len() > ID_BYTES_MAX {
            return invalid(format!("id is longer than {ID_BYTES_MAX} bytes"));
        }
        Ok(())
    }

    /// The id for the refusal of this message, if that answers a request. An
    /// answer is never answered: its id belongs to a request of the other side.
    fn id_to_answer(&self) -> Option<Box<str>> {
        let answers = self.found(Part::Result).is_some() || self.found(Part::Error).is_some();
        if answers || self.id_repeated || self.check_id().is_err() {
            return None;
        }
        self.json(Part::Id).map(Box::from)
    }

    fn mark_params(&self, method: &Method, marks: &mut Marks) -> Result<(), Refused> {
        match self.shape(Part::Params) {
            None | Some(Shape::Object) => {}
            Some(Shape::Array) => {
                let sentence = "params is an array: MCP takes them by name, in an object";
                return Err(Refused(INVALID_PARAMS, sentence.into()));
            }
            Some(shape) => {
                return invalid(format!(
                    "params is {shape}: it must be an object or left out"
                ));
            }
        }
        marks.params = self.found(Part::Params);
        if let Some(meta) = self.found(Part::Meta) {
            marks.meta = Some(meta);
            marks.version = self.span(Part::MetaVersion);
            marks.client_info = self.span(Part::MetaInfo);
            marks.client_capabilities = self.span(Part::MetaCapabilities);
            marks.log_level = self.span(Part::MetaLogLevel);
            marks.subscription = self.span(Part::MetaSubscription);
            let path = "params._meta.progressToken";
            marks.progress_token = self.token(Part::MetaProgressToken, path)?;
        }
        marks.arguments = self.span(Part::Arguments);
        marks.filter = self.span(Part::Filter);
        marks.task_id = self.span(Part::TaskId);
        marks.mode = self.span(Part::Mode);
        marks.tools = self.span(Part::Tools);
        marks.request_state = self.span(Part::RequestState);
        marks.input_responses = self.span(Part::InputResponses);
        marks.cursor = self.span(Part::Cursor);
        marks.level = self.span(Part::Level);
        (marks.name, marks.uri) = (self.span(Part::Name), self.span(Part::Uri));
        match method {
            Method::Complete => {
                let kind = self.text_of(Part::RefType);
                let is = |name: &str| kind.as_deref().is_none_or(|kind| kind == name);
                marks.name = self.span(Part::RefName).filter(|_| is("ref/prompt"));
                marks.uri = self.span(Part::RefUri).filter(|_| is("ref/resource"));
            }
            Method::Progress => {
                marks.progress_token = self.token(Part::ProgressToken, "params.progressToken")?;
            }
            Method::Cancelled => marks.request_id = self.span(Part::RequestId),
            _ => {}
        }
        Ok(())
    }

    /// A progress token. What is no string or number is no token, and the
    /// receiver's to refuse.
    fn token(&self, part: Part, path: &str) -> Result<Option<Span>, Refused> {
        let is_token = matches!(self.shape(part), Some(Shape::String | Shape::Number));
        let token = self.found(part).filter(|_| is_token);
        if token.is_some_and(|span| span.range().len() > ID_BYTES_MAX) {
            let sentence = format!("{path} is longer than {ID_BYTES_MAX} bytes");
            return Err(Refused(INVALID_PARAMS, sentence));
        }
        Ok(token)
    }

    /// Where a part stands, null or not.
    fn found(&self, part: Part) -> Option<Span> {
        self.found[part as usize]
    }

    /// Where a part stands that is not null.
    fn span(&self, part: Part) -> Option<Span> {
        self.found(part)
            .filter(|_| self.shape(part) != Some(Shape::Null))
    }

    fn shape(&self, part: Part) -> Option<Shape> {
        Shape::of(*self.bytes(part)?.first()?)
    }

    fn bytes(&self, part: Part) -> Option<&'a [u8]> {
        self.text.as_bytes().get(self.found(part)?.range())
    }

    fn json(&self, part: Part) -> Option<&'a str> {
        self.text.get(self.found(part)?.range())
    }

    fn text_of(&self, part: Part) -> Option<std::borrow::Cow<'a, str>> {
        scan::text(self.json(part)?)
    }
}

/// Whether a JSON number is a whole one, written without an exponent. Some
/// senders have no integers and write `1.0`.
fn is_whole(number: &[u8]) -> bool {
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    let mut rest = digits.iter().skip_while(|byte| byte.is_ascii_digit());
    match rest.next() {
        None => true,
        Some(point) => *point == b'.' && rest.all(|byte| *byte == b'0'),
    }
}
