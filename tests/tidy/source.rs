//! Reading Rust text as far as the house rules need: what is code and what is comment, string or
//! test, where a function begins and ends, which paths are named. No parser: the text compiles, or
//! this test would not run.

#![allow(
    unreachable_pub,
    reason = "a test program exports nothing, and `pub` reads better"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// A Rust file, in three readings of the same length, so that places are the same in all.
pub struct Source {
    /// Its path from the project's top, with `/`.
    pub path: String,
    /// As it is.
    pub text: String,
    /// Without comments.
    pub spoken: String,
    /// Without comments, strings, and what is compiled for tests only.
    pub code: String,
}

impl Source {
    /// Reads a file of the project.
    pub fn read(path: &str) -> Source {
        let text = fs::read_to_string(top().join(path)).expect("the file was just listed");
        Source::new(path, text)
    }

    /// Takes a text for a file.
    pub fn new(path: &str, text: String) -> Source {
        let spoken = blanked(&text, false);
        let code = without_tests(&blanked(&text, true));
        let path = path.to_owned();
        Source {
            path,
            text,
            spoken,
            code,
        }
    }

    /// The room it belongs to: the first part of its path in `src`.
    pub fn room(&self) -> &str {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let first = inner.split('/').next().unwrap_or(inner);
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Without comments and strings, but with what is compiled for tests only.
    pub fn without_strings(&self) -> String {
        blanked(&self.text, true)
    }

    /// Whether all of it is compiled for tests only.
    pub fn is_test(&self) -> bool {
        let mut parts = self.path.split('/');
        self.path.starts_with("tests/")
            || self.path.ends_with("_tests.rs")
            || self.path == "src/wire/arbitrary.rs"
            || self.path.starts_with("src/hub/stories")
            || parts.any(|part| part == "tests" || part == "tests.rs")
    }
}

/// The project's top folder.
pub fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a folder of the project that are, or may be, committed; sorted.
pub fn files_below(folder: &str) -> Vec<String> {
    // What .gitignore names, and git's own.
    const IGNORED: [&str; 5] = [
        ".git",
        "target",
        ".cache",
        "proptest-regressions",
        "__pycache__",
    ];
    let mut found = Vec::new();
    let mut open = vec![top().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("the folder was just found") {
            let entry = entry.expect("the folder can be listed");
            if IGNORED.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            match entry.file_type().expect("the system tells what it listed") {
                kind if kind.is_dir() => open.push(entry.path()),
                _ => found.push(from_top(&entry.path())),
            }
        }
    }
    found.sort();
    found
}

fn from_top(path: &Path) -> String {
    let inner: PathBuf = path
        .strip_prefix(top())
        .map(Path::to_owned)
        .unwrap_or_default();
    inner.to_string_lossy().into_owned()
}

/// The line of a place, counted from 1.
pub fn line_of(text: &str, place: usize) -> usize {
    1 + text[..place].matches('\n').count()
}

/// The text with its comments, and if asked its strings and characters, turned into spaces.
fn blanked(text: &str, strings_too: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (length, is_comment) = if rest.starts_with(b"//") {
            (until(rest, b"\n"), true)
        } else if rest.starts_with(b"/*") {
            (block_comment(rest), true)
        } else if let Some(length) = literal(text, at) {
            (length, false)
        } else {
            at += 1;
            continue;
        };
        if is_comment || strings_too {
            for byte in &mut out[at..at + length] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
        }
        at += length;
    }
    String::from_utf8(out).expect("whole characters were turned into spaces")
}

fn until(rest: &[u8], end: &[u8]) -> usize {
    rest.windows(end.len())
        .position(|window| window == end)
        .unwrap_or(rest.len())
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The length of the string or character that begins here, if one does.
fn literal(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    let after_name = text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let prefix = ["br", "cr", "b", "c", "r"]
        .iter()
        .find(|prefix| !after_name && rest.starts_with(**prefix))
        .map_or(0, |prefix| prefix.len());
    // A name that merely begins with such a letter is followed by no quote.
    [prefix, 0].into_iter().find_map(|skip| {
        let body = &rest[skip..];
        let hashes = body.len() - body.trim_start_matches('#').len();
        let raw = rest[..skip].ends_with('r');
        if raw && body[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let inner = body[hashes + 1..].find(&end)?;
            return Some(skip + hashes + 1 + inner + end.len());
        }
        match body.chars().next()? {
            '"' => Some(skip + quoted(body, '"')?),
            '\'' => Some(skip + character(body)?),
            _ => None,
        }
    })
}

fn quoted(body: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    body.char_indices().skip(1).find_map(|(at, char)| {
        let ends = char == quote && !escaped;
        escaped = char == '\\' && !escaped;
        ends.then_some(at + 1)
    })
}

/// A character, and not the lifetime that begins in the same way.
fn character(body: &str) -> Option<usize> {
    let mut chars = body.chars().skip(1);
    match (chars.next()?, chars.next()?) {
        ('\\', _) => quoted(body, '\''),
        (inner, '\'') => Some(2 + inner.len_utf8()),
        _ => None,
    }
}

/// The code with each item behind `#[cfg(test)]` turned into spaces.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = code.to_owned();
    while let Some(start) = out.find(MARK) {
        let end = item_end(&out, start + MARK.len());
        let blank: String = out[start..end]
            .chars()
            .map(|c| if c == '\n' { '\n' } else { ' ' })
            .collect();
        // Strings are gone, so these are the bytes of names and signs: ASCII.
        out.replace_range(start..end, &blank);
    }
    out
}

