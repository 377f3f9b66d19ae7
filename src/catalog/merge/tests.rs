//! Small worlds of servers written by hand, and what a client sees of them.

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::catalog::offer::{Offer, Rules};
use crate::sorted::SortedMap;

const A: ServerId = ServerId(1);
const B: ServerId = ServerId(2);

/// A server of a test, owning all that a [`Source`] borrows.
struct Server {
    id: ServerId,
    name: &'static str,
    prefix: &'static str,
    admits: Box<dyn Fn(&str) -> bool>,
    rename: SortedMap<String, String>,
    offer: Offer,
}

impl Server {
    fn new(id: ServerId, name: &'static str) -> Server {
        Server {
            id,
            name,
            prefix: name,
            admits: Box::new(|_| true),
            rename: SortedMap::new(),
            offer: Offer::default(),
        }
    }

    fn prefix(mut self, prefix: &'static str) -> Server {
        self.prefix = prefix;
        self
    }

    fn tools(mut self, names: &[&str]) -> Server {
        self.offer.tools = names.iter().map(|name| item("name", name)).collect();
        self
    }

    fn prompts(mut self, names: &[&str]) -> Server {
        self.offer.prompts = names.iter().map(|name| item("name", name)).collect();
        self
    }

    fn resources(mut self, uris: &[&str]) -> Server {
        self.offer.resources = uris.iter().map(|uri| item("uri", uri)).collect();
        self
    }

    fn templates(mut self, texts: &[&str]) -> Server {
        self.offer.templates = texts.iter().map(|text| item("uriTemplate", text)).collect();
        self
    }

    fn source(&self) -> Source<'_> {
        Source {
            server: self.id,
            name: self.name,
            prefix: self.prefix,
            rules: Rules {
                admits: &*self.admits,
                rename: &self.rename,
            },
            offer: &self.offer,
        }
    }
}

/// An item with its key and a field that no one knows.
fn item(field: &str, key: &str) -> Item {
    titled_item(field, key, "")
}

fn titled_item(field: &str, key: &str, title: &str) -> Item {
    let head = format!(
        "{{\"title\":{}, \"x-future\":[1, 2], \"{field}\": ",
        Value::from(title)
    );
    let quoted = Value::from(key).to_string();
    Item {
        key: key.to_owned(),
        key_at: head.len()..head.len() + quoted.len(),
        mirrored: Box::default(),
        json: format!("{head}{quoted}}}").into(),
    }
}

fn build(servers: &[Server]) -> Catalog {
    let sources: Vec<Source<'_>> = servers.iter().map(Server::source).collect();
    Catalog::build(&sources, 64)
}

/// The result of a list as a client sees it.
fn seen(catalog: &Catalog, kind: ItemKind) -> &str {
    catalog.list(kind).succeeded().expect("a result")
}

/// The items in a list as a client sees it.
fn items(catalog: &Catalog, kind: ItemKind) -> Vec<Value> {
    let mut result: Value = serde_json::from_str(seen(catalog, kind)).expect("JSON");
    match result[kind.list()].take() {
        Value::Array(items) => items,
        other => panic!("{other} is no list"),
    }
}

/// The keys in a list as a client sees it.
fn keys(catalog: &Catalog, kind: ItemKind) -> Vec<String> {
    let key = |item: &Value| item[kind.key()].as_str().expect("a key").to_owned();
    items(catalog, kind).iter().map(key).collect()
}

/// What a catalog left out, each sentence behind the number of its server.
fn left_out(catalog: &Catalog) -> Vec<String> {
    numbered(catalog.left_out())
}

fn numbered(left_out: &SortedMap<ServerId, Vec<String>>) -> Vec<String> {
    let of = |(server, sentences): (&ServerId, &Vec<String>)| {
        let number = server.0;
        let numbered = sentences.iter().map(move |it| format!("{number}: {it}"));
        numbered.collect::<Vec<_>>()
    };
    left_out.iter().flat_map(of).collect()
}

/// Where a name leads that is served under another.
fn route(server: ServerId, original: &str) -> Option<Route> {
    Some(Route {
        server,
        original: original.into(),
        replacement: Some(format!("\"{original}\"").into()),
    })
}

