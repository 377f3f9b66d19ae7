//! Clients of all transports that send texts as they are, and hand out what came as it came.

use crate::harness::client::CallError;
use crate::harness::http::Http;
use crate::harness::legacy_sse::SseClient;
use crate::harness::stdio::StdioClient;
use crate::harness::streamable::McpClient;

use super::one_line;

/// What is said of a stream without a further message.
const STREAM_ENDED: &str = "the stream has ended";

/// A client with one request under way at a time.
pub trait Door {
    /// Sends a request, with these headers where there are such.
    fn ask(&mut self, request: &str, headers: &[(&str, String)]) -> Result<(), String>;

    /// Sends a message that is no request.
    fn tell(&mut self, message: &str) -> Result<(), String>;

    /// The next message that belongs to the request.
    fn hear(&mut self) -> Result<String, String>;

    /// The next message that belongs to no request.
    fn hear_aside(&mut self) -> Result<String, String> {
        self.hear()
    }

    /// Sends a request whose answer does not come, but a stream of what belongs to no other
    /// request; the first message of it.
    fn listen(&mut self, request: &str, headers: &[(&str, String)]) -> Result<String, String> {
        self.ask(request, headers)?;
        self.hear()
    }

    /// Sees that a request which was taken back has no answer, where its end can be seen.
    fn hear_nothing(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Sees that nothing follows the answer where something could.
    fn finish(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// Streamable HTTP: answers as JSON or as a stream.
pub struct Streamable {
    client: McpClient,
    /// For requests, and for all else; each opened when it is needed, for one of the HTTP engines
    /// may forget connections that open together.
    main: Option<Http>,
    side: Option<Http>,
    standing: Option<Http>,
    form: Form,
}

/// What the response to the request under way is known to be.
#[derive(PartialEq)]
enum Form {
    Unknown,
    Json,
    Stream,
}

impl Streamable {
    /// For a client whose session, if it needs one, has begun.
    pub fn new(client: McpClient) -> Streamable {
        let standing = client.session.is_some().then(|| {
            let stream = client.get_stream(None).expect("a stream opens");
            assert_eq!(stream.head.status, 200, "a stream opens");
            stream.http
        });
        Streamable {
            main: None,
            side: None,
            client,
            standing,
            form: Form::Unknown,
        }
    }

    /// The connection for requests or that for all else, a new one where it is used up.
    fn connection(&mut self, is_main: bool) -> Http {
        let kept = if is_main {
            &mut self.main
        } else {
            &mut self.side
        };
        let kept = kept.take().filter(Http::is_reusable);
        kept.unwrap_or_else(|| self.client.connect())
    }

    fn next_event(http: &mut Http) -> Result<Option<String>, String> {
        loop {
            match http.next_event().map_err(told)? {
                // An event that only gives an id to resume from.
                Some(event) if event.data.is_empty() => {}
                event => return Ok(event.map(|event| event.data)),
            }
        }
    }
}

impl Door for Streamable {
    fn ask(&mut self, request: &str, headers: &[(&str, String)]) -> Result<(), String> {
        let mut post = self.client.http_post(request);
        for (name, value) in headers {
            post = post.header(name, value);
        }
        self.form = Form::Unknown;
        let mut main = self.connection(true);
        main.send(&post).map_err(told)?;
        self.main = Some(main);
        Ok(())
    }

    fn tell(&mut self, message: &str) -> Result<(), String> {
        let mut side = self.connection(false);
        let reply = side.request(&self.client.http_post(message));
        let reply = reply.map_err(told)?;
        self.side = Some(side);
        match reply.head.status {
            202 => Ok(()),
            status => Err(format!("status {status}: {}", reply.text())),
        }
    }

    fn hear(&mut self) -> Result<String, String> {
        let main = self.main.as_mut().ok_or("nothing was asked")?;
        if self.form == Form::Unknown {
            let head = main.read_head(false).map_err(told)?;
            self.form = if head.is_event_stream() {
                Form::Stream
            } else {
                Form::Json
            };
        }
        if self.form == Form::Stream {
            let event = Streamable::next_event(main)?;
            return event.ok_or_else(|| STREAM_ENDED.to_owned());
        }
        let body = main.read_body().map_err(told)?;
        String::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned())
    }

    fn hear_aside(&mut self) -> Result<String, String> {
        let standing = self.standing.as_mut().ok_or("no stream stands open")?;
        let event = Streamable::next_event(standing)?;
        event.ok_or_else(|| "the standing stream has ended".to_owned())
    }

    fn listen(&mut self, request: &str, headers: &[(&str, String)]) -> Result<String, String> {
        // The connection goes with the stream, and the next request opens another.
        self.ask(request, headers)?;
        let first = self.hear()?;
        self.standing = self.main.take();
        Ok(first)
    }

    fn hear_nothing(&mut self) -> Result<(), String> {
        match self.hear() {
            Ok(message) => Err(format!("what was taken back is answered: {message}")),
            Err(why) if why == STREAM_ENDED => Ok(()),
            Err(why) => Err(why),
        }
    }

    fn finish(&mut self) -> Result<(), String> {
        if self.form == Form::Stream
            && let Some(main) = &mut self.main
            && let Some(more) = Streamable::next_event(main)?
        {
            return Err(format!("behind the answer there is more: {more}"));
        }
        Ok(())
    }
}

impl Door for SseClient {
    fn ask(&mut self, request: &str, _headers: &[(&str, String)]) -> Result<(), String> {
        self.tell(request)
    }

    fn tell(&mut self, message: &str) -> Result<(), String> {
        let posted = self.poster.post_text(message);
        posted.map_err(|error: CallError| error.message())
    }

    fn hear(&mut self) -> Result<String, String> {
        let event = self.listener.http.next_event().map_err(told)?;
        Ok(event.ok_or(STREAM_ENDED)?.data)
    }
}

impl Door for StdioClient {
    fn ask(&mut self, request: &str, _headers: &[(&str, String)]) -> Result<(), String> {
        self.tell(request)
    }

    fn tell(&mut self, message: &str) -> Result<(), String> {
        self.send_line(&one_line(message)).map_err(told)
    }

    fn hear(&mut self) -> Result<String, String> {
        let line = self.receive_line().map_err(|error| error.message())?;
        let line = line.ok_or("stdout has ended")?;
        String::from_utf8(line).map_err(|_| "a line is not UTF-8".to_owned())
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what `map_err` hands over"
)]
fn told(error: std::io::Error) -> String {
    error.to_string()
}
