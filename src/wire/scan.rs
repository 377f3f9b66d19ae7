//! A validating scanner for JSON text (RFC 8259) that tells where values
//! stand: one pass, no tree, no copy, and no recursion on the input's nesting.
//!
//! It decides nothing: which keys matter and what they mean is for the rest of
//! `wire`. Strings keep their escapes unless someone asks for a [`text`].

use std::borrow::Cow;
use std::fmt;

use crate::limits::JSON_DEPTH_MAX;
use crate::wire::scan::plain::plain_end;

mod plain;

/// A cursor over JSON text. Each method that reads a value leaves the cursor
/// right behind it.
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
    newlines: bool,
}

/// Why a text is no JSON, or is nested too deep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The byte, counted from 0, at which it shows.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "parse error at byte {}: {}", self.at, self.what)
    }
}

/// The six kinds of JSON values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// `-1.5e3`
    Number,
    /// `true` or `false`
    Boolean,
    /// `null`
    Null,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Shape::Object => "an object",
            Shape::Array => "an array",
            Shape::String => "a string",
            Shape::Number => "a number",
            Shape::Boolean => "a boolean",
            Shape::Null => "null",
        })
    }
}

/// Where a value stands, quotes and brackets included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Value {
    /// What kind of value it is.
    pub shape: Shape,
    /// Its first byte.
    pub start: usize,
    /// The byte behind its last.
    pub end: usize,
}

impl Value {
    /// Its JSON text, given the text in which it was found.
    pub fn json(self, text: &str) -> &str {
        &text[self.start..self.end]
    }
}

/// The text of a JSON string, given with its quotes; `None` for what is no
/// JSON string, or holds half a surrogate pair, which is no text.
pub fn text(quoted: &str) -> Option<Cow<'_, str>> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(quoted).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// Where the values of these keys stand in the object that is all of `text`.
/// Of a key that stands twice the last counts, as for most parsers.
///
/// # Errors
/// When `text` is no object, no JSON, or is nested too deep.
pub fn members<const N: usize>(text: &str, keys: [&str; N]) -> Result<[Option<Value>; N], Fault> {
    let mut found = [None; N];
    if text == "{}" {
        return Ok(found); // capabilities, mostly
    }
    let mut scanner = Scanner::new(text);
    scanner.object(|scanner, key| {
        let value = scanner.value()?;
        if let Some(place) = keys.iter().position(|wanted| *wanted == key) {
            found[place] = Some(value);
        }
        Ok(())
    })?;
    scanner.finish()?;
    Ok(found)
}