#[test]
fn an_empty_view_has_four_empty_lists() {
    let catalog = build(&[]);
    for (kind, list) in [
        (ItemKind::Tool, "tools"),
        (ItemKind::Prompt, "prompts"),
        (ItemKind::Resource, "resources"),
        (ItemKind::Template, "resourceTemplates"),
    ] {
        let result: Value = serde_json::from_str(seen(&catalog, kind)).expect("JSON");
        assert_eq!(result, json!({ list: [] }));
    }
    assert_eq!(catalog.tool("x"), None);
    assert_eq!(catalog.resource("x"), Found::None);
}

#[test]
fn lists_follow_the_order_of_the_sources_and_then_their_own() {
    let catalog = build(&[
        Server::new(B, "b").tools(&["z", "a"]).prompts(&["p"]),
        Server::new(A, "a").tools(&["y"]).resources(&["u:2", "u:1"]),
    ]);
    assert_eq!(keys(&catalog, ItemKind::Tool), ["b__z", "b__a", "a__y"]);
    assert_eq!(keys(&catalog, ItemKind::Prompt), ["b__p"]);
    assert_eq!(keys(&catalog, ItemKind::Resource), ["u:2", "u:1"]);
    assert_eq!(left_out(&catalog), [""; 0]);
}

#[test]
fn only_the_value_of_the_name_is_replaced() {
    let tool = Item {
        key: "log".into(),
        json: r#"{"name" : "l\u006fg", "title":"name", "_meta":{"name":"log"}, "n":1.0}"#.into(),
        key_at: 10..20,
        mirrored: Box::default(),
    };
    let mut server = Server::new(A, "git");
    server.offer.tools = vec![tool];
    let expected = r#"{"name" : "git__log", "title":"name", "_meta":{"name":"log"}, "n":1.0}"#;
    let list = seen(&build(&[server]), ItemKind::Tool).to_owned();
    assert!(list.contains(expected), "{list}");
}

#[test]
fn an_item_that_keeps_its_key_keeps_every_byte() {
    let json = r#"{"name":"l\u006fg","x":[ 1 ]}"#;
    let tool = Item {
        key: "log".into(),
        json: json.into(),
        key_at: 8..18,
        mirrored: Box::default(),
    };
    let mut server = Server::new(A, "git").prefix("").resources(&["a:b"]);
    server.offer.tools = vec![tool];
    let resource = server.offer.resources[0].json.clone();
    let catalog = build(&[server]);
    assert!(seen(&catalog, ItemKind::Tool).contains(json));
    assert!(seen(&catalog, ItemKind::Resource).contains(&*resource));
}

#[test]
fn served_names_lead_back_and_others_do_not() {
    let catalog = build(&[Server::new(A, "a").tools(&["x"]).prompts(&["y z"])]);
    assert_eq!(catalog.tool("a__x"), route(A, "x"));
    assert_eq!(catalog.tool("x"), None);
    assert_eq!(catalog.prompt("a__x"), None, "a tool is no prompt");
    let prompt = keys(&catalog, ItemKind::Prompt).remove(0);
    assert_eq!(catalog.prompt(&prompt), route(A, "y z"));
}

#[test]
fn what_headers_repeat_of_a_tool_is_known_by_its_served_name() {
    let region = Mirrored {
        header: "Region".into(),
        path: ["region".into()].into(),
    };
    let mut server = Server::new(A, "a").tools(&["x", "y"]).prompts(&["y"]);
    server.offer.tools[0].mirrored = [region.clone()].into();
    let catalog = build(&[server]);
    assert_eq!(catalog.mirrored("a__x"), [region]);
    assert_eq!(catalog.mirrored("a__y"), []);
    assert_eq!(catalog.mirrored("x"), []);
}

#[test]
fn a_tool_and_a_prompt_of_one_name_do_not_collide() {
    let catalog = build(&[Server::new(A, "a").tools(&["x"]).prompts(&["x"])]);
    assert_eq!(keys(&catalog, ItemKind::Tool), ["a__x"]);
    assert_eq!(keys(&catalog, ItemKind::Prompt), ["a__x"]);
}

