//! The test's end of `recorder_server`: each line that the gateway wrote to a child comes here as
//! it was written. What the gateway asks for itself is answered here; the rest is for the test,
//! which also says what the child says next.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::value::RawValue;

use super::eras::{Era, SUBSCRIPTION_ID};
use super::{WAIT, one_line};
use crate::harness::spawn;

/// Lines that came and were not looked at yet: a test looks at each.
const LINES_AHEAD: usize = 64;

/// What the children behind one gateway are told, and say.
pub struct Recorder {
    heard: Receiver<Heard>,
    path: PathBuf,
    is_over: Arc<AtomicBool>,
}

/// A line that was written to a child.
pub struct Heard {
    /// Its bytes, without the line feed.
    pub line: String,
    /// Who heard it.
    pub child: Speaker,
}

/// The stdout of a child.
#[derive(Clone)]
pub struct Speaker(Arc<Mutex<UnixStream>>);

/// What the children offer: the results of list requests, page by page.
#[derive(Debug, Clone, Default)]
pub struct Offers {
    /// By method; each page is a result, and the JSON text of the cursor that leads to the next.
    pub pages: HashMap<&'static str, Vec<(String, String)>>,
}

impl Recorder {
    /// Listens at this path, for children of this era.
    pub fn listen(path: &Path, era: Era, offers: Offers) -> Recorder {
        let listener = UnixListener::bind(path).expect("the folder of the test can be written");
        let (tell, heard) = sync_channel(LINES_AHEAD);
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let offers = Arc::new(offers);
        spawn(move || {
            while let Ok((socket, _)) = listener.accept() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let (tell, offers) = (tell.clone(), Arc::clone(&offers));
                spawn(move || serve(socket, era, &offers, &tell));
            }
        });
        Recorder {
            heard,
            path: path.to_owned(),
            is_over,
        }
    }

    /// The next line that is for the test.
    pub fn hear(&self) -> Result<Heard, String> {
        let heard = self.heard.recv_timeout(WAIT);
        heard.map_err(|_| "nothing came to the server".to_owned())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // Its thread waits for one more child.
        self.is_over.store(true, Ordering::Relaxed);
        drop(UnixStream::connect(&self.path));
    }
}

impl Speaker {
    /// Says this, in one line.
    pub fn say(&self, message: &str) -> Result<(), String> {
        let line = format!("{}\n", one_line(message));
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let said = socket.write_all(line.as_bytes());
        said.map_err(|error| format!("the server cannot speak: {error}"))
    }
}

/// Serves one child to its end.
fn serve(socket: UnixStream, era: Era, offers: &Offers, tell: &SyncSender<Heard>) {
    let Ok(reading) = socket.try_clone() else {
        return;
    };
    let child = Speaker(Arc::new(Mutex::new(socket)));
    let mut listening = HashSet::new();
    for line in BufReader::new(reading).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8(line).expect("the gateway writes UTF-8");
        match chore(&line, era, offers, &mut listening) {
            Chore::Answer(answer) => {
                // A gateway that has hung up meanwhile wants no answer.
                let _ = child.say(&answer);
            }
            Chore::Nothing => {}
            Chore::OfTheTest => {
                let child = child.clone();
                if tell.send(Heard { line, child }).is_err() {
                    return;
                }
            }
        }
    }
}

/// What a line asks of a server.
enum Chore {
    Answer(String),
    Nothing,
    OfTheTest,
}

/// `listening` are the ids of the requests to be told of changes, which the gateway replaces
/// when its clients want to hear of something else.
fn chore(line: &str, era: Era, offers: &Offers, listening: &mut HashSet<String>) -> Chore {
    // What holds a key that is no text is not the gateway's own.
    let Ok(message) = serde_json::from_str::<HashMap<String, &RawValue>>(line) else {
        return Chore::OfTheTest;
    };
    let raw = |key: &str| message.get(key).map_or("null", |value| value.get());
    let method: String = serde_json::from_str(raw("method")).unwrap_or_default();
    let outcome = match (method.as_str(), era) {
        ("notifications/initialized", _) => return Chore::Nothing,
        ("initialize", Era::Handshake) => result(&hello()),
        ("server/discover", Era::Stateless) => result(&discovered()),
        ("initialize" | "server/discover", _) => {
            r#""error":{"code":-32601,"message":"of another era"}"#.to_owned()
        }
        ("ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe", _) => {
            result("{}")
        }
        ("notifications/cancelled", Era::Stateless) => {
            let params: HashMap<String, &RawValue> =
                serde_json::from_str(raw("params")).unwrap_or_default();
            let id = params.get("requestId").map_or("", |id| id.get());
            return match listening.remove(id) {
                true => Chore::Nothing,
                false => Chore::OfTheTest,
            };
        }
        ("subscriptions/listen", Era::Stateless) => {
            listening.insert(raw("id").to_owned());
            return Chore::Answer(acknowledged(raw("id"), raw("params")));
        }
        (list, _) if list.ends_with("/list") && list != "roots/list" => {
            result(&page(offers, list, raw("params")))
        }
        _ => return Chore::OfTheTest,
    };
    Chore::Answer(format!(
        r#"{{"jsonrpc":"2.0","id":{},{outcome}}}"#,
        raw("id")
    ))
}

fn result(json: &str) -> String {
    format!(r#""result":{json}"#)
}

/// The page that these parameters ask for. A cursor must come back as it was given out.
fn page(offers: &Offers, method: &str, params: &str) -> String {
    let params: HashMap<String, &RawValue> = serde_json::from_str(params).unwrap_or_default();
    let pages = offers.pages.get(method).map_or(&[][..], Vec::as_slice);
    let asked = match params.get("cursor") {
        None => Some(0),
        Some(cursor) => {
            let before = pages.iter().position(|(_, next)| next == cursor.get());
            before.map(|before| before + 1)
        }
    };
    match asked.and_then(|number| pages.get(number)) {
        Some((page, _)) => page.clone(),
        None => format!(r#""there is no such page of {method}""#),
    }
}

/// A subscription is answered when it ends; before that it is acknowledged.
fn acknowledged(id: &str, params: &str) -> String {
    let params: HashMap<String, &RawValue> = serde_json::from_str(params).unwrap_or_default();
    let filter = params.get("notifications").map_or("{}", |it| it.get());
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"{SUBSCRIPTION_ID}":{id}}},"notifications":{filter}}}}}"#
    )
}

const CAPABILITIES: &str = r#"{"tools":{"listChanged":true},"prompts":{},"completions":{},"resources":{"subscribe":true},"logging":{}}"#;

fn hello() -> String {
    format!(
        r#"{{"protocolVersion":"2025-11-25","capabilities":{CAPABILITIES},"serverInfo":{{"name":"recorder","version":"1"}}}}"#
    )
}

fn discovered() -> String {
    format!(
        r#"{{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{CAPABILITIES},"_meta":{{"io.modelcontextprotocol/serverInfo":{{"name":"recorder","version":"1"}}}},"ttlMs":0,"cacheScope":"private"}}"#
    )
}
