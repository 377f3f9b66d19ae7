//! One page of a list result, split into its items: each stays raw JSON, with
//! its key (a tool's or prompt's `name`, a resource's `uri`, a template's
//! `uriTemplate`) read and located.

use std::ops::Range;

use crate::limits::PAGE_ITEMS_MAX;
use crate::wire::envelope::{Message, quoted, shown};
use crate::wire::method::Method;
use crate::wire::mirrored::{self, Mirrored};
use crate::wire::scan::{self, Fault, Scanner, Shape, Value};

/// The four kinds of things that a server lists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ItemKind {
    /// `tools/list`
    Tool,
    /// `prompts/list`
    Prompt,
    /// `resources/list`
    Resource,
    /// `resources/templates/list`
    Template,
}

impl ItemKind {
    /// Every kind.
    pub const ALL: [ItemKind; 4] = [
        ItemKind::Tool,
        ItemKind::Prompt,
        ItemKind::Resource,
        ItemKind::Template,
    ];

    /// The method that lists it.
    pub fn method(self) -> Method {
        match self {
            ItemKind::Tool => Method::ToolsList,
            ItemKind::Prompt => Method::PromptsList,
            ItemKind::Resource => Method::ResourcesList,
            ItemKind::Template => Method::TemplatesList,
        }
    }

    /// The member of the result that holds the list.
    pub fn list(self) -> &'static str {
        match self {
            ItemKind::Tool => "tools",
            ItemKind::Prompt => "prompts",
            ItemKind::Resource => "resources",
            ItemKind::Template => "resourceTemplates",
        }
    }

    /// The member of an item that is its key.
    pub fn key(self) -> &'static str {
        match self {
            ItemKind::Tool | ItemKind::Prompt => "name",
            ItemKind::Resource => "uri",
            ItemKind::Template => "uriTemplate",
        }
    }

    /// What one is called in a sentence.
    pub fn noun(self) -> &'static str {
        match self {
            ItemKind::Tool => "tool",
            ItemKind::Prompt => "prompt",
            ItemKind::Resource => "resource",
            ItemKind::Template => "resource template",
        }
    }
}

/// One thing that a server lists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// Its key, decoded.
    pub key: String,
    /// The item as its server wrote it.
    pub json: Box<str>,
    /// Where in `json` the key's value stands, quotes included.
    pub key_at: Range<usize>,
    /// What of its arguments headers repeat, if it is a tool.
    pub mirrored: Box<[Mirrored]>,
}

impl Item {
    /// How many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Item>() + self.json.len() + self.key.len()
    }
}

/// One page of a list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// The items that can be served, in their server's order.
    pub items: Vec<Item>,
    /// A sentence for each item that was left out, naming it and the fault.
    pub left_out: Vec<String>,
    /// The cursor of the next page, as JSON text.
    pub next: Option<Box<str>>,
}

/// Reads a page from an answer. A single bad item is left out, with a
/// sentence, and so is what goes beyond [`PAGE_ITEMS_MAX`]; the error is for a
/// result that is no list at all.
pub fn read_page(message: &Message, kind: ItemKind) -> Result<Page, String> {
    let result = message.succeeded()?;
    let (list, next) = match scan::members(result, [kind.list(), "nextCursor"]) {
        Ok([list, next]) => (list, next),
        Err(_) => return Err("the result is not an object".into()),
    };
    let list = match list {
        None => return Err(format!("the result has no \"{}\"", kind.list())),
        Some(list) if list.shape == Shape::Array => list.json(result),
        Some(list) => {
            let (key, shape) = (kind.list(), list.shape);
            return Err(format!("{key} is {shape}: it must be an array"));
        }
    };
    let mut page = Page {
        next: next_cursor(next, result)?,
        ..Page::default()
    };
    read_list(list, kind, &mut page).map_err(|fault| fault.to_string())?;
    Ok(page)
}

fn read_list(list: &str, kind: ItemKind, page: &mut Page) -> Result<(), Fault> {
    let mut number = 0_usize;
    Scanner::new(list).array(|scanner| {
        let value = scanner.value()?;
        number += 1;
        if number <= PAGE_ITEMS_MAX {
            match read_item(value.json(list), kind) {
                Ok(item) => page.items.push(item),
                Err(LeftOut { key, why }) => {
                    let which = key
                        .map_or_else(|| format!("number {number} of its page"), |key| shown(&key));
                    page.left_out
                        .push(format!("{} {which}: {why}", kind.noun()));
                }
            }
        }
        Ok(())
    })?;
    if let Some(more @ 1..) = number.checked_sub(PAGE_ITEMS_MAX) {
        page.left_out.push(format!(
            "{}: {more} more than the {PAGE_ITEMS_MAX} that are taken of one page",
            kind.list()
        ));
    }
    Ok(())
}

/// Why an item is not served, and its key if it has one.
struct LeftOut {
    key: Option<String>,
    why: String,
}