#[test]
fn rules_speak_of_original_names_and_of_tools_alone() {
    let mut server = Server::new(A, "a")
        .tools(&["keep", "hide", "old"])
        .prompts(&["hide", "old"]);
    server.admits = Box::new(|name| name != "hide" && name != "new");
    server.rename = [("old".to_owned(), "new".to_owned())].into();
    let catalog = build(&[server]);
    assert_eq!(keys(&catalog, ItemKind::Tool), ["a__keep", "a__new"]);
    assert_eq!(keys(&catalog, ItemKind::Prompt), ["a__hide", "a__old"]);
    assert_eq!(catalog.tool("a__new"), route(A, "old"));
    assert_eq!(catalog.tool("a__hide"), None);
    assert_eq!(left_out(&catalog), [""; 0], "the user's wish is no loss");
}

#[test]
fn of_a_key_listed_twice_the_first_counts() {
    let mut server = Server::new(A, "a")
        .tools(&["x", "x"])
        .resources(&["u", "u"]);
    server.offer.tools[1].json = r#"{"name":"x","description":"second"}"#.into();
    server.offer.tools[1].key_at = 8..11;
    let catalog = build(&[server]);
    assert_eq!(keys(&catalog, ItemKind::Tool), ["a__x"]);
    assert!(!seen(&catalog, ItemKind::Tool).contains("second"));
    assert_eq!(keys(&catalog, ItemKind::Resource), ["u"]);
    assert_eq!(
        catalog.resource("u"),
        Found::One(A),
        "no conflict with itself"
    );
    let sentences = [
        "1: tool \"x\" is listed twice; the second is left out",
        "1: resource \"u\" is listed twice; the second is left out",
    ];
    assert_eq!(left_out(&catalog), sentences);
}

#[test]
fn a_uri_of_two_servers_is_listed_once_and_leads_to_both() {
    let server = |id, name| {
        Server::new(id, name)
            .resources(&["u"])
            .templates(&["t:{x}"])
    };
    let catalog = build(&[server(B, "b"), server(A, "a")]);
    for (kind, key) in [(ItemKind::Resource, "u"), (ItemKind::Template, "t:{x}")] {
        assert_eq!(keys(&catalog, kind), [key]);
    }
    let both = Found::Several(vec![B, A]);
    assert_eq!(catalog.resource("u"), both);
    assert_eq!(catalog.resource("t:1"), both);
    assert_eq!(catalog.template("t:{x}"), both);
    let sentences = left_out(&catalog);
    assert_eq!(sentences.len(), 2);
    assert!(sentences[0].starts_with("1: resource \"u\" is listed by server \"b\" too"));
    let owners: Vec<ServerId> = catalog.names().map(|named| named.server).collect();
    assert_eq!(owners, [B, B], "what is listed is the first one's");
}

#[test]
fn a_uri_is_looked_up_exactly_and_then_by_templates() {
    let catalog = build(&[
        Server::new(A, "a")
            .templates(&["x:{+any}"])
            .resources(&["x:exact/a"]),
        Server::new(B, "b").templates(&["x:{id}", "broken:{"]),
    ]);
    assert_eq!(catalog.resource("x:exact/a"), Found::One(A));
    assert_eq!(catalog.resource("x:1/2"), Found::One(A));
    assert_eq!(catalog.resource("x:1"), Found::Several(vec![A, B]));
    assert_eq!(catalog.resource("y:1"), Found::None);
    assert_eq!(catalog.template("x:{id}"), Found::One(B));
    assert_eq!(
        catalog.template("x:exact/a"),
        Found::One(A),
        "else as a URI"
    );
    assert_eq!(catalog.template("x:1/2"), Found::One(A), "else as a URI");
    assert_eq!(catalog.template("broken:{"), Found::One(B), "by its text");
    assert_eq!(catalog.resource("broken:1"), Found::None);
    let sentence = "2: resource template \"broken:{\" is listed, \
                    but no URI is routed by it: a \"{\" is not closed";
    assert_eq!(left_out(&catalog), [sentence]);
}

#[test]
fn two_templates_of_one_server_that_match_are_no_conflict() {
    let catalog = build(&[Server::new(A, "a").templates(&["x:{a}", "x:{+b}"])]);
    assert_eq!(catalog.resource("x:1"), Found::One(A));
}

