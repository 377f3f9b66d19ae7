//! Messages in pieces: text that must arrive byte for byte, and holes for what a gateway may
//! replace. A message is written with its holes filled as the sender would, and what arrives is
//! read piece by piece, with its holes filled as the receiver may expect. So what is expected is
//! known from how the message was made, and never found by parsing it.

use std::fmt::Write as _;

use serde_json::value::RawValue;

/// How many characters of a difference are shown.
const SHOWN_CHARS: usize = 120;

/// A part of a message.
#[derive(Clone, PartialEq, Eq)]
pub enum Piece {
    /// JSON text. Line breaks stand between its tokens only.
    Text(String),
    /// The id, as JSON text.
    Id,
    /// The name of a tool or prompt, as JSON text.
    Name,
    /// The progress token, as JSON text.
    Token,
    /// The place right behind the brace that opens an object, where members of the other era
    /// may be put in. Empty when it is sent.
    Opening(Place),
    /// A member that is of no use in the era of the receiver: it may be taken out, with its comma
    /// and the white space around it.
    Leaving(String),
}

/// The objects into which members may be put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// `params`, where it has no `_meta`.
    Params,
    /// `params._meta`
    Meta,
    /// `result`
    Result,
}

/// A message, or a part of one.
#[derive(Clone, Default)]
pub struct Template(Vec<Piece>);

/// What stands in one kind of hole.
#[derive(Clone, Debug, Default)]
pub enum Fill {
    /// The message has no such hole.
    #[default]
    Nothing,
    /// This JSON text.
    Exactly(String),
    /// A whole number of the gateway's choice.
    Number,
    /// Any JSON string of this meaning.
    Meaning(String),
}

/// What stands in the holes.
#[derive(Clone, Debug, Default)]
pub struct Fills {
    /// In place of `Piece::Id`.
    pub id: Fill,
    /// In place of `Piece::Name`.
    pub name: Fill,
    /// In place of `Piece::Token`.
    pub token: Fill,
}

/// What was found in the holes of a message that arrived.
#[derive(Clone, Debug, Default)]
pub struct Caught {
    /// Its id.
    pub id: Option<String>,
    /// Its progress token.
    pub token: Option<String>,
}

/// A member that the gateway may put into a message that crosses the eras.
#[derive(Debug)]
pub struct Insertion {
    /// Into which object.
    pub place: Place,
    /// Its key.
    pub key: &'static str,
    /// Its value.
    pub content: Content,
    /// Whether it must be put in.
    pub must: bool,
}

/// What the value of a member that was put in may be.
#[derive(Debug)]
pub enum Content {
    /// Any JSON.
    Any,
    /// This JSON text.
    Exactly(&'static str),
    /// An object with all of the former keys, and none beside those and the latter.
    Members(&'static [&'static str], &'static [&'static str]),
}

impl From<String> for Template {
    fn from(text: String) -> Template {
        Template(vec![Piece::Text(text)])
    }
}

impl From<Piece> for Template {
    fn from(piece: Piece) -> Template {
        Template(vec![piece])
    }
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => write!(f, "{}", text.escape_debug())?,
                Piece::Id => f.write_str("«id»")?,
                Piece::Name => f.write_str("«name»")?,
                Piece::Token => f.write_str("«token»")?,
                Piece::Opening(_) => {}
                Piece::Leaving(text) => write!(f, "«{}»", text.escape_debug())?,
            }
        }
        Ok(())
    }
}

impl Template {
    /// Appends text.
    pub fn push(&mut self, text: &str) {
        if let Some(Piece::Text(last)) = self.0.last_mut() {
            last.push_str(text);
        } else {
            self.0.push(Piece::Text(text.to_owned()));
        }
    }

    /// Appends another template.
    pub fn append(&mut self, other: Template) {
        for piece in other.0 {
            match piece {
                Piece::Text(text) => self.push(&text),
                hole => self.0.push(hole),
            }
        }
    }

    /// The text of a member's value that may leave with its key.
    pub fn leaving(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Piece::Leaving(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it has such a piece.
    pub fn has(&self, piece: &Piece) -> bool {
        self.0.contains(piece)
    }

    /// The message as it is sent.
    pub fn write(&self, fills: &Fills) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            let fill = match piece {
                Piece::Text(piece) | Piece::Leaving(piece) => {
                    text.push_str(piece);
                    continue;
                }
                Piece::Opening(_) => continue,
                Piece::Id => &fills.id,
                Piece::Name => &fills.name,
                Piece::Token => &fills.token,
            };
            let Fill::Exactly(json) = fill else {
                panic!("{piece:?} of {self:?} is sent as {fill:?}");
            };
            text.push_str(json);
        }
        text
    }

