//! `mcproxy status`: asks a running gateway how it and its servers do, once or
//! again and again. What that looks like is in `overview`.

use std::net::IpAddr;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use crate::cli::console::Written;
use crate::cli::exit::Exit;
use crate::cli::overview::Paint;
use crate::cli::{console, get, overview};
use crate::config::checked::{Config, Secret};
use crate::limits;
use crate::logging::destination::{Stream, Surroundings};

/// How it is told.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// As JSON, not as a page.
    pub json: bool,
    /// Again and again, after so long each time.
    pub watch: Option<Duration>,
}

/// Asks the gateway of that configuration, and prints what it says.
pub fn report(config: &Config, manner: Manner) -> Exit {
    let around = Surroundings::look();
    let is_terminal = around.stdout == Stream::Terminal;
    let paint = Paint {
        colours: is_terminal && !around.no_color,
    };
    let Some(interval) = manner.watch else {
        let look = Look::take(config, manner.json, paint);
        return look.print().exit().or(look.exit);
    };
    let (stop, stopped) = mpsc::sync_channel::<()>(limits::SIGNAL_SLOTS);
    // Without a handler Ctrl-C ends the program all the same.
    let _ = ctrlc::set_handler(move || {
        let _ = stop.try_send(());
    });
    let redraws = is_terminal && !manner.json;
    if redraws && console::out("\x1b[2J") != Exit::Ok {
        return Exit::Failure;
    }
    // Each look ends its page with an empty line, but where it is drawn over.
    let pause = if redraws || manner.json { "" } else { "\n" };
    loop {
        let look = Look::take(config, manner.json, paint);
        let written = match redraws {
            true => console::write(&in_place(&look.text)),
            false => match look.print() {
                Written::Whole => console::write(pause),
                other => other,
            },
        };
        // Nobody watches any more, or nobody can.
        if written != Written::Whole {
            return written.exit().or(look.exit);
        }
        if stopped.recv_timeout(interval) != Err(mpsc::RecvTimeoutError::Timeout) {
            return look.exit;
        }
    }
}

/// What one look has shown.
struct Look {
    text: String,
    exit: Exit,
}

impl Look {
    fn take(config: &Config, as_json: bool, paint: Paint) -> Look {
        let host = host_to_ask(&config.host);
        let at = format!("http://{}", get::authority(&host, config.port));
        match ask(config, &host, &at) {
            Ok((body, told)) => Look {
                text: match as_json {
                    true => format!("{}\n", body.trim_end()),
                    false => overview::page(&told, &at, paint),
                },
                exit: match overview::is_well(&told) {
                    true => Exit::Ok,
                    false => Exit::NotWell,
                },
            },
            Err(sentence) => Look {
                text: format!("mcproxy: {sentence}\n"),
                exit: Exit::Failure,
            },
        }
    }

    /// Prints it: what is no status, on stderr.
    fn print(&self) -> Written {
        match self.exit {
            Exit::Failure => {
                console::note(self.text.trim_end());
                Written::Whole
            }
            _ => console::write(&self.text),
        }
    }
}

/// What the gateway answers, as text and understood, or the sentence why not.
fn ask(config: &Config, host: &str, at: &str) -> Result<(String, Value), String> {
    let token = config.token.as_ref().map(Secret::expose);
    let asked = get::get(get::Ask {
        host,
        port: config.port,
        path: "/status",
        token,
    });
    let reply = match asked {
        Ok(reply) => reply,
        Err(get::Error::Unreachable(error)) => {
            return Err(format!(
                "no gateway listens at {at}: {error}; another place is named by --config, or by \
                 --host and --port"
            ));
        }
        Err(error) => return Err(format!("the gateway at {at}: {error}")),
    };
    let told: Option<Value> = serde_json::from_str(&reply.body).ok();
    match (reply.status, told) {
        (200, Some(told)) if told["servers"].is_array() => Ok((reply.body, told)),
        (401, _) if token.is_none() => Err(format!(
            "the gateway at {at} asks for its token: set API_ACCESS_TOKEN"
        )),
        (401, _) => Err(format!(
            "the gateway at {at} has another token than API_ACCESS_TOKEN"
        )),
        (200 | 404, _) => Err(format!("what listens at {at} is no mcproxy")),
        (status, told) => {
            let told = told.unwrap_or_default();
            let why = told["error"]["message"].as_str().unwrap_or_default();
            let why = console::printable(why);
            Err(format!("the gateway at {at} answers with {status} {why}")
                .trim_end()
                .to_owned())
        }
    }
}

/// Whom to ask where the gateway listens at that address: one that means all of
/// the machine's own is no place to connect to.
fn host_to_ask(host: &str) -> String {
    match host.parse() {
        Ok(IpAddr::V4(address)) if address.is_unspecified() => "127.0.0.1".to_owned(),
        Ok(IpAddr::V6(address)) if address.is_unspecified() => "::1".to_owned(),
        _ => host.to_owned(),
    }
}

/// A page drawn over the one before, without a moment of emptiness between.
fn in_place(page: &str) -> String {
    format!("\x1b[H{}\x1b[J", page.replace('\n', "\x1b[K\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_all_addresses_is_asked_at_home() {
        for (host, asked) in [
            ("0.0.0.0", "127.0.0.1"),
            ("::", "::1"),
            ("10.0.0.7", "10.0.0.7"),
            ("box.example", "box.example"),
        ] {
            assert_eq!(host_to_ask(host), asked);
        }
    }

    #[test]
    fn a_page_that_is_redrawn_leaves_nothing_of_the_last_one() {
        assert_eq!(in_place("a\nb\n"), "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J");
    }
}