fn read_item(json: &str, kind: ItemKind) -> Result<Item, LeftOut> {
    let left_out = |key, why| Err(LeftOut { key, why });
    let wanted = [kind.key(), "inputSchema", "outputSchema", "execution"];
    let Ok([key, input, output, execution]) = scan::members(json, wanted) else {
        return left_out(None, "it is not an object".into());
    };
    let Some(key_value) = key else {
        return left_out(None, format!("it has no \"{}\"", kind.key()));
    };
    let key = match scan::text(key_value.json(json)) {
        Some(key) if !key.is_empty() => key.into_owned(),
        Some(_) => return left_out(None, format!("its {} is empty", kind.key())),
        None => return left_out(None, format!("its {} is not a string", kind.key())),
    };
    let mut mirrored = Box::default();
    if kind == ItemKind::Tool {
        match input {
            Some(schema) if schema.shape == Shape::Object => {
                mirrored = mirrored::read(schema.json(json));
            }
            Some(_) => return left_out(Some(key), "inputSchema is not an object".into()),
            None => return left_out(Some(key), "inputSchema is missing".into()),
        }
    }
    // A client that checks what it reads refuses the whole list for it.
    if kind == ItemKind::Tool && output.is_some_and(|it| it.shape != Shape::Object) {
        return left_out(Some(key), "outputSchema is not an object".into());
    }
    if kind == ItemKind::Tool && execution.is_some_and(|value| needs_task(value.json(json))) {
        return left_out(
            Some(key),
            "it runs as a task only, and tasks are not served".into(),
        );
    }
    Ok(Item {
        key,
        json: json.into(),
        key_at: key_value.start..key_value.end,
        mirrored,
    })
}

/// Whether a tool's `execution` says that it can be called as a task alone
/// (2025-11-25, tasks, "Tool-Level Negotiation").
fn needs_task(execution: &str) -> bool {
    scan::members(execution, ["taskSupport"])
        .is_ok_and(|[support]| support.is_some_and(|value| value.json(execution) == "\"required\""))
}

/// The cursor of the next page. An empty string is one.
fn next_cursor(next: Option<Value>, result: &str) -> Result<Option<Box<str>>, String> {
    match next.map(|next| (next.shape, next)) {
        None | Some((Shape::Null, _)) => Ok(None),
        Some((Shape::String, next)) => Ok(Some(next.json(result).into())),
        Some((shape, _)) => Err(format!("nextCursor is {shape}: it must be a string")),
    }
}

