//! What goes into a catalog: what each server offers, and by which rules it is
//! shown. Nothing here merges.

use crate::event::ServerId;
use crate::sorted::SortedMap;
use crate::wire::items::{Item, ItemKind};

/// What one server offers, all pages drained, in its own words.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Offer {
    /// `tools/list`
    pub tools: Vec<Item>,
    /// `prompts/list`
    pub prompts: Vec<Item>,
    /// `resources/list`
    pub resources: Vec<Item>,
    /// `resources/templates/list`
    pub templates: Vec<Item>,
}

impl Offer {
    /// Whether there is nothing that anybody could ask for by a name.
    pub fn is_empty(&self) -> bool {
        let mut kinds = ItemKind::ALL.into_iter();
        kinds.all(|kind| self.items(kind).is_empty())
    }

    /// The items of one kind, in their server's order.
    pub fn items(&self, kind: ItemKind) -> &[Item] {
        match kind {
            ItemKind::Tool => &self.tools,
            ItemKind::Prompt => &self.prompts,
            ItemKind::Resource => &self.resources,
            ItemKind::Template => &self.templates,
        }
    }

    /// Puts a newly drained list in place of the old one of its kind.
    pub fn replace(&mut self, kind: ItemKind, items: Vec<Item>) {
        *match kind {
            ItemKind::Tool => &mut self.tools,
            ItemKind::Prompt => &mut self.prompts,
            ItemKind::Resource => &mut self.resources,
            ItemKind::Template => &mut self.templates,
        } = items;
    }
}

/// What the user has laid down about a server's tools. Both rules speak of the
/// tools by the names that their server gave them.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// Whether the tool of that name is shown.
    pub admits: &'a dyn Fn(&str) -> bool,
    /// New names for tools, by their old ones; the prefix is put in front of
    /// the new name all the same.
    pub rename: &'a SortedMap<String, String>,
}

/// A server's part in one catalog.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Where its items are routed.
    pub server: ServerId,
    /// Its name in the configuration, which its hashes are made from.
    pub name: &'a str,
    /// What is put in front of its tools and prompts, the separator not
    /// included; empty for nothing, as in the view of one server.
    pub prefix: &'a str,
    /// What is shown of its tools, and under which names.
    pub rules: Rules<'a>,
    /// What it offers.
    pub offer: &'a Offer,
}
