//! The work that is measured most: calls of a tool that gives back a text, no two of them alike.

use serde_json::{Value, json};

use crate::caller::{Work, brief};
use crate::error::{Error, Result};
use crate::layout::{FIRST, Layout};

/// TextCalls of a tool that gives back a text, each with a text of its own.
#[derive(Debug)]
pub struct TextCalls {
    text: Layout,
    request: Layout,
    answer: Option<Layout>,
}

impl TextCalls {
    /// The calls of one client: which one it is, and how many bytes its texts have, which are
    /// more if its name and the call's number do not fit in.
    pub fn new(client: usize, tool: &str, payload: usize) -> TextCalls {
        // Words, so that it is no less work than what is usually sent.
        const WORDS: &str = " the quick brown fox jumps over the lazy dog;";
        let mut text = format!("client {client:05} call {FIRST}:");
        let own = text.len();
        text.extend(WORDS.chars().cycle().take(payload.saturating_sub(own)));
        let params = json!({"name": tool, "arguments": {"text": text}});
        let request =
            format!(r#"{{"jsonrpc":"2.0","id":{FIRST},"method":"tools/call","params":{params}}}"#);
        TextCalls {
            text: Layout::new(text.as_bytes(), FIRST),
            request: Layout::new(request.as_bytes(), FIRST),
            answer: None,
        }
    }
}

impl Work for TextCalls {
    fn request(&mut self, number: u64) -> &[u8] {
        self.request.with(number)
    }

    fn recognise(&mut self, message: &[u8]) -> Option<u64> {
        self.answer.as_mut()?.number_of(message)
    }

    fn judge(&mut self, number: u64, result: &Value, message: &[u8]) -> Result<()> {
        let told = result["content"][0]["text"].as_str().unwrap_or_default();
        let is_error =
            result["isError"] == true || result["content"].as_array().map(Vec::len) != Some(1);
        let wanted = self.text.with(number);
        if is_error || told.as_bytes() != wanted {
            return Err(Error::Wrong(format!(
                "call {number} of {:?} was answered {}",
                brief(wanted),
                brief(message)
            )));
        }
        // An answer that writes the text with other escapes is judged anew each time.
        self.answer = Some(Layout::new(message, number));
        Ok(())
    }

    fn is_whole(&mut self) -> bool {
        true
    }
}