#[test]
fn templates_and_uris_past_the_limits_of_matching_match_nothing() {
    let large = "x".repeat(limits::CATALOG_TEMPLATE_STEPS_PER_SERVER_MAX);
    let catalog = build(&[
        Server::new(A, "a").templates(&["a:{x}", &large, "b:{x}"]),
        Server::new(B, "b").templates(&["c:{x}"]),
    ]);
    assert_eq!(
        keys(&catalog, ItemKind::Template).len(),
        4,
        "all are listed"
    );
    assert_eq!(catalog.resource("a:1"), Found::One(A));
    assert_eq!(catalog.resource(&large), Found::None);
    assert_eq!(
        catalog.resource("b:1"),
        Found::One(A),
        "the small one still fits"
    );
    assert_eq!(catalog.resource("c:1"), Found::One(B), "another's budget");
    assert_eq!(left_out(&catalog).len(), 1);
    let longest = format!(
        "a:{}",
        "1".repeat(limits::CATALOG_MATCHED_URI_BYTES_MAX - 2)
    );
    assert_eq!(catalog.resource(&longest), Found::One(A));
    assert_eq!(catalog.resource(&(longest + "1")), Found::None);
}

#[test]
fn items_past_the_limits_are_left_out_in_one_sentence() {
    let max = limits::CATALOG_ITEMS_PER_SERVER_MAX;
    let many: Vec<String> = (0..max + 2).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let catalog = build(&[
        Server::new(A, "a").tools(&many),
        Server::new(B, "b").tools(&["x"]),
    ]);
    let keys = keys(&catalog, ItemKind::Tool);
    assert_eq!(keys.len(), max + 1);
    assert_eq!(
        keys[max - 1..],
        [format!("a__{}", max - 1), "b__x".to_owned()]
    );
    let sentence = "1: the list of tools is full; 2 are left out";
    assert_eq!(left_out(&catalog), [sentence]);
}

/// A server with two tools of the given size, and a small one.
fn large(id: u32, name: &'static str, mebibytes: usize) -> Server {
    let mut server = Server::new(ServerId(id), name).tools(&["one", "two", "small"]);
    for tool in &mut server.offer.tools[..2] {
        tool.json = (tool.json.to_string() + &" ".repeat(mebibytes << 20)).into();
    }
    server
}

/// The tools that are let in, of whom and which, and the sentences. No list is
/// written, for large ones take their time.
fn admitted(servers: &[Server]) -> (Vec<String>, Vec<String>) {
    let sources: Vec<Source<'_>> = servers.iter().map(Server::source).collect();
    let mut left_out = LeftOut::default();
    let admitted = admit(&sources, ItemKind::Tool, &mut left_out);
    let tell = |admitted: &Admitted<'_>| format!("{} {}", admitted.source.name, admitted.item.key);
    (
        admitted.iter().map(tell).collect(),
        numbered(&left_out.into_sentences()),
    )
}

#[test]
fn a_server_of_large_items_fills_its_own_room_only() {
    let (admitted, left_out) = admitted(&[large(1, "a", 12), large(2, "b", 2)]);
    assert_eq!(admitted, ["a one", "a small", "b one", "b two", "b small"]);
    assert_eq!(left_out, ["1: the list of tools is full; 1 are left out"]);
}

#[test]
fn a_view_of_large_servers_is_full_some_time() {
    let names = ["a", "b", "c", "d", "e"].into_iter().zip(1..);
    let servers: Vec<Server> = names.map(|(name, id)| large(id, name, 7)).collect();
    let (admitted, _) = admitted(&servers);
    assert_eq!(
        admitted.len(),
        4 * 3 + 2,
        "nine large ones fit, and all small ones"
    );
    assert_eq!(admitted[12..], ["e one", "e small"]);
}

#[test]
fn a_key_too_long_is_left_out_and_shown_in_short() {
    let long = "x".repeat(limits::CATALOG_KEY_BYTES_MAX + 1);
    let catalog = build(&[Server::new(A, "a").tools(&[&long, "y"])]);
    assert_eq!(keys(&catalog, ItemKind::Tool), ["a__y"]);
    let shown = "x".repeat(limits::QUOTED_CHARS_MAX);
    let sentence =
        format!("1: tool \"{shown}\"… is named with 8193 bytes, more than 8192; it is left out");
    assert_eq!(left_out(&catalog), [sentence]);
}

