//! The help, derived from the tables.

use crate::cli::commands::SUB_COMMANDS;
use crate::cli::exit::Exit;
use crate::cli::flags::{Category, FLAGS, Flag, Takes};
use crate::cli::reference::{self, Entry};

/// The widest line of the long help, in characters.
const WIDTH: usize = 80;

/// The help that `-h` prints: a line for each sub-command and flag.
pub fn short() -> String {
    let mut out = format!(
        "{}: {}\n\nUsage:\n",
        version().trim_end(),
        reference::TAGLINE
    );
    for row in SUB_COMMANDS {
        let usage = format!("mcproxy {}", row.synopsis);
        out.push_str(&format!("  {usage:<35}  {}\n", row.short_doc));
    }
    for category in Category::ALL {
        out.push_str(&format!("\n{}:\n", category.title()));
        for flag in of_category(*category) {
            out.push_str(&format!("  {:<24}  {}\n", names(flag), flag.short_doc));
        }
    }
    out.push_str("\n--help tells more.\n");
    out
}

/// The help that `--help` prints: everything.
pub fn long() -> String {
    let mut out = format!(
        "{}: {}\n\nUsage:\n",
        version().trim_end(),
        reference::TAGLINE
    );
    for row in SUB_COMMANDS {
        entry(&mut out, &format!("mcproxy {}", row.synopsis), row.long_doc);
    }
    for category in Category::ALL {
        out.push_str(&format!("{}:\n", category.title()));
        for flag in of_category(*category) {
            entry(&mut out, &names(flag), flag.long_doc);
        }
    }
    out.push_str("Environment:\n");
    wrap(&mut out, reference::PRECEDENCE, 2);
    out.push('\n');
    entries(&mut out, reference::ENVIRONMENT);
    out.push_str("Files:\n");
    entries(&mut out, reference::FILES);
    out.push_str("Exit codes:\n");
    for exit in Exit::ALL {
        out.push_str(&format!("  {}  {}\n", exit.code(), exit.doc()));
    }
    out.push_str("\nExamples:\n");
    entries(&mut out, reference::EXAMPLES);
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// What `--version` prints.
pub fn version() -> String {
    format!("mcproxy {}\n", env!("CARGO_PKG_VERSION"))
}

/// The flags of a category, in the order of the table.
pub fn of_category(category: Category) -> impl Iterator<Item = &'static Flag> {
    FLAGS.iter().filter(move |flag| flag.category == category)
}

/// The names of a flag as they are typed, with its value: `-c, --config FILE`.
fn names(flag: &Flag) -> String {
    let short = match flag.short {
        Some(letter) => format!("-{letter}, "),
        None => "    ".to_owned(),
    };
    match &flag.takes {
        Takes::Nothing(_) => format!("{short}--{}", flag.long),
        Takes::Value { name, .. } => format!("{short}--{} {name}", flag.long),
    }
}

fn entries(out: &mut String, entries: &[Entry]) {
    for Entry { name, doc } in entries {
        entry(out, name, doc);
    }
}

fn entry(out: &mut String, name: &str, doc: &str) {
    out.push_str(&format!("  {name}\n"));
    wrap(out, doc, 10);
    out.push('\n');
}

/// Appends `text` broken at spaces into lines of at most [`WIDTH`] characters,
/// each with `indent` spaces in front.
fn wrap(out: &mut String, text: &str, indent: usize) {
    let mut width = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if width == 0 || width + 1 + length > WIDTH {
            if width > 0 {
                out.push('\n');
            }
            out.push_str(&" ".repeat(indent));
            width = indent + length;
        } else {
            out.push(' ');
            width += 1 + length;
        }
        out.push_str(word);
    }
    out.push('\n');
}

#[cfg(test)]
mod tests;
