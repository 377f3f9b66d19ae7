//! Asking for the whole list of tools again and again, page by page where the server makes pages.

use serde_json::{Value, json};

use crate::caller::{Work, brief};
use crate::error::{Error, Result};
use crate::layout::{FIRST, Layout};

/// A page: how it is asked for, and what it was when it was last looked at closely.
#[derive(Debug)]
struct Page {
    cursor: Option<String>,
    request: Layout,
    answer: Option<Layout>,
    tools: usize,
}

impl Page {
    fn new(cursor: Option<String>) -> Page {
        let params = cursor
            .as_ref()
            .map_or(json!({}), |cursor| json!({"cursor": cursor}));
        let request =
            format!(r#"{{"jsonrpc":"2.0","id":{FIRST},"method":"tools/list","params":{params}}}"#);
        Page {
            cursor,
            request: Layout::new(request.as_bytes(), FIRST),
            answer: None,
            tools: 0,
        }
    }
}

/// One client's walks through the list, one after the other.
#[derive(Debug)]
pub struct Lists {
    pages: Vec<Page>,
    /// The page that is asked for next, or awaited.
    at: usize,
    expect: Option<usize>,
}

impl Lists {
    /// Walks through a list that must have so many tools; without a number, one at least.
    pub fn new(expect: Option<usize>) -> Lists {
        Lists {
            pages: vec![Page::new(None)],
            at: 0,
            expect,
        }
    }

    /// How many tools the list had when it was last looked at closely.
    pub fn tools(&self) -> usize {
        self.pages.iter().map(|page| page.tools).sum()
    }

    fn turn_page(&mut self) {
        self.at = (self.at + 1) % self.pages.len();
    }
}

impl Work for Lists {
    fn request(&mut self, number: u64) -> &[u8] {
        self.pages[self.at].request.with(number)
    }

    fn recognise(&mut self, message: &[u8]) -> Option<u64> {
        let number = self.pages[self.at].answer.as_mut()?.number_of(message)?;
        self.turn_page();
        Some(number)
    }

    fn judge(&mut self, number: u64, result: &Value, message: &[u8]) -> Result<()> {
        let Some(tools) = result["tools"].as_array() else {
            return Err(Error::Wrong(format!(
                "no list of tools: {}",
                brief(message)
            )));
        };
        let page = &mut self.pages[self.at];
        page.tools = tools.len();
        page.answer = Some(Layout::new(message, number));
        let next = result["nextCursor"].as_str().map(str::to_owned);
        let after = self.pages.get(self.at + 1);
        match next {
            None => self.pages.truncate(self.at + 1),
            Some(cursor) if after.is_some_and(|page| page.cursor.as_ref() == Some(&cursor)) => {}
            Some(cursor) => {
                self.pages.truncate(self.at + 1);
                self.pages.push(Page::new(Some(cursor)));
            }
        }
        self.turn_page();
        let there = self.tools();
        let is_right = self.expect.map_or(there > 0, |expect| there == expect);
        if self.at == 0 && !is_right {
            let expect = self.expect.unwrap_or(1);
            return Err(Error::Wrong(format!(
                "the list has {there} tools where {expect} must be"
            )));
        }
        Ok(())
    }

    fn is_whole(&mut self) -> bool {
        self.at == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(lists: &mut Lists, number: u64, names: &[&str], next: Option<&str>) -> Result<()> {
        let tools: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
        let mut result = json!({ "tools": tools });
        if let Some(next) = next {
            result["nextCursor"] = json!(next);
        }
        let message = json!({"id": number, "result": result}).to_string();
        match lists.recognise(message.as_bytes()) {
            Some(known) => {
                assert_eq!(known, number);
                Ok(())
            }
            None => lists.judge(number, &result, message.as_bytes()),
        }
    }

    #[test]
    fn a_list_is_walked_through_to_its_end() {
        let mut lists = Lists::new(Some(3));
        for round in 0..3 {
            let first = FIRST + 2 * round;
            assert!(!String::from_utf8_lossy(lists.request(first)).contains("cursor"));
            answer(&mut lists, first, &["a", "b"], Some("2")).expect("right");
            assert!(!lists.is_whole());
            let asked = String::from_utf8_lossy(lists.request(first + 1)).into_owned();
            assert!(asked.contains(r#""params":{"cursor":"2"}"#), "{asked}");
            answer(&mut lists, first + 1, &["c"], None).expect("right");
            assert!(lists.is_whole());
            assert_eq!(lists.tools(), 3);
        }
    }

    #[test]
    fn a_list_that_lacks_a_tool_is_wrong() {
        let mut lists = Lists::new(Some(2));
        assert!(answer(&mut lists, FIRST, &["a"], None).is_err());
        let mut lists = Lists::new(Some(2));
        answer(&mut lists, FIRST, &["a", "b"], None).expect("right");
        assert!(answer(&mut lists, FIRST + 1, &["a"], None).is_err());
        assert!(answer(&mut Lists::new(None), FIRST, &[], None).is_err());
    }
}
