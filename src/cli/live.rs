//! `mcproxy check --live`: what the servers offer, under which names, and what
//! was left out; each server started as it would be for a client.

use std::fmt::Write;

use serde_json::Value;

use crate::cli::ask::{ask, with_gateway};
use crate::cli::console::printable;
use crate::cli::exit::Exit;
use crate::cli::table::Table;
use crate::cli::{check, console, missing};
use crate::config::checked::{Config, Launch, Loaded};
use crate::limits;
use crate::run::Error;
use crate::wire::method::Method;

/// Prints what `check` prints, and then what each server offers.
///
/// # Errors
/// The gateway cannot start.
pub fn report(loaded: &Loaded) -> Result<Exit, Error> {
    let config = &loaded.config;
    let mut written = console::out(&check::text(config));
    let patience = config.limits.connection_timeout + limits::ASK_MARGIN;
    let told = with_gateway(config, |client| {
        // The answer says nothing that the inventory does not; but it comes when
        // all first starts are over, or have taken long enough.
        let _ = ask(client, Method::ToolsList, "{}", patience)?;
        client.inventory(patience)
    })?;
    let live = match told {
        Ok(inventory) => Live::of(config, &inventory),
        Err(error) => Live::failed(&error.to_string()),
    };
    written = written.or(console::out(&live.text));
    let exit = check::findings(loaded).or(written);
    for note in live.warnings.iter().chain(&live.errors) {
        console::note(note);
    }
    if live.errors.is_empty() {
        Ok(exit)
    } else {
        Ok(Exit::Failure)
    }
}

/// What is printed about an inventory.
#[derive(Debug, Default)]
struct Live {
    text: String,
    warnings: Vec<String>,
    errors: Vec<String>,
}

impl Live {
    /// There is no inventory.
    fn failed(why: &str) -> Live {
        Live {
            errors: vec![format!("error: {why}")],
            ..Live::default()
        }
    }

    fn of(config: &Config, inventory: &Value) -> Live {
        let mut live = Live::default();
        let told = array(&inventory["servers"]);
        // The gateway tells of all servers, in the order of the file.
        for (server, told) in config.servers.iter().zip(told) {
            let runs = matches!(server.state, Launch::Run(_));
            let state = if runs {
                text(&told["state"])
            } else {
                check::state(server)
            };
            // Writing to a `String` cannot fail.
            let _ = writeln!(live.text, "\n{}: {state}", server.name);
            if !runs {
                continue;
            }
            live.add_offers(&server.name, array(&told["offers"]));
            for sentence in array(&told["left_out"]) {
                let _ = writeln!(live.text, "! {}", printable(text(sentence)));
            }
            live.errors.extend(missing::not_up(config, server, told));
        }
        live
    }

    fn add_offers(&mut self, server: &str, offers: &[Value]) {
        if offers.is_empty() {
            return;
        }
        let mut table = Table::new(["KIND", "ORIGINAL", "SERVED AS", "LENGTH", "NOTE"]);
        let mut long = 0;
        for offer in offers {
            let row = Row::of(offer);
            long += usize::from(row.is_long);
            table.row(row.cells);
        }
        self.text.push_str(&table.to_string());
        if long > 0 {
            let names = match long {
                1 => "1 name is".to_owned(),
                long => format!("{long} names are"),
            };
            let most = limits::TOOL_NAME_CAREFREE;
            self.warnings.push(format!(
                "warning: server {server:?}: {names} longer than {most} characters, too long for \
                 clients that put mcp__NAME__ in front and take 64: give it a shorter \"prefix\", \
                 or \"rename\" the tools"
            ));
        }
    }
}

/// A line of the table.
struct Row {
    cells: [String; 5],
    is_long: bool,
}

impl Row {
    fn of(offer: &Value) -> Row {
        let (kind, original) = (text(&offer["kind"]), text(&offer["original"]));
        let mut notes: Vec<String> = array(&offer["marks"])
            .iter()
            .map(|mark| note(text(mark)).to_owned())
            .collect();
        // Nothing is put in front of a URI, and no provider counts its length.
        let is_named = matches!(kind, "tool" | "prompt");
        let served = if is_named { text(&offer["served"]) } else { "" };
        let is_long = served.len() > limits::TOOL_NAME_CAREFREE;
        if is_long {
            notes.push(format!("over {}", limits::TOOL_NAME_CAREFREE));
        }
        let (served, length) = if is_named {
            (served.to_owned(), served.len().to_string())
        } else {
            ("as it is".to_owned(), "-".to_owned())
        };
        let cells = [
            kind.to_owned(),
            in_column(original),
            served,
            length,
            notes.join(", "),
        ];
        Row { cells, is_long }
    }
}

