//! Lists: each tool, prompt, resource and template is shown as its server wrote it, but for its
//! name, however many pages its server makes of it.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use serde_json::value::RawValue;

use super::bed::set_up;
use super::door::{Door, Streamable};
use super::eras::{CROSSINGS, Crossing, Era};
use super::json::{Field, any, extras, hole, maybe, member, object, space, spell, spelled, string};
use super::recorder::Offers;
use super::template::{Fill, Fills, Piece, Template, shown};
use super::{cases, check};
use crate::harness::client::Client;
use crate::harness::gateway::Gateway;

/// For every so many talks the lists of one gateway are read: it takes as long to start.
const TALKS_PER_LIST: u32 = 8;

/// What a list holds.
struct Kind {
    method: &'static str,
    list: &'static str,
    /// The member by which an item is known.
    key: &'static str,
    /// Whether it is served under another name where servers are merged.
    is_named: bool,
}

const KINDS: [Kind; 4] = [
    Kind {
        method: "tools/list",
        list: "tools",
        key: "name",
        is_named: true,
    },
    Kind {
        method: "prompts/list",
        list: "prompts",
        key: "name",
        is_named: true,
    },
    Kind {
        method: "resources/list",
        list: "resources",
        key: "uri",
        is_named: false,
    },
    Kind {
        method: "resources/templates/list",
        list: "resourceTemplates",
        key: "uriTemplate",
        is_named: false,
    },
];

/// A list of one kind, as a server has it.
#[derive(Debug, Clone)]
struct List {
    items: Vec<Item>,
    /// Items of a page.
    page: usize,
    /// What stands in its cursors beside their number.
    cursor: String,
    /// What else is said with each page; that is no item, and not relayed.
    beside: Template,
}

/// One item: `Piece::Name` is its key's value.
#[derive(Debug, Clone)]
struct Item {
    template: Template,
    spelling: Vec<bool>,
    before: &'static str,
}

#[test]
fn lists_show_each_item_as_its_server_wrote_it() {
    for crossing in CROSSINGS.iter().filter(|crossing| crossing.is_built) {
        let lists = KINDS.each_ref().map(list);
        check(
            &format!("lists, {crossing}"),
            cases().div_ceil(TALKS_PER_LIST),
            &lists.boxed(),
            |lists| read_all(crossing, lists),
        );
    }
}

fn list(kind: &Kind) -> BoxedStrategy<List> {
    let spelling = vec(prop::bool::weighted(0.1), 0..8);
    let item = (item(kind), spelling, space()).prop_map(|(template, spelling, before)| Item {
        template,
        spelling,
        before,
    });
    (vec(item, 0..10), 1..5_usize, string(), any())
        .prop_map(|(items, page, cursor, beside)| List {
            items,
            page,
            cursor,
            beside,
        })
        .boxed()
}

fn item(kind: &Kind) -> BoxedStrategy<Template> {
    let icons = json!([{"src": "data:image/png;base64,AA==", "sizes": ["any"]}]).to_string();
    let icons = prop_oneof![Just(Template::from(icons)), any()].boxed();
    let own = || object(None, Vec::new(), extras(&[]));
    let mut fields = vec![
        member(kind.key, hole(Piece::Name)),
        maybe("title", any()),
        maybe("description", any()),
        maybe("icons", icons),
        maybe("annotations", own()),
        maybe("_meta", own()),
    ];
    if kind.list != "tools" {
        let known: &[&str] = if kind.is_named {
            &["name"]
        } else {
            &["uri", "uriTemplate"]
        };
        return object(None, fields, extras(known));
    }
    let support = spelled("optional").prop_map(Template::from).boxed();
    fields.extend([
        member("inputSchema", schema()),
        maybe("outputSchema", schema()),
        maybe(
            "execution",
            object(
                None,
                vec![member("taskSupport", support)],
                extras(&["taskSupport"]),
            ),
        ),
    ]);
    object(
        None,
        fields,
        extras(&["name", "inputSchema", "outputSchema", "execution"]),
    )
}

/// A JSON Schema by its keywords, sensible or not: that is the client's to judge.
fn schema() -> BoxedStrategy<Template> {
    let kind = spelled("object").prop_map(Template::from).boxed();
    let keywords: Vec<Field> = [
        "$schema",
        "$id",
        "$ref",
        "$defs",
        "properties",
        "patternProperties",
        "required",
        "additionalProperties",
        "unevaluatedProperties",
        "allOf",
        "if",
        "dependentSchemas",
        "default",
        "const",
        "examples",
        "x-vendor",
    ]
    .map(|keyword| prop_oneof![3 => Just(None), 1 => member(keyword, any())].boxed())
    .into();
    let fields = keywords.into_iter().chain([member("type", kind)]);
    object(None, fields.collect(), extras(&["type"]))
}