#[test]
fn sentences_are_bounded_in_number_and_no_server_crowds_out_another() {
    let names = vec!["x"; limits::CATALOG_SENTENCES_MAX + 4];
    let catalog = build(&[
        Server::new(A, "a").tools(&names),
        Server::new(B, "b").tools(&["y", "y"]),
    ]);
    let sentences = left_out(&catalog);
    assert_eq!(sentences.len(), limits::CATALOG_SENTENCES_MAX + 2);
    assert_eq!(sentences[limits::CATALOG_SENTENCES_MAX], "1: and 3 more");
    let other = "2: tool \"y\" is listed twice; the second is left out";
    assert_eq!(sentences.last().map(String::as_str), Some(other));
}

#[test]
fn catalogs_differ_where_a_client_would_see_it() {
    let before = build(&[Server::new(A, "a").tools(&["x"]).prompts(&["p"])]);
    let same = build(&[Server::new(B, "a").tools(&["x"]).prompts(&["p"])]);
    let other = build(&[Server::new(A, "a").tools(&["x", "y"]).prompts(&["p"])]);
    for kind in ItemKind::ALL {
        assert!(!same.differs(&before, kind), "the server's id is not seen");
        assert_eq!(other.differs(&before, kind), kind == ItemKind::Tool);
    }
}

#[test]
fn names_tell_all_that_is_listed() {
    let mut server = Server::new(A, "a").tools(&["x", "old"]).prompts(&["p"]);
    server.rename = [("old".to_owned(), "new".to_owned())].into();
    let catalog = build(&[server.resources(&["u"]).templates(&["t"])]);
    let named = |kind, original, served| Named {
        kind,
        server: A,
        original,
        served,
        renamed: original == "old",
        change: None,
    };
    let expected = [
        named(ItemKind::Tool, "x", "a__x"),
        named(ItemKind::Tool, "old", "a__new"),
        named(ItemKind::Prompt, "p", "a__p"),
        named(ItemKind::Resource, "u", "u"),
        named(ItemKind::Template, "t", "t"),
    ];
    assert_eq!(catalog.names().collect::<Vec<_>>(), expected);
}

/// Names that often meet, of servers with few prefixes.
fn any_servers() -> impl Strategy<Value = Vec<(&'static str, Vec<String>)>> {
    let prefix = prop::sample::select(vec!["", "", "p", "q"]);
    let names = prop::collection::vec("[ab]{1,2}|[ab ]{0,2}|[ab]{63,65}|.{0,3}", 0..6);
    prop::collection::vec((prefix, names), 0..4)
}

proptest! {
    #[test]
    fn every_listed_name_leads_back_to_its_own_item(servers in any_servers()) {
        let names = ["one", "two", "three", "four"];
        let mut servers: Vec<Server> = servers.iter().zip(names).zip(0..)
            .map(|(((prefix, keys), name), id)| {
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                Server::new(ServerId(id), name).prefix(prefix).tools(&keys)
            })
            .collect();
        // The title tells whose item it is and how it was called there.
        for Server { id, offer, .. } in &mut servers {
            for tool in &mut offer.tools {
                *tool = titled_item("name", &tool.key, &format!("{} {}", id.0, tool.key));
            }
            offer.prompts = offer.tools.clone();
        }
        let all: HashSet<String> = servers.iter()
            .flat_map(|server| server.offer.tools.iter().map(|tool| format!("{} {}", server.id.0, tool.key)))
            .collect();
        let catalog = build(&servers);
        for kind in [ItemKind::Tool, ItemKind::Prompt] {
            let mut reached = HashSet::new();
            for item in items(&catalog, kind) {
                let served = item["name"].as_str().expect("a name");
                let route = match kind {
                    ItemKind::Tool => catalog.tool(served),
                    _ => catalog.prompt(served),
                };
                let whose = route.map(|route| format!("{} {}", route.server.0, route.original));
                prop_assert_eq!(whose.as_deref(), item["title"].as_str(), "{}", served);
                reached.extend(whose);
            }
            prop_assert_eq!(&reached, &all, "each item is served");
        }
    }
}
