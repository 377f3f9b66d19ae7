//! A validating scanner for JSON text (RFC 8259) that tells where values
//! stand: one pass, no tree, no copy, and no recursion on the input's nesting.
//!
//! It decides nothing: which keys matter and what they mean is for the rest of
//! `wire`. Strings keep their escapes unless someone asks for a [`text`].

use std::borrow::Cow;
use std::fmt;

use crate::limits::JSON_DEPTH_MAX;
use crate::wire::scan::plain::plain_length;

mod flat;
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

impl Shape {
    /// What kind of value begins with this byte, if one does.
    #[inline]
    pub fn of(first: u8) -> Option<Shape> {
        match first {
            b'{' => Some(Shape::Object),
            b'[' => Some(Shape::Array),
            b'"' => Some(Shape::String),
            b'-' | b'0'..=b'9' => Some(Shape::Number),
            b't' | b'f' => Some(Shape::Boolean),
            b'n' => Some(Shape::Null),
            _ => None,
        }
    }
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
    let inner = between_quotes(quoted)?;
    if inner.contains('\\') {
        serde_json::from_str(quoted).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// A JSON string as it is written, without its quotes; `None` for what has none.
pub fn between_quotes(quoted: &str) -> Option<&str> {
    quoted.strip_prefix('"')?.strip_suffix('"')
}

/// Where the values of these keys stand in the object that is all of `text`.
/// Of a key that stands twice the last counts, as for most parsers.
///
/// # Errors
/// When `text` is no object, no JSON, or is nested too deep.
pub fn members<const N: usize>(text: &str, keys: [&str; N]) -> Result<[Option<Value>; N], Fault> {
    let mut found = [None; N];
    find_members(text, &keys, &mut found)?;
    Ok(found)
}

/// The same for any number of keys, so that it is compiled but once.
fn find_members(text: &str, keys: &[&str], found: &mut [Option<Value>]) -> Result<(), Fault> {
    if text == "{}" {
        return Ok(()); // capabilities, mostly
    }
    let mut scanner = Scanner::new(text);
    scanner.object(|scanner, key| {
        let value = scanner.value()?;
        if let Some(place) = keys.iter().position(|wanted| *wanted == key) {
            found[place] = Some(value);
        }
        Ok(())
    })?;
    scanner.finish()
}

/// Where a key stands, quotes included.
struct Key {
    start: usize,
    end: usize,
    /// Without escapes: what stands between its quotes is the text that it means.
    is_plain: bool,
}

impl Key {
    /// Decoded, where it has escapes; as it is written where it is no text.
    #[inline(never)]
    fn decoded(&self, text: &str) -> String {
        let quoted = &text[self.start..self.end];
        self::text(quoted)
            .unwrap_or(Cow::Borrowed(quoted))
            .into_owned()
    }
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
        let shape = self.token().and_then(Shape::of);
        shape.ok_or_else(|| self.fault(NO_VALUE))
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
    #[inline(always)]
    fn flat(&mut self, shape: Shape) -> Result<(), Fault> {
        match shape {
            Shape::String => self.string().map(drop),
            Shape::Number => self.number(),
            _ => self.literal(),
        }
    }

    /// Reads an object or an array, the cursor on its bracket.
    #[inline(never)]
    fn nested(&mut self) -> Result<(), Fault> {
        let base = self.depth;
        // The kinds of the open brackets, the innermost lowest, 1 for an object.
        let mut objects: u128 = 0;
        loop {
            if objects & 1 == 1 {
                self.key()?;
            }
            match self.shape()? {
                Shape::Object if self.open(b'}')? => {
                    objects = objects << 1 | 1;
                    continue;
                }
                Shape::Array if self.open(b']')? => {
                    objects <<= 1;
                    continue;
                }
                Shape::Object | Shape::Array => {}
                flat => self.flat(flat)?,
            }
            // A value has ended, and with it perhaps what held it.
            loop {
                if self.depth == base {
                    return Ok(());
                }
                if self.another(if objects & 1 == 1 { b'}' } else { b']' })? {
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
        let mut decoded; // the last key with escapes, of which there are hardly any
        while more {
            let key = self.key()?;
            let key = if key.is_plain {
                &self.text[key.start + 1..key.end - 1]
            } else {
                decoded = key.decoded(self.text);
                &decoded
            };
            member(self, key)?;
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
        match self.byte() {
            Some(byte) if byte <= b' ' => self.token_behind_space(),
            next => next,
        }
    }

    /// The same where something stands before it, as in messages made for the eye.
    #[inline(never)]
    fn token_behind_space(&mut self) -> Option<u8> {
        loop {
            match self.byte() {
                Some(b' ' | b'\t') => {}
                Some(b'\n' | b'\r') => self.newlines = true,
                next => return next,
            }
            self.at += 1;
        }
    }

    /// The byte at the cursor, white space or not.
    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// All from the cursor on.
    #[inline]
    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
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
    #[inline(always)]
    fn key(&mut self) -> Result<Key, Fault> {
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
        Ok(Key {
            start,
            end,
            is_plain,
        })
    }

    /// Reads a string, the cursor on its opening quote. Whether it is without
    /// escapes, and so is the text that it means.
    #[inline(always)]
    fn string(&mut self) -> Result<bool, Fault> {
        self.at += 1;
        let length = plain_length(self.rest());
        self.at += length;
        if self.byte() == Some(b'"') {
            self.at += 1;
            return Ok(true);
        }
        self.string_from_escape().map(|()| false)
    }

    /// Reads the rest of a string, the cursor on what is not plain in it.
    #[inline(never)]
    fn string_from_escape(&mut self) -> Result<(), Fault> {
        loop {
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.fault("raw control character in a string")),
                None => return Err(self.fault("the string does not end")),
            }
            self.at += plain_length(self.rest());
        }
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
