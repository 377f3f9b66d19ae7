//! The resources that a result links to. Links need not be listed by their
//! server, so the gateway must remember who told of them to route their reading.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::limits::RESOURCE_LINKS_MAX;
use crate::wire::envelope::{Kind, Message};
use crate::wire::scan::{self, Fault, Scanner, Shape};

/// The type of the content items looked for. A result without this word costs
/// one fast search; one that hides it behind escapes has no links for us, and
/// reading them then asks around.
const LINK: &str = "resource_link";

/// The search for it, prepared once: to prepare it takes longer than to search
/// a short answer.
static LINK_FINDER: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(LINK));

impl Message {
    /// The `uri`s of the links in the `content` of a result, in order, at most
    /// [`RESOURCE_LINKS_MAX`] of them.
    pub fn resource_links(&self) -> Vec<String> {
        let mut links = Vec::new();
        if let (Kind::Answer { failed: false }, Some(outcome)) = (&self.kind, self.marks.outcome) {
            let result = self.json(outcome);
            if LINK_FINDER.find(result.as_bytes()).is_some() {
                // A result of another shape has no links.
                let _ = collect(result, &mut links);
            }
        }
        links
    }
}

fn collect(result: &str, links: &mut Vec<String>) -> Result<(), Fault> {
    let mut scanner = Scanner::new(result);
    scanner.object(|scanner, key| {
        if key != "content" || scanner.shape()? != Shape::Array {
            return scanner.value().map(drop);
        }
        scanner
            .array(|scanner| {
                if let Some(uri) = link(scanner, result)?
                    && links.len() < RESOURCE_LINKS_MAX
                {
                    links.push(uri);
                }
                Ok(())
            })
            .map(drop)
    })?;
    Ok(())
}

/// Reads one content item; gives its `uri` if it is a link.
fn link(scanner: &mut Scanner<'_>, text: &str) -> Result<Option<String>, Fault> {
    if scanner.shape()? != Shape::Object {
        return scanner.value().map(|_| None);
    }
    let (mut is_link, mut uri) = (false, None);
    scanner.object(|scanner, key| {
        let value = scanner.value()?;
        let json = &text[value.start..value.end];
        match key {
            "type" => is_link = scan::text(json).as_deref() == Some(LINK),
            "uri" => uri = scan::text(json).map(|text| text.into_owned()),
            _ => {}
        }
        Ok(())
    })?;
    Ok(uri.filter(|_| is_link))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(message: &str) -> Vec<String> {
        Message::parse(message.into())
            .expect("a message")
            .resource_links()
    }

    #[test]
    fn links_of_a_result_are_found_among_other_content() {
        let found = links(
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[
                {"type":"text","text":"a resource_link"}, 7, null,
                {"uri":"file:///a","type":"resource_link","name":"a"},
                {"type":"resource","resource":{"uri":"file:///no"}},
                {"type":"resource_link","uri":"x:\/\/b"},
                {"type":"resource_link","uri":5}, {"type":"resource_link"}
            ],"structuredContent":{"type":"resource_link","uri":"no"}}}"#,
        );
        assert_eq!(found, ["file:///a", "x://b"]);
    }

    #[test]
    fn other_messages_have_no_links() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"result":"resource_link"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":{"type":"resource_link","uri":"a"}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"content":[{"type":"resource_link","uri":"a"}]}}"#,
            r#"{"jsonrpc":"2.0","method":"resource_link"}"#,
        ] {
            assert_eq!(links(text), [] as [&str; 0], "{text}");
        }
    }

    #[test]
    fn links_are_bounded_in_number() {
        let item = r#"{"type":"resource_link","uri":"a"}"#;
        let items = vec![item; RESOURCE_LINKS_MAX + 5].join(",");
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":[{items}]}}}}"#);
        assert_eq!(links(&text).len(), RESOURCE_LINKS_MAX);
    }
}
