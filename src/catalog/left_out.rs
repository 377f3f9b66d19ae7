//! The sentences about what a catalog does not show, or shows but cannot
//! reach. Nothing here decides; it only says, bounded in number and length.

use crate::event::ServerId;
use crate::limits;
use crate::sorted::SortedMap;
use crate::wire::envelope::shown;
use crate::wire::items::ItemKind;

/// Sentences about one server, bounded in number.
#[derive(Debug, Default)]
pub struct Sentences {
    said: Vec<String>,
    /// How many there were past the limit.
    more: usize,
}

impl Sentences {
    /// Says one more, or counts it where enough was said.
    pub fn push(&mut self, sentence: String) {
        if self.said.len() < limits::CATALOG_SENTENCES_MAX {
            self.said.push(sentence);
        } else {
            self.more += 1;
        }
    }

    /// All that was said, in order, and how much more there was to say.
    pub fn into_list(mut self) -> Vec<String> {
        if self.more > 0 {
            self.said.push(format!("and {} more", self.more));
        }
        self.said
    }
}

/// Gathers the sentences of all servers. They name no server, for each stands
/// with the one it is about; so no server can crowd out what is said of another.
#[derive(Debug, Default)]
pub struct LeftOut {
    of: SortedMap<ServerId, Sentences>,
}

impl LeftOut {
    /// A server lists a key a second time.
    pub fn listed_twice(&mut self, server: ServerId, kind: ItemKind, key: &str) {
        self.say(server, kind, key, "is listed twice; the second is left out");
    }

    /// A key is longer than can be served.
    pub fn too_long(&mut self, server: ServerId, kind: ItemKind, key: &str) {
        let max = limits::CATALOG_KEY_BYTES_MAX;
        let length = key.len();
        let what = format!("is named with {length} bytes, more than {max}; it is left out");
        self.say(server, kind, key, &what);
    }

    /// So many items of a server are past the limits of a list.
    pub fn too_many(&mut self, server: ServerId, kind: ItemKind, number: usize) {
        let list = kind.list();
        let sentence = format!("the list of {list} is full; {number} are left out");
        self.of.entry(server).or_default().push(sentence);
    }

    /// Every form of a name met another name.
    pub fn no_name(&mut self, server: ServerId, kind: ItemKind, key: &str) {
        let what = "is left out: other tools or prompts claim every name it could have";
        self.say(server, kind, key, what);
    }

    /// Another server lists the same URI or template, and came first.
    pub fn shared(&mut self, server: ServerId, first: &str, kind: ItemKind, key: &str) {
        let what = format!(
            "is listed by server {first:?} too; it is shown once, and read at the servers' own endpoints only"
        );
        self.say(server, kind, key, &what);
    }

    /// No URI is matched against a template, though it is listed.
    pub fn unmatched(&mut self, server: ServerId, template: &str, why: &str) {
        let what = format!("is listed, but no URI is routed by it: {why}");
        self.say(server, ItemKind::Template, template, &what);
    }

    /// All that was said, in order, by the server it was said of.
    pub fn into_sentences(self) -> SortedMap<ServerId, Vec<String>> {
        let listed = |(server, sentences): (ServerId, Sentences)| (server, sentences.into_list());
        self.of.into_iter().map(listed).collect()
    }

    fn say(&mut self, server: ServerId, kind: ItemKind, key: &str, what: &str) {
        let (noun, key) = (kind.noun(), shown(key));
        let sentence = format!("{noun} {key} {what}");
        self.of.entry(server).or_default().push(sentence);
    }
}
