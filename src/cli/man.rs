//! The man page, as roff with the `man` macros, derived from the tables.

use crate::cli::commands::SUB_COMMANDS;
use crate::cli::exit::Exit;
use crate::cli::flags::{Category, Flag, Takes};
use crate::cli::help::of_category;
use crate::cli::reference::{self, Entry};

/// The whole page.
pub fn page() -> String {
    let mut page = Page::default();
    page.macro_line(&format!(
        ".TH MCPROXY 1 \"\" \"mcproxy {}\" \"User Commands\"",
        env!("CARGO_PKG_VERSION")
    ));
    page.section("NAME");
    page.text(&format!("mcproxy - {}", reference::TAGLINE));
    page.section("SYNOPSIS");
    for (place, row) in SUB_COMMANDS.iter().enumerate() {
        if place > 0 {
            page.macro_line(".br");
        }
        page.text(&format!("mcproxy {}", row.synopsis));
    }
    page.section("COMMANDS");
    for row in SUB_COMMANDS {
        page.item(&bold(&format!("mcproxy {}", row.synopsis)), row.long_doc);
    }
    page.section("OPTIONS");
    page.text("Options may stand before or behind the sub-command.");
    page.text("Of an option that is given twice, the last one counts.");
    for category in Category::ALL {
        page.macro_line(&format!(".SS {}", category.title()));
        for flag in of_category(*category) {
            page.item(&names(flag), flag.long_doc);
        }
    }
    page.section("ENVIRONMENT");
    page.text(reference::PRECEDENCE);
    page.items(reference::ENVIRONMENT);
    page.section("FILES");
    page.items(reference::FILES);
    page.section("EXIT STATUS");
    for exit in Exit::ALL {
        page.item(&bold(&exit.code().to_string()), exit.doc());
    }
    page.section("EXAMPLES");
    page.items(reference::EXAMPLES);
    page.0
}

#[derive(Default)]
struct Page(String);

impl Page {
    /// A line that is roff already.
    fn macro_line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn section(&mut self, title: &str) {
        self.macro_line(&format!(".SH {title}"));
    }

    /// Plain text, a line of its own.
    fn text(&mut self, text: &str) {
        let line = escape(text);
        self.macro_line(&line);
    }

    /// A hanging paragraph. `tag` is roff already, `doc` is plain.
    fn item(&mut self, tag: &str, doc: &str) {
        self.macro_line(".TP");
        self.macro_line(tag);
        self.text(doc);
    }

    fn items(&mut self, entries: &[Entry]) {
        for Entry { name, doc } in entries {
            self.item(&bold(name), doc);
        }
    }
}

/// `-c, --config FILE`, the names bold and the value in italics.
fn names(flag: &Flag) -> String {
    let long = bold(&format!("--{}", flag.long));
    let names = match flag.short {
        Some(letter) => format!("{}, {long}", bold(&format!("-{letter}"))),
        None => long,
    };
    match &flag.takes {
        Takes::Nothing(_) => names,
        Takes::Value { name, .. } => format!("{names} \\fI{}\\fR", escape(name)),
    }
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escape(text))
}

/// Plain text as roff that prints just so: no character is a command, a dash
/// that is typed stays a dash that can be copied, and all is ASCII, whatever
/// encoding the reader assumes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    if text.starts_with(['.', '\'']) {
        out.push_str("\\&");
    }
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '"' => out.push_str("\\(dq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            c if c.is_ascii() => out.push(c),
            c => out.push_str(&format!("\\[u{:04X}]", u32::from(c))),
        }
    }
    out
}

#[cfg(test)]
mod tests;
