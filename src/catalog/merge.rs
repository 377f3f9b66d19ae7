//! From what the servers offer to what one view shows. Nothing here keeps
//! state over time: a catalog is built anew whenever an offer changes, and
//! never changes itself.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::catalog::left_out::LeftOut;
use crate::catalog::name::{self, Change, Claim};
use crate::catalog::offer::Source;
use crate::catalog::route::{Found, Route, UriRoutes};
use crate::catalog::template::Template;
use crate::event::ServerId;
use crate::limits;
use crate::sorted::SortedMap;
use crate::wire::envelope::{Message, quoted};
use crate::wire::items::{self, Item, ItemKind};
use crate::wire::mirrored::Mirrored;

/// What one view shows: the merged lists as ready messages, and the way back
/// from each served name and URI.
///
/// Lists follow the order of the sources, and within a source its server's.
/// Tools and prompts get names as [`crate::catalog::name`] says; resources and
/// templates keep their URIs. Of a URI that several servers list, the list
/// shows the first one's entry alone, for clients take a URI for a key; where
/// it leads is [`Found::Several`], so that a read is refused rather than
/// answered by whichever server happens to come first.
#[derive(Debug)]
pub struct Catalog {
    /// At the place of each [`ItemKind`], like the next field.
    lists: [Arc<Message>; 4],
    shown: [Vec<Shown>; 4],
    tools: HashMap<Arc<str>, Route>,
    /// Of the tools of which headers repeat something, by served name.
    mirrored: HashMap<Arc<str>, Box<[Mirrored]>>,
    prompts: HashMap<Arc<str>, Route>,
    uris: UriRoutes,
    left_out: SortedMap<ServerId, Vec<String>>,
}

/// An item of a list, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Named<'a> {
    /// What it is.
    pub kind: ItemKind,
    /// Whose it is.
    pub server: ServerId,
    /// Its name or URI as its server gave it.
    pub original: &'a str,
    /// Its name or URI as clients see it.
    pub served: &'a str,
    /// Whether the user's rules give it another name than its server does.
    pub renamed: bool,
    /// Why it is not served under the name it shall have.
    pub change: Option<Change>,
}

impl Catalog {
    /// Merges the sources. Names are at most `name_length_max` characters long
    /// (but see [`limits::CATALOG_NAME_LENGTH_LEAST`]).
    pub fn build(sources: &[Source<'_>], name_length_max: usize) -> Catalog {
        let mut left_out = LeftOut::default();
        let mut uris = UriRoutes::default();
        let picked = ItemKind::ALL.map(|kind| {
            let admitted = admit(sources, kind, &mut left_out);
            match kind {
                ItemKind::Tool | ItemKind::Prompt => {
                    name_all(&admitted, kind, name_length_max, &mut left_out)
                }
                ItemKind::Resource => show_once(admitted, kind, &mut uris, &mut left_out),
                ItemKind::Template => {
                    add_patterns(&admitted, &mut uris, &mut left_out);
                    show_once(admitted, kind, &mut uris, &mut left_out)
                }
            }
        });
        let lists = ItemKind::ALL.map(|kind| write_list(kind, &picked[kind as usize]));
        let mirrored = mirrored(&picked[ItemKind::Tool as usize]);
        let shown: [Vec<Shown>; 4] =
            picked.map(|picked| picked.iter().map(Picked::shown).collect());
        Catalog {
            lists,
            tools: routes(&shown[ItemKind::Tool as usize]),
            mirrored,
            prompts: routes(&shown[ItemKind::Prompt as usize]),
            shown,
            uris,
            left_out: left_out.into_sentences(),
        }
    }

    /// The whole answer to the list request of that kind, one page; its id is
    /// a placeholder, to be replaced when it is sent.
    pub fn list(&self, kind: ItemKind) -> &Arc<Message> {
        &self.lists[kind as usize]
    }

    /// Where the tool of that served name is.
    pub fn tool(&self, served: &str) -> Option<Route> {
        self.tools.get(served).cloned()
    }

    /// What headers repeat of the arguments of the tool of that served name.
    pub fn mirrored(&self, served: &str) -> &[Mirrored] {
        self.mirrored.get(served).map_or(&[], |all| all)
    }

    /// Where the prompt of that served name is.
    pub fn prompt(&self, served: &str) -> Option<Route> {
        self.prompts.get(served).cloned()
    }

    /// Who has the resource: the servers that list it, else those with a
    /// template that could yield it. `Found::None` does not mean that there is
    /// no such resource: servers may have more than they list.
    pub fn resource(&self, uri: &str) -> Found {
        self.uris.resource(uri)
    }

    /// Who has the template of exactly this text, else the resource of this
    /// URI: what a completion's `ref/resource` can hold.
    pub fn template(&self, uri_template: &str) -> Found {
        self.uris.template(uri_template)
    }

    /// All that is shown, kind by kind, in the order of the lists.
    pub fn names(&self) -> impl Iterator<Item = Named<'_>> {
        ItemKind::ALL.into_iter().flat_map(|kind| {
            self.shown[kind as usize].iter().map(move |shown| Named {
                kind,
                server: shown.route.server,
                original: &shown.route.original,
                served: &shown.served,
                renamed: shown.marks.renamed,
                change: shown.marks.change,
            })
        })
    }