/// A key as it is written.
enum Quoted<'a> {
    /// Without its quotes, for there are no escapes in it.
    Plain(&'a str),
    /// With its quotes.
    Escaped(&'a str),
}

/// What a value must begin with, said once for all faults of that kind.
const NO_VALUE: &str = "expected a value";

impl<'a> Scanner<'a> {
    /// A cursor at the beginning of `text`.
    pub fn new(text: &'a str) -> Scanner<'a> {
        Scanner {
            text,
            at: 0,
            depth: 0,
            newlines: false,
        }
    }

    /// What kind of value comes next, by its first byte.
    ///
    /// # Errors
    /// When no value begins here.
    #[inline]
    pub fn shape(&mut self) -> Result<Shape, Fault> {
        match self.token() {
            Some(b'{') => Ok(Shape::Object),
            Some(b'[') => Ok(Shape::Array),
            Some(b'"') => Ok(Shape::String),
            Some(b'-' | b'0'..=b'9') => Ok(Shape::Number),
            Some(b't' | b'f') => Ok(Shape::Boolean),
            Some(b'n') => Ok(Shape::Null),
            _ => Err(self.fault(NO_VALUE)),
        }
    }

    /// Reads any value, all that it holds included.
    ///
    /// # Errors
    /// When the value is no JSON or is nested too deep.
    pub fn value(&mut self) -> Result<Value, Fault> {
        let shape = self.shape()?;
        let start = self.at;
        match shape {
            Shape::Object | Shape::Array => self.nested()?,
            _ => self.flat(shape)?,
        }
        let end = self.at;
        Ok(Value { shape, start, end })
    }

    /// Reads a value that holds none, the cursor on its first byte.
    #[inline]
    fn flat(&mut self, shape: Shape) -> Result<(), Fault> {
        match shape {
            Shape::String => self.string().map(drop),
            Shape::Number => self.number(),
            _ => self.literal(),
        }
    }

    /// Reads an object or an array, the cursor on its bracket.
    fn nested(&mut self) -> Result<(), Fault> {
        let base = self.depth;
        // The kinds of the open brackets, the innermost lowest, 1 for an object.
        let mut objects: u128 = 0;
        loop {
            match self.shape()? {
                Shape::Object => {
                    if self.open(b'}')? {
                        objects = objects << 1 | 1;
                        self.key()?;
                        continue;
                    }
                }
                Shape::Array => {
                    if self.open(b']')? {
                        objects <<= 1;
                        continue;
                    }
                }
                flat => self.flat(flat)?,
            }
            // A value has ended, and with it perhaps what held it.
            loop {
                if self.depth == base {
                    return Ok(());
                }
                let in_object = objects & 1 == 1;
                if self.another(if in_object { b'}' } else { b']' })? {
                    if in_object {
                        self.key()?;
                    }
                    break;
                }
                objects >>= 1;
            }
        }
    }

    /// Reads an object. `member` is called with each key, decoded, in the
    /// order of the text, and must read the value behind it. A key that is no
    /// text (half a surrogate pair) comes as it is written, backslash included.
    ///
    /// # Errors
    /// When the value is no object, no JSON, or is nested too deep.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&mut Scanner<'a>, &str) -> Result<(), Fault>,
    ) -> Result<Value, Fault> {
        if self.shape()? != Shape::Object {
            return Err(self.fault("expected an object"));
        }
        let start = self.at;
        let mut more = self.open(b'}')?;
        while more {
            match self.key()? {
                Quoted::Plain(key) => member(self, key)?,
                Quoted::Escaped(quoted) => {
                    let key = text(quoted).unwrap_or(Cow::Borrowed(quoted));
                    member(self, &key)?;
                }
            }
            more = self.another(b'}')?;
        }
        Ok(Value {
            shape: Shape::Object,
            start,
            end: self.at,
        })
    }

    /// Reads an array. `element` is called before each element and must read it.
    ///
    /// # Errors
    /// When the value is no array, no JSON, or is nested too deep.
    pub fn array(
        &mut self,
        mut element: impl FnMut(&mut Scanner<'a>) -> Result<(), Fault>,
    ) -> Result<Value, Fault> {
        if self.shape()? != Shape::Array {
            return Err(self.fault("expected an array"));
        }
        let start = self.at;
        let mut more = self.open(b']')?;
        while more {
            element(self)?;
            more = self.another(b']')?;
        }
        Ok(Value {
            shape: Shape::Array,
            start,
            end: self.at,
        })
    }

    /// Makes sure that nothing but white space is left.
    ///
    /// # Errors
    /// When something is.
    pub fn finish(&mut self) -> Result<(), Fault> {
        match self.token() {
            None => Ok(()),
            Some(_) => Err(self.fault("expected nothing more")),
        }
    }

    /// Whether a line break stood between the tokens read so far. There is
    /// none elsewhere in JSON: inside a string it must be escaped.
    pub fn newlines(&self) -> bool {
        self.newlines
    }

    /// The next byte that is no white space, not consumed.
    #[inline]
    fn token(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b' ' | b'\t') => {}
                Some(b'\n' | b'\r') => self.newlines = true,
                other => return other.copied(),
            }
            self.at += 1;
        }
    }

    /// The byte at the cursor, white space or not.
    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Steps over a bracket; `true` if something stands before its `close`,
    /// which is consumed otherwise.
    #[inline]
    fn open(&mut self, close: u8) -> Result<bool, Fault> {
        if self.depth == JSON_DEPTH_MAX {
            return Err(self.fault("nested too deep"));
        }
        self.at += 1;
        if self.token() == Some(close) {
            self.at += 1;
            return Ok(false);
        }
        self.depth += 1;
        Ok(true)
    }

    /// After a value inside brackets: `true` behind a comma, `false` behind
    /// `close`.
    #[inline]
    fn another(&mut self, close: u8) -> Result<bool, Fault> {
        match self.token() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            _ if close == b'}' => Err(self.fault("expected `,` or `}`")),
            _ => Err(self.fault("expected `,` or `]`")),
        }
    }

    /// Reads a key and its colon.
    fn key(&mut self) -> Result<Quoted<'a>, Fault> {
        if self.token() != Some(b'"') {
            return Err(self.fault("expected a key in quotes"));
        }
        let start = self.at;
        let is_plain = self.string()?;
        let end = self.at;
        if self.token() != Some(b':') {
            return Err(self.fault("expected `:` after the key"));
        }
        self.at += 1;
        Ok(match is_plain {
            true => Quoted::Plain(&self.text[start + 1..end - 1]),
            false => Quoted::Escaped(&self.text[start..end]),
        })
    }

    /// Reads a string, the cursor on its opening quote. Whether it is without
    /// escapes, and so is the text that it means.
    fn string(&mut self) -> Result<bool, Fault> {
        let mut is_plain = true;
        self.at += 1;
        loop {
            self.at = plain_end(self.text.as_bytes(), self.at);
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(is_plain);
                }
                Some(b'\\') => {
                    is_plain = false;
                    self.escape()?;
                }
                Some(_) => return Err(self.fault("raw control character in a string")),
                None => return Err(self.fault("the string does not end")),
            }
        }
    }

    /// Reads an escape, the cursor on its backslash. Whether surrogates come in
    /// pairs is not the grammar's business.
    fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        match self.byte() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.byte().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.fault("expected four hexadecimal digits after `\\u`"));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.fault("no such escape in a string")),
        }
        Ok(())
    }

    /// Reads a number, the cursor on its minus or first digit.
    fn number(&mut self) -> Result<(), Fault> {
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        if self.byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Reads one digit or more.
    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.fault("expected a digit"));
        }
        Ok(())
    }

    /// Reads `true`, `false` or `null`.
    fn literal(&mut self) -> Result<(), Fault> {
        let rest = &self.text.as_bytes()[self.at..];
        for word in ["true", "false", "null"] {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(());
            }
        }
        Err(self.fault(NO_VALUE))
    }

    /// A fault at the cursor. At the end of the text there is only one thing
    /// to say of it.
    #[cold]
    fn fault(&self, what: &'static str) -> Fault {
        let cut_off = self.at >= self.text.len();
        Fault {
            at: self.at,
            what: if cut_off {
                "the text ends too early"
            } else {
                what
            },
        }
    }
}

#[cfg(test)]
mod tests;