/// Where the item ends that begins here: behind its `;` or its braces.
fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, char) in code[start..].char_indices() {
        match char {
            '{' | '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return start + at + 1;
                }
            }
            ';' if depth == 0 => return start + at + 1,
            _ => {}
        }
    }
    code.len()
}

/// A function: where it begins, its name, how many lines it has from `fn` to its last brace.
pub struct Function {
    pub line: usize,
    pub name: String,
    pub lines: usize,
}

/// The functions in some code that have a body.
pub fn functions(code: &str) -> Vec<Function> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    for pair in tokens.windows(2) {
        let ((at, "fn"), (_, name)) = (pair[0], pair[1]) else {
            continue;
        };
        if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            continue; // the type of a function
        }
        let end = item_end(code, at);
        if code[..end].ends_with('}') {
            found.push(Function {
                line: line_of(code, at),
                name: name.to_owned(),
                lines: 1 + code[at..end].matches('\n').count(),
            });
        }
    }
    found
}

/// The names, the `::`, and each other sign by itself, with their places.
pub fn tokens(code: &str) -> Vec<(usize, &str)> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = code[at..].chars().next() {
        let rest = &code[at..];
        let length = match first {
            c if is_name(c) => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            c => c.len_utf8(),
        };
        if !first.is_whitespace() {
            found.push((at, &rest[..length]));
        }
        at += length;
    }
    found
}

/// Every path that the code names, such as `crate::wire::sse`, trees of `use` spread out.
pub fn paths(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // The beginnings of the trees that are open, innermost last.
    let mut trees: Vec<String> = Vec::new();
    let mut path = String::new();
    let mut start = 0;
    let mut in_use = false;
    for (at, token) in tokens(code) {
        let continues = path.ends_with("::");
        match token {
            "::" => path.push_str("::"),
            "{" if continues => trees.push(std::mem::take(&mut path)),
            name if name.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                if !continues {
                    finish(&mut found, start, &mut path);
                    path = trees.last().cloned().unwrap_or_default();
                    start = at;
                }
                path.push_str(name);
                in_use |= name == "use";
            }
            sign => {
                finish(&mut found, start, &mut path);
                match sign {
                    "}" => drop(trees.pop()),
                    ";" if in_use => {
                        trees.clear();
                        in_use = false;
                    }
                    _ => {}
                }
            }
        }
    }
    finish(&mut found, start, &mut path);
    found
}

fn finish(found: &mut Vec<(usize, String)>, start: usize, path: &mut String) {
    let path = std::mem::take(path);
    if path.contains("::") {
        found.push((start, path));
    }
}

#[test]
fn comments_strings_and_tests_are_no_code() {
    let text = concat!(
        "let a = \"// no /* comment \\\" \"; // b\n",
        "/* c /* d */ e */ let f = '\"'; let g: &'static str = r#\"h\"i\"#;\n",
        "#[cfg(test)]\nmod j { fn k() {} }\nfn l() {}\n",
    );
    let source = Source::new("src/x.rs", text.to_owned());
    let words = |code: &str| -> Vec<String> {
        tokens(code)
            .iter()
            .map(|(_, token)| (*token).to_owned())
            .filter(|token| token.chars().all(char::is_alphanumeric))
            .collect()
    };
    let code = [
        "let", "a", "let", "f", "let", "g", "static", "str", "fn", "l",
    ];
    assert_eq!(words(&source.code), code);
    assert!(source.spoken.contains("h\"i") && !source.spoken.contains(" b\n"));
    assert_eq!(source.code.len(), text.len());
}

#[test]
fn a_function_is_measured_from_its_name_to_its_last_brace() {
    let code = "trait T { fn a(); }\nfn b(x: [u8; 2]) -> fn() {\n  if x { y }\n}\nfn c() {}\n";
    let found = functions(code);
    let told: Vec<_> = found
        .iter()
        .map(|f| (f.line, f.name.as_str(), f.lines))
        .collect();
    assert_eq!(told, [(2, "b", 3), (5, "c", 1)]);
}

#[test]
fn the_trees_of_use_are_spread_out() {
    let code = "use crate::{limits, wire::{sse, scan::Scanner}};\nfn f() { std::fs::read(x::y); }";
    let found: Vec<String> = paths(code).into_iter().map(|(_, path)| path).collect();
    assert_eq!(
        found,
        [
            "crate::limits",
            "crate::wire::sse",
            "crate::wire::scan::Scanner",
            "std::fs::read",
            "x::y",
        ]
    );
}
