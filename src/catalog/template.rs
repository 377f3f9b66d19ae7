//! Could this URI be an expansion of this URI template (RFC 6570)? That is
//! how a read finds the server of a resource that no list names.
//!
//! Nothing is extracted: no variable gets a value here. The answer is generous
//! where clients are sloppy, and never says no to a true expansion:
//! a variable may be empty or undefined; in a simple one (`{x}`) every
//! character is taken but `/`, `?` and `#`, as MCP's own SDKs do; the pairs of
//! `{?x,y}` and `{;x}` are not held against the names of the variables; a
//! length (`{x:3}`) is not held against the value.
//!
//! The match walks all possible readings abreast, one byte after the other,
//! so its time is at most the product of the lengths: a hostile template
//! cannot make it go back and forth.

use std::fmt;

/// A URI template, ready to be matched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template {
    steps: Vec<Step>,
}

/// Why a text is no URI template.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TemplateError {
    /// A `{` without its `}`.
    Unclosed,
    /// A `}` without its `{`.
    Unopened,
    /// An operator that RFC 6570 reserves.
    Operator(char),
    /// A variable, as written, that is none.
    Variable(String),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TemplateError::Unclosed => write!(f, "a \"{{\" is not closed"),
            TemplateError::Unopened => write!(f, "a \"}}\" has no \"{{\""),
            TemplateError::Operator(operator) => write!(f, "operator {operator:?} is reserved"),
            TemplateError::Variable(text) => write!(f, "{text:?} is no variable"),
        }
    }
}

impl std::error::Error for TemplateError {}

/// One step on the way through a URI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// This byte.
    Byte(u8),
    /// Any number of these.
    Many(Set),
    /// This byte and then the next step, or neither.
    Lead(u8),
}

/// Which bytes the value of a variable may take up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Set {
    /// All but `/`, `?` and `#`.
    Segment,
    /// All but `?` and `#`.
    Path,
    /// All but `#`.
    Query,
    /// All.
    Any,
}

impl Set {
    fn holds(self, byte: u8) -> bool {
        match self {
            Set::Segment => !matches!(byte, b'/' | b'?' | b'#'),
            Set::Path => !matches!(byte, b'?' | b'#'),
            Set::Query => byte != b'#',
            Set::Any => true,
        }
    }
}

impl Template {
    /// Reads a template (RFC 6570, section 2, all levels).
    ///
    /// # Errors
    /// Says what the text breaks.
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        let mut steps = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            push_literal(&mut steps, &rest[..at]);
            let Some(expression) = rest[at..].strip_prefix('{') else {
                return Err(TemplateError::Unopened);
            };
            let (expression, behind) = expression.split_once('}').ok_or(TemplateError::Unclosed)?;
            push_expression(&mut steps, expression)?;
            rest = behind;
        }
        push_literal(&mut steps, rest);
        Ok(Template { steps })
    }

    /// Its size in steps: matching a URI costs at most as many times its bytes.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// Whether the URI could be an expansion. `uri` as [`encode`] writes it.
    pub fn could_yield(&self, uri: &[u8]) -> bool {
        let mut readings = Readings::new(&self.steps);
        readings.reach(0);
        for &byte in uri {
            readings.take(byte);
            if readings.now.is_empty() {
                return false;
            }
        }
        readings.now.contains(&self.steps.len())
    }
}

/// Writes a URI with all that may not stand in one percent-encoded (RFC 6570,
/// section 3.1), so that a raw and an encoded character are the same to
/// [`Template::could_yield`]. What is already encoded stays.
pub fn encode(uri: &str) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(uri.len());
    for byte in uri.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte) {
            encoded.push(byte);
        } else {
            encoded.extend(format!("%{byte:02X}").bytes());
        }
    }
    encoded
}

fn push_literal(steps: &mut Vec<Step>, literal: &str) {
    steps.extend(encode(literal).into_iter().map(Step::Byte));
}