impl Kind {
    /// The name or URI of the item at this place.
    fn own_name(&self, place: usize) -> String {
        match self.key {
            "name" => format!("item-{place}"),
            "uri" => format!("test://{place}/ä"),
            _ => format!("test://{place}/{{id}}"),
        }
    }

    /// The results of its list requests, with the cursors that lead from each to the next.
    fn pages(&self, list: &List) -> Vec<(String, String)> {
        let items = list.items.iter().enumerate().map(|(place, item)| {
            let name = Fill::Exactly(spell(&self.own_name(place), &item.spelling));
            let fills = Fills {
                name,
                ..Fills::default()
            };
            format!("{}{}", item.before, item.template.write(&fills))
        });
        let items: Vec<String> = items.collect();
        let pages: Vec<&[String]> = items.chunks(list.page).collect();
        let mut written = Vec::new();
        // One page at least, if an empty one.
        for number in 0..pages.len().max(1) {
            let page = pages
                .get(number)
                .map_or(String::new(), |page| page.join(","));
            let cursor = format!("\"{number}{}", &list.cursor[1..]);
            let next = if number + 1 < pages.len() {
                format!(r#""nextCursor": {cursor},"#)
            } else {
                String::new()
            };
            let beside = list.beside.write(&Fills::default());
            let list = self.list;
            let page = format!(
                r#"{{"resultType":"complete","ttlMs":0,"cacheScope":"public","beside":{beside},{next}"{list}":[{page}]}}"#
            );
            written.push((page, cursor));
        }
        written
    }
}

fn read_all(crossing: &Crossing, lists: &[List; 4]) -> Result<(), String> {
    let pages = KINDS.iter().zip(lists);
    let pages = pages.map(|(kind, list)| (kind.method, kind.pages(list)));
    let offers = Offers {
        pages: pages.collect(),
    };
    let (setup, _recorder) = set_up(json!({}), crossing.server, offers);
    let gateway = setup.start();
    for (prefix, mut door) in doors(&gateway, crossing.client) {
        for (kind, list) in KINDS.iter().zip(lists) {
            read(&mut *door, crossing.client, kind, list, prefix)
                .map_err(|why| format!("{} behind prefix {prefix:?}: {why}", kind.method))?;
        }
    }
    Ok(())
}

/// A client that sees other names than the server gave, and one that sees the same.
fn doors(gateway: &Gateway, era: Era) -> [(&'static str, Box<dyn Door>); 2] {
    let mut merged = gateway.client("/mcp");
    let mut single = gateway.sse_client("/servers/recorder/sse");
    if era == Era::Handshake {
        merged.initialize().expect("the handshake succeeds");
        single.initialize().expect("the handshake succeeds");
    }
    let merged = Streamable::new(merged);
    [("recorder__", Box::new(merged)), ("", Box::new(single))]
}

fn read(
    door: &mut dyn Door,
    era: Era,
    kind: &Kind,
    list: &List,
    prefix: &str,
) -> Result<(), String> {
    let (request, headers) = era.request(kind.method, json!({}));
    door.ask(&request, &headers)?;
    let answer = door.hear()?;
    door.finish()?;
    let answer = members(&answer)?;
    let result = answer.get("result").ok_or("there is no result")?;
    let shown_items = members(result.get())?;
    let shown_items = shown_items.get(kind.list).ok_or("there is no list")?;
    let shown_items: Vec<&RawValue> =
        serde_json::from_str(shown_items.get()).map_err(|error| error.to_string())?;
    if shown_items.len() != list.items.len() {
        let (shown, there) = (shown_items.len(), list.items.len());
        return Err(format!("{shown} of {there} are shown"));
    }
    for (place, (item, found)) in list.items.iter().zip(shown_items).enumerate() {
        let own = kind.own_name(place);
        let name = if prefix.is_empty() || !kind.is_named {
            Fill::Exactly(spell(&own, &item.spelling))
        } else {
            Fill::Meaning(format!("{prefix}{own}"))
        };
        let fills = Fills {
            name,
            ..Fills::default()
        };
        let read = item.template.read(found.get(), &fills, &[]);
        read.map_err(|why| format!("number {place}: {why}"))?;
    }
    Ok(())
}

fn members(json: &str) -> Result<HashMap<String, &RawValue>, String> {
    serde_json::from_str(json).map_err(|error| format!("{error}: {}", shown(json)))
}