/// What a mark of the inventory means to the reader.
fn note(mark: &str) -> &str {
    match mark {
        "respelt" => "hashed for its characters",
        "collided" => "hashed, for it is there twice",
        other => other,
    }
}

/// A name or URI that may hold anything, in visible ASCII, and cut where it is
/// too long for a column.
fn in_column(name: &str) -> String {
    let mut spelt = String::new();
    for letter in name.chars() {
        match letter {
            ' '..='~' if letter != '\\' => spelt.push(letter),
            other => spelt.extend(other.escape_default()),
        }
    }
    if spelt.len() <= limits::TABLE_NAME_CHARS_MAX {
        return spelt;
    }
    format!("{}...", &spelt[..limits::TABLE_NAME_CHARS_MAX - 3])
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check::parse;
    use crate::config::load::this_process;
    use crate::config::surroundings::Overrides;
    use serde_json::json;

    fn live(servers: &Value, inventory: &Value) -> Live {
        let file = json!({ "servers": servers }).to_string();
        let around = this_process().expect("a test runs in a process");
        let overrides = Overrides {
            host: None,
            port: None,
            log_level: None,
        };
        let loaded = parse(&file, "x.json", &around, &overrides).expect("it can be served");
        Live::of(&loaded.config, &json!({ "servers": inventory }))
    }

    fn offer(kind: &str, original: &str, served: &str, marks: &[&str]) -> Value {
        json!({"kind": kind, "original": original, "served": served, "marks": marks})
    }

    #[test]
    fn a_table_shows_each_name_beside_the_one_it_got() {
        let (fits, long) = ("s".repeat(48), "t".repeat(49));
        let servers = json!([{"name": "git", "command": "sh"}]);
        let live = live(
            &servers,
            &json!([{"name": "git", "state": "ready", "left_out": ["tool \"x\": no"], "offers": [
                offer("tool", "log", "git__log", &[]),
                offer("tool", "é\n\\", "git____1", &["renamed", "respelt"]),
                offer("prompt", "s", &fits, &[]),
                offer("prompt", "t", &long, &["shortened"]),
                offer("resource", "file:///r", "file:///r", &[]),
            ]}]),
        );
        let expected = format!(
            r#"
git: ready
KIND      ORIGINAL    SERVED AS                                          LENGTH  NOTE
tool      log         git__log                                           8
tool      \u{{e9}}\n\\  git____1                                           8       renamed, hashed for its characters
prompt    s           {fits}   48
prompt    t           {long}  49      shortened, over 48
resource  file:///r   as it is                                           -
! tool "x": no
"#
        );
        assert_eq!(live.text, expected);
        let [warning] = live.warnings.as_slice() else {
            panic!("{:?}", live.warnings);
        };
        assert!(
            warning.starts_with("warning: server \"git\": 1 name is longer than 48 characters"),
            "{warning}"
        );
        assert!(live.errors.is_empty());
    }

    #[test]
    fn what_does_not_run_is_an_error_only_where_it_shall_run() {
        let servers = json!([
            {"name": "bad", "command": "sh"},
            {"name": "off", "command": "sh", "enabled": false},
            {"name": "far", "url": "https://example.org/mcp"},
            {"name": "slow", "command": "sh"},
        ]);
        let live = live(
            &servers,
            &json!([
                {"name": "bad", "state": "parked", "trouble": "exited\u{1b} with code 1"},
                {"name": "off", "state": "disabled"},
                {"name": "far", "state": "misconfigured", "trouble": "it is reached by URL"},
                {"name": "slow", "state": "starting"},
            ]),
        );
        assert_eq!(
            live.text,
            "\nbad: parked\n\noff: disabled\n\nfar: skipped (remote)\n\nslow: starting\n"
        );
        assert_eq!(
            live.errors,
            [
                "error: server \"bad\" is not up: exited with code 1",
                "error: server \"slow\" is not up: it has not started within 30 s \
                 (\"connection_timeout\")",
            ]
        );
    }

    #[test]
    fn a_long_name_is_cut_for_its_column() {
        assert_eq!(in_column(&"x".repeat(200)), "x".repeat(200));
        assert_eq!(
            in_column(&"x".repeat(201)),
            format!("{}...", "x".repeat(197))
        );
    }
}