/// Adds an expression (RFC 6570, section 2.2), the braces taken off.
fn push_expression(steps: &mut Vec<Step>, expression: &str) -> Result<(), TemplateError> {
    let operator = expression.chars().next();
    if let Some(reserved @ ('=' | ',' | '!' | '@' | '|')) = operator {
        return Err(TemplateError::Operator(reserved));
    }
    let operator = operator.filter(|c| "+#./;?&".contains(*c));
    // Operators are one byte long, all of them.
    // Operators are one byte long, all of them.
    let variables = expression[operator.map_or(0, char::len_utf8)..]
        .split(',')
        .map(is_exploded)
        .collect::<Result<Vec<bool>, TemplateError>>()?;
    let lead = |byte: u8, set: Set| [Step::Lead(byte), Step::Many(set)];
    match operator {
        // The sets hold what joins values and variables, so that the steps of
        // the first variable are those of all.
        None => steps.push(Step::Many(Set::Segment)),
        Some('+') => steps.push(Step::Many(Set::Any)),
        Some('#') => steps.extend(lead(b'#', Set::Any)),
        Some('.') => steps.extend(lead(b'.', Set::Segment)),
        Some(';') => steps.extend(lead(b';', Set::Segment)),
        Some('?') => steps.extend(lead(b'?', Set::Query)),
        Some('&') => steps.extend(lead(b'&', Set::Query)),
        // One variable is one segment of a path, but for a list that is
        // exploded, which makes a segment of each member.
        Some(_) => steps.extend(
            variables
                .into_iter()
                .flat_map(|exploded| lead(b'/', if exploded { Set::Path } else { Set::Segment })),
        ),
    }
    Ok(())
}

/// Reads a variable (RFC 6570, sections 2.3 and 2.4): is it exploded, as
/// `{x*}` is?
fn is_exploded(text: &str) -> Result<bool, TemplateError> {
    let fault = || TemplateError::Variable(text.to_owned());
    let (name, exploded) = match text.strip_suffix('*') {
        Some(name) => (name, true),
        None => (text, false),
    };
    let name = match name.split_once(':') {
        Some((name, length)) => {
            let fits =
                (1..=4).contains(&length.len()) && length.bytes().all(|b| b.is_ascii_digit());
            if exploded || !fits {
                return Err(fault());
            }
            name
        }
        None => name,
    };
    // Servers write `{user-id}` too, which the RFC does not know; there is no
    // doubt about what it means.
    let is_name_char = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '%');
    if name.is_empty() || !name.chars().all(is_name_char) {
        return Err(fault());
    }
    Ok(exploded)
}

/// All the ways in which the bytes so far can be read: the places in the
/// template that they can have led to.
struct Readings<'a> {
    steps: &'a [Step],
    /// The places reached by the bytes so far; one past the end is the end.
    now: Vec<usize>,
    /// The places reached by the byte before, kept for its memory.
    before: Vec<usize>,
    /// At which byte each place was last reached, so that none is listed twice.
    reached_at: Vec<usize>,
    /// The number of bytes taken, and one.
    clock: usize,
}

impl<'a> Readings<'a> {
    fn new(steps: &'a [Step]) -> Readings<'a> {
        Readings {
            steps,
            now: Vec::new(),
            before: Vec::new(),
            reached_at: vec![0; steps.len() + 1],
            clock: 1,
        }
    }

    /// Adds a place, and all those that lie behind it with nothing between.
    fn reach(&mut self, mut place: usize) {
        while self.reached_at[place] != self.clock {
            self.reached_at[place] = self.clock;
            self.now.push(place);
            match self.steps.get(place) {
                Some(Step::Many(_)) => place += 1,
                Some(Step::Lead(_)) => place += 2,
                Some(Step::Byte(_)) | None => break,
            }
        }
    }

    /// Goes on by one byte.
    fn take(&mut self, byte: u8) {
        self.clock += 1;
        std::mem::swap(&mut self.now, &mut self.before);
        self.now.clear();
        for index in 0..self.before.len() {
            let place = self.before[index];
            match self.steps.get(place) {
                Some(Step::Byte(own) | Step::Lead(own)) if *own == byte => self.reach(place + 1),
                Some(Step::Many(set)) if set.holds(byte) => self.reach(place),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
