//! `envFile`: lines `NAME=value`, as other tools read them.
//!
//! `export ` in front is skipped, `#` begins a comment (in a value only after a blank),
//! `'…'` is taken as it is, in `"…"` the escapes `\n \r \t \" \\ \$` count, and quoted values
//! may go over several lines. Nothing is expanded. The last of two lines with one name wins.
//! Errors name the line and never what it holds.

use crate::sorted::SortedMap;

/// A line that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// The line, counted from 1.
    pub line: usize,
    /// What to write.
    pub wanted: &'static str,
}

/// Reads the whole of a file.
///
/// # Errors
/// The first line that cannot be read.
pub fn parse(text: &str) -> Result<SortedMap<String, String>, BadLine> {
    let whole = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables = Vec::new();
    let mut rest = whole;
    while !rest.is_empty() {
        let line = whole[..whole.len() - rest.len()].matches('\n').count() + 1;
        let bad = |wanted| BadLine { line, wanted };
        let (first, after) = rest.split_once('\n').unwrap_or((rest, ""));
        if first.trim().is_empty() || first.trim_start().starts_with('#') {
            rest = after;
            continue;
        }
        let (name, value) = rest.split_once('=').ok_or(bad("NAME=value"))?;
        let name = name.trim();
        let name = name
            .strip_prefix("export")
            .filter(|n| n.starts_with([' ', '\t']))
            .unwrap_or(name)
            .trim();
        if !is_name(name) {
            return Err(bad("NAME=value, the name of letters, digits, _, . and -"));
        }
        let (value, after) = self::value(value).map_err(bad)?;
        if value.contains('\0') {
            return Err(bad("a value without NUL characters"));
        }
        variables.push((name.to_owned(), value));
        rest = after;
    }
    Ok(variables.into_iter().collect())
}

/// Whether this can be the name of an environment variable of an `envFile`.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-'))
}

/// The value behind a `=`, and what follows its line.
fn value(text: &str) -> Result<(String, &str), &'static str> {
    let text = text.trim_start_matches([' ', '\t']);
    let (value, rest) = match text.chars().next() {
        Some('\'') => {
            let end = text[1..].find('\'').ok_or("the closing ' of the value")? + 1;
            (text[1..end].to_owned(), &text[end + 1..])
        }
        Some('"') => double_quoted(&text[1..])?,
        _ => return Ok(unquoted(text)),
    };
    let (remainder, after) = rest.split_once('\n').unwrap_or((rest, ""));
    let remainder = remainder.trim();
    if remainder.is_empty() || remainder.starts_with('#') {
        Ok((value, after))
    } else {
        Err("nothing but a comment behind the closing quote")
    }
}

fn unquoted(text: &str) -> (String, &str) {
    let (line, after) = text.split_once('\n').unwrap_or((text, ""));
    let comment = if line.starts_with('#') {
        Some(0)
    } else {
        [" #", "\t#"]
            .iter()
            .filter_map(|start| line.find(start))
            .min()
    };
    (
        line[..comment.unwrap_or(line.len())].trim().to_owned(),
        after,
    )
}

/// The text up to the closing quote with its escapes resolved, and what follows the quote.
fn double_quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match letters.next().map(|(_, escaped)| escaped) {
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some('t') => value.push('\t'),
                Some(escaped @ ('"' | '\\' | '$')) => value.push(escaped),
                Some(other) => value.extend(['\\', other]),
                None => break,
            },
            letter => value.push(letter),
        }
    }
    Err("the closing \" of the value")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_usual_forms() {
        let text = concat!(
            "\u{feff}# comment\r\n",
            "A=1\r\n",
            "\n",
            "  export B = two words # not this\n",
            "C='single # \\n $X'\n",
            "D=\"line\\nbreak \\\"q\\\" \\x\" # comment\n",
            "E=\n",
            "F=a#b=c\n",
            "G=\"over\ntwo lines\"\n",
            "H= # empty\n",
            "exported=1\n",
            "A=2",
        );
        let expected = [
            ("A", "2"),
            ("B", "two words"),
            ("C", "single # \\n $X"),
            ("D", "line\nbreak \"q\" \\x"),
            ("E", ""),
            ("F", "a#b=c"),
            ("G", "over\ntwo lines"),
            ("H", ""),
            ("exported", "1"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parse(text), Ok(SortedMap::from(expected)));
    }

    #[test]
    fn errors_name_their_line() {
        for (text, line) in [
            ("A=1\nB\nC=2", 2),
            ("A=\"x\ny\"\n=3", 3),
            ("\n\nA B=1", 3),
            ("A='open\nB=2", 1),
            ("A=\"open\\", 1),
            ("A='x' y", 1),
            ("A=\0", 1),
        ] {
            assert_eq!(parse(text).map_err(|bad| bad.line), Err(line), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[A=\"'# \\\\\n\réx]{0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_quoted_value_comes_back(value in "[^\0]{0,40}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let read = parse(&format!("A=\"{quoted}\"\n")).map(|mut variables| variables.remove("A"));
            prop_assert_eq!(read, Ok(Some(value)));
        }
    }
}