    /// Sentences about what is not shown or cannot be reached, and why, by
    /// server. What the user's own rules hide is not among it.
    pub fn left_out(&self) -> &SortedMap<ServerId, Vec<String>> {
        &self.left_out
    }

    /// Whether a client would see another list of that kind than before.
    pub fn differs(&self, before: &Catalog, kind: ItemKind) -> bool {
        self.list(kind).succeeded() != before.list(kind).succeeded()
    }
}

/// What the catalog remembers of an item of a list.
#[derive(Debug)]
struct Shown {
    served: Arc<str>,
    route: Route,
    marks: Marks,
}

/// What became of a name on its way to the clients.
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    renamed: bool,
    change: Option<Change>,
}

/// An item that may be shown, if it finds a name.
#[derive(Clone, Copy)]
struct Admitted<'a> {
    source: &'a Source<'a>,
    item: &'a Item,
}

/// An item that is shown.
struct Picked<'a> {
    admitted: Admitted<'a>,
    /// Its new name; `None` if it keeps its own.
    served: Option<String>,
    marks: Marks,
}

impl Picked<'_> {
    fn shown(&self) -> Shown {
        let original: Arc<str> = self.admitted.item.key.as_str().into();
        Shown {
            served: match &self.served {
                Some(name) => name.as_str().into(),
                None => Arc::clone(&original),
            },
            route: Route {
                server: self.admitted.source.server,
                replacement: self.served.as_ref().map(|_| quoted(&original).into()),
                original,
            },
            marks: self.marks,
        }
    }
}

/// How much may still be let in.
#[derive(Clone, Copy)]
struct Room {
    items: usize,
    bytes: usize,
}

impl Room {
    fn take(&mut self, item: &Item) -> bool {
        let fits = self.items > 0 && item.json.len() <= self.bytes;
        if fits {
            self.items -= 1;
            self.bytes -= item.json.len();
        }
        fits
    }
}

/// The items of one kind that the user's rules and the limits let in, no key
/// twice from one server. No server can take up all the room of the others.
fn admit<'a>(
    sources: &'a [Source<'a>],
    kind: ItemKind,
    left_out: &mut LeftOut,
) -> Vec<Admitted<'a>> {
    let mut admitted = Vec::new();
    let mut room_of_view = Room {
        items: limits::CATALOG_ITEMS_PER_VIEW_MAX,
        bytes: limits::CATALOG_BYTES_PER_VIEW_MAX,
    };
    for source in sources {
        let mut room = Room {
            items: limits::CATALOG_ITEMS_PER_SERVER_MAX,
            bytes: limits::CATALOG_BYTES_PER_SERVER_MAX,
        };
        let mut keys = HashSet::new();
        let mut too_many = 0;
        for item in source.offer.items(kind) {
            let key = item.key.as_str();
            if kind == ItemKind::Tool && !(source.rules.admits)(key) {
                continue;
            }
            if key.len() > limits::CATALOG_KEY_BYTES_MAX {
                left_out.too_long(source.server, kind, key);
            } else if keys.contains(key) {
                left_out.listed_twice(source.server, kind, key);
            } else if room.take(item) && room_of_view.take(item) {
                keys.insert(key);
                admitted.push(Admitted { source, item });
            } else {
                too_many += 1;
            }
        }
        if too_many > 0 {
            left_out.too_many(source.server, kind, too_many);
        }
    }
    admitted
}