/// Writes the result of a list request, as JSON text. Each item goes in as its
/// server wrote it, but for the value of its key where a name to serve it
/// under is given. `next` is the JSON text of the next page's cursor.
pub fn join_page<'a>(
    items: impl Iterator<Item = (&'a Item, Option<&'a str>)>,
    kind: ItemKind,
    next: Option<&str>,
) -> String {
    let mut page = format!("{{\"{}\":[", kind.list());
    for (place, (item, served)) in items.enumerate() {
        if place > 0 {
            page.push(',');
        }
        match served {
            None => page.push_str(&item.json),
            Some(name) => {
                page.push_str(&item.json[..item.key_at.start]);
                page.push_str(&quoted(name));
                page.push_str(&item.json[item.key_at.end..]);
            }
        }
    }
    page.push(']');
    if let Some(next) = next {
        page.push_str(",\"nextCursor\":");
        page.push_str(next);
    }
    page.push('}');
    page
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::arbitrary;

    fn page(result: &str, kind: ItemKind) -> Result<Page, String> {
        let text = format!(r#"{{"jsonrpc":"2.0","id":3,"result":{result}}}"#);
        read_page(&Message::parse(text.into()).expect("a message"), kind)
    }

    #[test]
    fn a_page_is_split_and_bad_items_are_left_out_by_name() {
        let page = page(
            r#"{"_meta":{"tools":[]},"nextCursor":"c\n","tools":[
                {"inputSchema":{},"n\u0061me":"caf\u00e9", "outputSchema":{}} ,
                {"name":"b\n","inputSchema":"no"}, {"name":"c"}, 5,
                {"name":"d","inputSchema":{},"outputSchema":null},
                {"inputSchema":{}}, {"name":7}, {"name":""}]}"#,
            ItemKind::Tool,
        )
        .expect("a page");
        let [item] = &page.items[..] else {
            panic!("{page:?}");
        };
        assert_eq!(item.key, "café");
        assert_eq!(&item.json[item.key_at.clone()], r#""caf\u00e9""#);
        assert_eq!(
            &*item.json,
            r#"{"inputSchema":{},"n\u0061me":"caf\u00e9", "outputSchema":{}}"#
        );
        assert_eq!(page.next.as_deref(), Some(r#""c\n""#));
        let left_out = [
            r#"tool "b\n": inputSchema is not an object"#,
            r#"tool "c": inputSchema is missing"#,
            "tool number 4 of its page: it is not an object",
            r#"tool "d": outputSchema is not an object"#,
            r#"tool number 6 of its page: it has no "name""#,
            "tool number 7 of its page: its name is not a string",
            "tool number 8 of its page: its name is empty",
        ];
        assert_eq!(page.left_out, left_out);
    }

    #[test]
    fn a_tool_knows_what_headers_repeat_of_it() {
        let page = page(
            r#"{"tools":[{"inputSchema":{"properties":{"r":{"type":"string","x-mcp-header":"R"}}},"name":"a"},
                {"name":"b","inputSchema":{},"properties":{"r":{"type":"string","x-mcp-header":"R"}}}]}"#,
            ItemKind::Tool,
        )
        .expect("a page");
        let headers = |item: &Item| {
            let headers = item.mirrored.iter().map(|one| one.header.to_string());
            headers.collect::<Vec<_>>()
        };
        assert_eq!(headers(&page.items[0]), ["R"]);
        assert_eq!(headers(&page.items[1]), [""; 0]);
    }

    #[test]
    fn each_kind_has_its_list_and_its_key() {
        let all = r#"{"tools":[{"name":"t","inputSchema":{}}],"prompts":[{"name":"p"}],
            "resources":[{"name":"no","uri":"r"}],"resourceTemplates":[{"uriTemplate":"x","uri":"no"}]}"#;
        let keys = ItemKind::ALL.map(|kind| page(all, kind).expect("a page").items[0].key.clone());
        assert_eq!(keys, ["t", "p", "r", "x"]);
    }

    #[test]
    fn a_result_that_is_no_list_is_an_error() {
        let error = |result: &str| page(result, ItemKind::Prompt).expect_err("no page");
        assert_eq!(error("{}"), "the result has no \"prompts\"");
        assert_eq!(error("[]"), "the result is not an object");
        assert_eq!(
            error(r#"{"prompts":{}}"#),
            "prompts is an object: it must be an array"
        );
        assert_eq!(
            error(r#"{"prompts":[],"nextCursor":1}"#),
            "nextCursor is a number: it must be a string"
        );
        let refused = Message::error(-32601, "no such method", None);
        assert_eq!(
            read_page(&refused, ItemKind::Prompt),
            Err("answered with error -32601: \"no such method\"".into())
        );
        for next in ["", r#","nextCursor":null"#] {
            let page = page(&format!(r#"{{"prompts":[]{next}}}"#), ItemKind::Prompt);
            assert_eq!(page, Ok(Page::default()));
        }
    }

    #[test]
    fn a_page_is_bounded_in_its_items() {
        let items = vec![r#"{"name":"a"}"#; PAGE_ITEMS_MAX + 2].join(",");
        let page = page(&format!(r#"{{"prompts":[{items}]}}"#), ItemKind::Prompt).expect("a page");
        assert_eq!(page.items.len(), PAGE_ITEMS_MAX);
        let sentence = "prompts: 2 more than the 10000 that are taken of one page";
        assert_eq!(page.left_out, [sentence]);
    }

    /// Members of an item, with `@NAME@` for its key's value.
    fn item() -> impl Strategy<Value = String> {
        let others = prop::collection::vec((arbitrary::string(), arbitrary::value()), 0..4);
        others.prop_flat_map(|mut members| {
            members.push(("\"uri\"".into(), "@NAME@".into()));
            Just(members)
                .prop_shuffle()
                .prop_flat_map(arbitrary::object)
        })
    }

    proptest! {
        #[test]
        fn a_page_is_joined_with_only_the_keys_replaced(
            items in prop::collection::vec((item(), arbitrary::string(), proptest::option::of("[^\u{0}]{0,8}")), 0..5),
            next in proptest::option::of(arbitrary::string()),
        ) {
            let list = items.iter().map(|(item, name, _)| item.replace("@NAME@", name));
            let list = list.collect::<Vec<_>>().join(" , ");
            let page = page(&format!(r#"{{"resources": [{list}]}}"#), ItemKind::Resource)
                .expect("a page");
            // An empty key is not served, and has a test of its own.
            prop_assume!(page.items.len() == items.len());
            let served = page.items.iter().zip(items.iter().map(|(.., new)| new.as_deref()));
            let joined = join_page(served, ItemKind::Resource, next.as_deref());
            let expected = items.iter().map(|(item, name, new)| {
                let new = new.as_ref().map(|new| serde_json::to_string(new).expect("text"));
                item.replace("@NAME@", new.as_ref().unwrap_or(name))
            });
            let expected = expected.collect::<Vec<_>>().join(",");
            let next = next.map(|next| format!(r#","nextCursor":{next}"#)).unwrap_or_default();
            prop_assert_eq!(joined, format!(r#"{{"resources":[{expected}]{next}}}"#));
        }
    }

    #[test]
    fn a_tool_that_is_a_task_alone_is_left_out() {
        let page = page(
            r#"{"tools":[{"name":"a","inputSchema":{},"execution":{"taskSupport":"required"}},
                {"name":"b","inputSchema":{},"execution":{"taskSupport":"optional"}}]}"#,
            ItemKind::Tool,
        )
        .expect("it is a list");
        assert_eq!(page.items.len(), 1);
        assert_eq!(page.items[0].key, "b");
        assert_eq!(
            page.left_out,
            [r#"tool "a": it runs as a task only, and tasks are not served"#]
        );
    }
}
