//! JSON with comments and trailing commas, made plain JSON in place.
//!
//! Every byte keeps its offset, so that the parser's line and column are those
//! of the file. What is no valid JSONC is left as it is, for the parser to refuse.

/// A `/*` that is never closed; the byte offset where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnclosedComment(pub usize);

/// Replaces comments (`//`, `/* */`) and commas before `}` or `]` by spaces.
///
/// # Errors
/// A block comment without its end.
pub fn to_json(text: &str) -> Result<String, UnclosedComment> {
    let mut bytes = text.as_bytes().to_vec();
    let mut at = 0;
    // The last byte that is neither blank nor comment, and what stood before it:
    // a comma may only be dropped where a value stands before it.
    let mut last: Option<usize> = None;
    let mut before_last: Option<u8> = None;
    while at < bytes.len() {
        let end = match (bytes[at], bytes.get(at + 1)) {
            (b'"', _) => end_of_string(&bytes, at),
            (b'/', Some(b'/')) => blank(&mut bytes, at, end_of_line(text, at)),
            (b'/', Some(b'*')) => {
                let end = end_of_block(text, at).ok_or(UnclosedComment(at))?;
                blank(&mut bytes, at, end)
            }
            _ => at + 1,
        };
        let byte = bytes[at];
        if !byte.is_ascii_whitespace() {
            if let (b'}' | b']', Some(comma)) = (byte, last)
                && bytes[comma] == b','
                && !matches!(before_last, None | Some(b',' | b'[' | b'{' | b':'))
            {
                bytes[comma] = b' ';
            }
            before_last = last.map(|last| bytes[last]);
            last = Some(at);
        }
        at = end;
    }
    Ok(String::from_utf8(bytes).expect("only whole comments and commas were replaced, by ASCII"))
}

/// Replaces a range by spaces, but for its line ends, and gives its end.
fn blank(bytes: &mut [u8], start: usize, end: usize) -> usize {
    for byte in &mut bytes[start..end] {
        if !matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    end
}

/// The offset after the string that begins at `start`; the end of the text if it is never closed.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn end_of_line(text: &str, start: usize) -> usize {
    text[start..]
        .find(['\n', '\r'])
        .map_or(text.len(), |length| start + length)
}

fn end_of_block(text: &str, start: usize) -> Option<usize> {
    text[start + 2..]
        .find("*/")
        .map(|length| start + 2 + length + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn comments_and_trailing_commas_become_spaces() {
        let cases = [
            ("[1,]", "[1 ]"),
            ("[1, // one\n]", "[1        \n]"),
            ("{\"a\":1,/*x*/}", "{\"a\":1      }"),
            (
                "[\"// no\", \"/* no */\", \",]\"]",
                "[\"// no\", \"/* no */\", \",]\"]",
            ),
            ("[\"a\\\"//\",]", "[\"a\\\"//\" ]"),
            ("/* ü\n */1", "     \n   1"),
            ("[[1,],]", "[[1 ] ]"),
            ("[{},]", "[{} ]"),
        ];
        for (typed, plain) in cases {
            assert_eq!(to_json(typed).as_deref(), Ok(plain), "{typed}");
        }
    }

    #[test]
    fn a_comma_without_a_value_before_it_stays_wrong() {
        for broken in ["[,]", "{,}", "[1,,]", "{\"a\":,}", ",]"] {
            assert_eq!(to_json(broken).as_deref(), Ok(broken));
        }
    }

    #[test]
    fn an_unclosed_block_comment_is_named_by_its_beginning() {
        assert_eq!(to_json("[1] /* *"), Err(UnclosedComment(4)));
        assert_eq!(to_json("/*/"), Err(UnclosedComment(0)));
    }

    proptest! {
        #[test]
        fn offsets_and_line_ends_never_move(text in "[\\[\\]{},:/*\"\\\\\n\r 1aü]{0,60}") {
            if let Ok(plain) = to_json(&text) {
                prop_assert_eq!(plain.len(), text.len());
                let ends = |text: &str| text.match_indices(['\n', '\r']).map(|(at, _)| at).collect::<Vec<_>>();
                prop_assert_eq!(ends(&plain), ends(&text));
            }
        }
    }
}