fn name_all<'a>(
    admitted: &[Admitted<'a>],
    kind: ItemKind,
    length_max: usize,
    left_out: &mut LeftOut,
) -> Vec<Picked<'a>> {
    let claim = |admitted: &Admitted<'a>| {
        let Source {
            name,
            prefix,
            rules,
            ..
        } = *admitted.source;
        let original = admitted.item.key.as_str();
        let renamed = rules
            .rename
            .get(original)
            .filter(|_| kind == ItemKind::Tool);
        Claim {
            server: name,
            prefix,
            original,
            wished: renamed.map_or(original, String::as_str),
        }
    };
    let claims: Vec<Claim<'_>> = admitted.iter().map(claim).collect();
    let names = name::assign(&claims, length_max);
    let mut picked = Vec::with_capacity(admitted.len());
    for ((admitted, claim), name) in admitted.iter().zip(&claims).zip(names) {
        let key = claim.original;
        match name {
            Some(name) => picked.push(Picked {
                admitted: *admitted,
                marks: Marks {
                    renamed: claim.wished != key,
                    change: name::change(claim, &name, length_max),
                },
                served: Some(name).filter(|name| name != key),
            }),
            None => left_out.no_name(admitted.source.server, kind, key),
        }
    }
    picked
}

/// Lets URIs be matched against the templates, as far as that is affordable.
fn add_patterns(admitted: &[Admitted<'_>], uris: &mut UriRoutes, left_out: &mut LeftOut) {
    let mut steps_taken: HashMap<ServerId, usize> = HashMap::new();
    for Admitted { source, item } in admitted {
        let taken = steps_taken.entry(source.server).or_default();
        match Template::parse(&item.key) {
            Ok(template) => {
                let sum = *taken + template.steps();
                if sum <= limits::CATALOG_TEMPLATE_STEPS_PER_SERVER_MAX {
                    *taken = sum;
                    uris.add_pattern(template, source.server);
                } else {
                    let why = "the server's templates are too large together";
                    left_out.unmatched(source.server, &item.key, why);
                }
            }
            Err(error) => left_out.unmatched(source.server, &item.key, &error.to_string()),
        }
    }
}

/// Learns whose the resources or templates are, and shows each once.
fn show_once<'a>(
    admitted: Vec<Admitted<'a>>,
    kind: ItemKind,
    uris: &mut UriRoutes,
    left_out: &mut LeftOut,
) -> Vec<Picked<'a>> {
    let mut names = HashMap::new();
    let mut picked = Vec::with_capacity(admitted.len());
    for admitted in admitted {
        let Admitted { source, item } = admitted;
        names.insert(source.server, source.name);
        let key = Arc::from(item.key.as_str());
        let first = match kind {
            ItemKind::Template => uris.add_template(key, source.server),
            _ => uris.add_resource(key, source.server),
        };
        match first {
            Some(first) => left_out.shared(source.server, names[&first], kind, &item.key),
            None => picked.push(Picked {
                admitted,
                served: None,
                marks: Marks::default(),
            }),
        }
    }
    picked
}

fn routes(shown: &[Shown]) -> HashMap<Arc<str>, Route> {
    let route = |shown: &Shown| (Arc::clone(&shown.served), shown.route.clone());
    shown.iter().map(route).collect()
}

fn mirrored(tools: &[Picked<'_>]) -> HashMap<Arc<str>, Box<[Mirrored]>> {
    let annotated = tools
        .iter()
        .filter(|tool| !tool.admitted.item.mirrored.is_empty());
    annotated
        .map(|tool| (tool.shown().served, tool.admitted.item.mirrored.clone()))
        .collect()
}

/// The list as a message: each item as its server wrote it, but for its name.
fn write_list(kind: ItemKind, picked: &[Picked<'_>]) -> Arc<Message> {
    let items = picked
        .iter()
        .map(|picked| (picked.admitted.item, picked.served.as_deref()));
    Arc::new(Message::result(&items::join_page(items, kind, None)))
}

#[cfg(test)]
mod tests;