    /// Reads the message as it has arrived. White space around it is of no interest, and line
    /// breaks between its tokens must have become spaces.
    pub fn read(
        &self,
        arrived: &str,
        fills: &Fills,
        insertions: &[Insertion],
    ) -> Result<Caught, String> {
        let mut reading = Reading {
            arrived: arrived.trim_matches(is_space),
            at: 0,
        };
        let mut caught = Caught::default();
        let mut something_left = false;
        for (number, piece) in self.0.iter().enumerate() {
            match piece {
                Piece::Text(text) => {
                    let mut text = flat(text);
                    if number == 0 || std::mem::take(&mut something_left) {
                        text = text.trim_start_matches(is_space).to_owned();
                    }
                    if number + 1 == self.0.len() {
                        text.truncate(text.trim_end_matches(is_space).len());
                    }
                    reading.expect(&text)?;
                }
                Piece::Id => caught.id = Some(reading.hole("id", &fills.id)?),
                Piece::Name => drop(reading.hole("name", &fills.name)?),
                Piece::Token => caught.token = Some(reading.hole("token", &fills.token)?),
                Piece::Opening(place) => reading.inserted(*place, insertions)?,
                Piece::Leaving(text) => something_left = !reading.skip(&flat(text)),
            }
        }
        match &reading.arrived[reading.at..] {
            // What was put in and taken out must leave it JSON.
            "" => match serde_json::from_str::<&RawValue>(arrived) {
                Ok(_) => Ok(caught),
                Err(error) => Err(format!("it is no JSON: {error}")),
            },
            rest => Err(format!("at its end there is more: {}", shown(rest))),
        }
    }
}

impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Template(vec![self.clone()]).fmt(f)
    }
}

/// A message that has arrived, read up to some byte.
struct Reading<'a> {
    arrived: &'a str,
    at: usize,
}

impl Reading<'_> {
    fn rest(&self) -> &str {
        &self.arrived[self.at..]
    }

    fn expect(&mut self, text: &str) -> Result<(), String> {
        let same = text.bytes().zip(self.rest().bytes());
        let same = same.take_while(|(wanted, found)| wanted == found).count();
        if same == text.len() {
            self.at += same;
            return Ok(());
        }
        let mut sentence = format!("at byte {}:", self.at + same);
        // Shown from a character's beginning on, a little before the difference.
        for (what, text) in [("sent", text), ("came", self.rest())] {
            let start = text.floor_char_boundary(same.saturating_sub(SHOWN_CHARS / 3));
            let _ = write!(sentence, "\n  {what} …{}", shown(&text[start..]));
        }
        Err(sentence)
    }

    /// Reads over a member that may have left, and over the white space around it if it has;
    /// whether it is there.
    fn skip(&mut self, member: &str) -> bool {
        let is_there = self.rest().starts_with(member);
        self.at += if is_there {
            member.len()
        } else {
            self.rest().len() - self.rest().trim_start_matches(is_space).len()
        };
        is_there
    }

    /// The JSON value that comes next.
    fn value(&self) -> Result<String, String> {
        let mut values = serde_json::Deserializer::from_str(self.rest()).into_iter::<&RawValue>();
        match values.next() {
            Some(Ok(value)) => Ok(value.get().to_owned()),
            _ => Err(format!("no value: {}", shown(self.rest()))),
        }
    }

    fn hole(&mut self, what: &str, fill: &Fill) -> Result<String, String> {
        let value = match fill {
            Fill::Exactly(json) => {
                self.expect(json)
                    .map_err(|why| format!("the {what}, {why}"))?;
                return Ok(json.clone());
            }
            _ => self.value()?,
        };
        let fits = match fill {
            Fill::Number => value.bytes().all(|byte| byte.is_ascii_digit()),
            Fill::Meaning(text) => serde_json::from_str(&value).is_ok_and(|it: String| it == *text),
            Fill::Nothing | Fill::Exactly(_) => false,
        };
        if !fits {
            return Err(format!("the {what} is {value}, which is no {fill:?}"));
        }
        self.at += value.len();
        Ok(value)
    }

    /// Reads over what was put in here, and sees that it may be there.
    fn inserted(&mut self, place: Place, insertions: &[Insertion]) -> Result<(), String> {
        let mut open: Vec<&Insertion> = insertions.iter().filter(|i| i.place == place).collect();
        loop {
            let is_next = |i: &&Insertion| self.rest().starts_with(&format!("\"{}\":", i.key));
            let Some(found) = open.iter().position(is_next) else {
                break;
            };
            let insertion = open.remove(found);
            self.at += insertion.key.len() + 3;
            let value = self.value()?;
            insertion.content.check(insertion.key, &value)?;
            self.at += value.len();
            self.at += usize::from(self.rest().starts_with(','));
        }
        match open.iter().find(|insertion| insertion.must) {
            Some(missing) => Err(format!(
                "{:?} was not put into {place:?}: {}",
                missing.key,
                shown(self.rest())
            )),
            None => Ok(()),
        }
    }
}

impl Content {
    fn check(&self, key: &str, value: &str) -> Result<(), String> {
        let fits = match self {
            Content::Any => true,
            Content::Exactly(json) => value == *json,
            Content::Members(must, may) => {
                let members: serde_json::Map<_, _> = serde_json::from_str(value)
                    .map_err(|error| format!("what was put in as {key:?}: {error}"))?;
                let known = |key: &String| must.contains(&&**key) || may.contains(&&**key);
                members.keys().all(known) && must.iter().all(|key| members.contains_key(*key))
            }
        };
        if fits {
            return Ok(());
        }
        Err(format!("{key:?} was put in as {value}, not as {self:?}"))
    }
}

/// A part of a message with its line breaks made spaces.
fn flat(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// Whether this is white space of JSON.
fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

/// The beginning of a text, for a sentence.
pub fn shown(text: &str) -> String {
    let cut = text.char_indices().nth(SHOWN_CHARS);
    match cut {
        Some((cut, _)) => format!("{:?}…", &text[..cut]),
        None => format!("{text:?}"),
    }
}
