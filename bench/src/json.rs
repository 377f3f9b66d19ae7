//! Walking over JSON text that is taken to be valid: where a member of an object begins and ends.
//! Nothing is built and nothing is checked beyond what the walk needs; who has to know takes
//! `serde_json`.

use memchr::memchr2;

/// The members of an object, as they stand in the text: each key without its quotes, with its
/// escapes as they are, and each value with all it is made of.
pub struct Members<'a> {
    text: &'a [u8],
    at: usize,
    /// Whether the walk left the road: the text is no object, or is cut off.
    pub lost: bool,
}

impl<'a> Members<'a> {
    /// The members of the object that `text` is.
    pub fn of(text: &'a [u8]) -> Members<'a> {
        let at = blanks(text, 0);
        let lost = text.get(at) != Some(&b'{');
        Members {
            text,
            at: at + 1,
            lost,
        }
    }

    fn member(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let key = blanks(self.text, self.at);
        let key_end = string_end(self.text, key)?;
        let colon = blanks(self.text, key_end);
        if self.text.get(colon) != Some(&b':') {
            return None;
        }
        let value = blanks(self.text, colon + 1);
        let value_end = value_end(self.text, value)?;
        self.at = blanks(self.text, value_end);
        match self.text.get(self.at) {
            Some(b',') => self.at += 1,
            Some(b'}') => {}
            _ => return None,
        }
        Some((
            &self.text[key + 1..key_end - 1],
            &self.text[value..value_end],
        ))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.lost {
            return None;
        }
        let at = blanks(self.text, self.at);
        if self.text.get(at) == Some(&b'}') {
            return None;
        }
        let member = self.member();
        self.lost = member.is_none();
        member
    }
}

/// The first place from `at` on that is not white space.
fn blanks(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\r' | b'\n') = text.get(at) {
        at += 1;
    }
    at
}

/// The place behind the string that begins at `at` with its quote.
fn string_end(text: &[u8], at: usize) -> Option<usize> {
    if text.get(at) != Some(&b'"') {
        return None;
    }
    let mut at = at + 1;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at + 1);
        }
        at += 2; // the backslash, and what it protects
    }
}

/// The place behind the value that begins at `at`.
fn value_end(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b'"' => string_end(text, at),
        b'{' | b'[' => nest_end(text, at),
        _ => {
            let ends = |byte: &u8| b",]} \t\r\n".contains(byte);
            let length = text[at..].iter().position(ends)?;
            (length > 0).then_some(at + length)
        }
    }
}

/// The place behind the object or array that begins at `at`.
fn nest_end(text: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match text.get(at)? {
            b'"' => {
                at = string_end(text, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> (Vec<(String, String)>, bool) {
        let string = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut walk = Members::of(text.as_bytes());
        let found = walk.by_ref().map(|(k, v)| (string(k), string(v))).collect();
        (found, walk.lost)
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn members_keep_their_text() {
        let text = r#" { "a" : "x\"}," ,"b":[1,{"c":"]"}] , "d" : -1.5e3, "e":{},"f":null} "#;
        let wanted = vec![
            pair("a", r#""x\"},""#),
            pair("b", r#"[1,{"c":"]"}]"#),
            pair("d", "-1.5e3"),
            pair("e", "{}"),
            pair("f", "null"),
        ];
        assert_eq!(members(text), (wanted, false));
        assert_eq!(members("{}"), (vec![], false));
    }

    #[test]
    fn a_walk_that_is_lost_says_so() {
        for text in [
            "",
            "[1]",
            "7",
            r#"{"a""#,
            r#"{"a":"#,
            r#"{"a":1"#,
            r#"{"a":"\"#,
            r#"{"a":[1}"#,
        ] {
            let (_, lost) = members(text);
            assert!(lost, "{text}");
        }
    }
}
