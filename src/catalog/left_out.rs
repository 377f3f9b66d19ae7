//! The sentences about what a catalog does not show, or shows but cannot
//! reach. Nothing here decides; it only says, bounded in number and length.

use crate::limits;
use crate::wire::envelope::shown;
use crate::wire::items::ItemKind;

/// Gathers the sentences.
#[derive(Debug, Default)]
pub struct LeftOut {
    sentences: Vec<String>,
    /// How many there were past the limit.
    more: usize,
}

impl LeftOut {
    /// A server lists a key a second time.
    pub fn listed_twice(&mut self, server: &str, kind: ItemKind, key: &str) {
        self.say(server, kind, key, "is listed twice; the second is left out");
    }

    /// A key is longer than can be served.
    pub fn too_long(&mut self, server: &str, kind: ItemKind, key: &str) {
        let max = limits::CATALOG_KEY_BYTES_MAX;
        let length = key.len();
        let what = format!("is named with {length} bytes, more than {max}; it is left out");
        self.say(server, kind, key, &what);
    }

    /// So many items of a server are past the limits of a list.
    pub fn too_many(&mut self, server: &str, kind: ItemKind, number: usize) {
        let list = kind.list();
        self.push(format!(
            "server {server:?}: the list of {list} is full; {number} are left out"
        ));
    }

    /// Every form of a name met another name.
    pub fn no_name(&mut self, server: &str, kind: ItemKind, key: &str) {
        let what = "is left out: other tools or prompts claim every name it could have";
        self.say(server, kind, key, what);
    }

    /// Another server lists the same URI or template, and came first.
    pub fn shared(&mut self, server: &str, first: &str, kind: ItemKind, key: &str) {
        let what = format!(
            "is listed by server {first:?} too; it is shown once, and read at the servers' own endpoints only"
        );
        self.say(server, kind, key, &what);
    }

    /// No URI is matched against a template, though it is listed.
    pub fn unmatched(&mut self, server: &str, template: &str, why: &str) {
        let what = format!("is listed, but no URI is routed by it: {why}");
        self.say(server, ItemKind::Template, template, &what);
    }

    /// All that was said, in order.
    pub fn into_sentences(mut self) -> Vec<String> {
        if self.more > 0 {
            self.sentences.push(format!("and {} more", self.more));
        }
        self.sentences
    }

    fn say(&mut self, server: &str, kind: ItemKind, key: &str, what: &str) {
        let (noun, key) = (kind.noun(), shown(key));
        self.push(format!("server {server:?}: {noun} {key} {what}"));
    }

    fn push(&mut self, sentence: String) {
        if self.sentences.len() < limits::CATALOG_SENTENCES_MAX {
            self.sentences.push(sentence);
        } else {
            self.more += 1;
        }
    }
}
