//! Templates and URIs written by hand, the RFC's own examples among them; then
//! random ones, against an expander and against a matcher that tries
//! everything, both written from the RFC and the promises of the module.

use proptest::prelude::*;

use super::*;

fn matches(template: &str, uri: &str) -> bool {
    let template = Template::parse(template).expect("a template");
    template.could_yield(&encode(uri))
}

#[test]
fn templates_without_variables_match_themselves_alone() {
    assert!(matches("file:///a", "file:///a"));
    assert!(!matches("file:///a", "file:///"));
    assert!(!matches("file:///a", "file:///ab"));
    assert!(!matches("file:///a", "FILE:///a"));
    assert!(matches("", ""));
}

#[test]
fn a_simple_variable_stays_in_its_segment() {
    assert!(matches("users://{id}/profile", "users://42/profile"));
    assert!(matches("users://{id}/profile", "users://a%2Fb/profile"));
    assert!(matches("users://{id}/profile", "users://name:x@y/profile"));
    assert!(matches("users://{id}/profile", "users:///profile"));
    assert!(!matches("users://{id}/profile", "users://4/2/profile"));
    assert!(!matches("users://{id}", "users://42?x"));
    assert!(!matches("users://{id}", "users://42#x"));
    assert!(!matches("users://{id}/profile", "users://42/profiles"));
}

#[test]
fn a_reserved_variable_takes_everything() {
    assert!(matches("file://{+path}", "file:///home/x?y#z"));
    assert!(matches("{+uri}", "https://example.org/"));
    assert!(!matches("file://{+path}/end", "file:///home/x"));
}

#[test]
fn a_path_variable_is_one_segment_and_a_list_is_many() {
    assert!(matches("repo:{/owner,name}", "repo:/a/b"));
    assert!(matches("repo:{/owner,name}", "repo:/a"));
    assert!(matches("repo:{/owner,name}", "repo:"));
    assert!(!matches("repo:{/owner,name}", "repo:/a/b/c"));
    assert!(!matches("repo:{/owner,name}", "repo:a"));
    assert!(matches("repo:{/path*}", "repo:/a/b/c"));
    assert!(!matches("repo:{/path*}", "repo:a/b/c"));
}

#[test]
fn a_query_is_there_whole_or_not_at_all() {
    assert!(matches(
        "search://docs{?q,page}",
        "search://docs?q=a/b&page=2"
    ));
    assert!(matches("search://docs{?q,page}", "search://docs?page=2"));
    assert!(matches("search://docs{?q,page}", "search://docs"));
    assert!(!matches("search://docs{?q,page}", "search://docsq=a"));
    assert!(!matches("search://docs{?q,page}", "search://docs?q=a#b"));
    assert!(matches(
        "search://docs?fixed=1{&q}",
        "search://docs?fixed=1&q=2"
    ));
    assert!(!matches("search://docs?fixed=1{&q}", "search://docs?q=2"));
}

/// RFC 6570, section 1.2, the examples of all four levels; `path` is
/// `/foo/bar`, `list` is red, green, blue, `keys` is `;` `.` and `,`.
#[test]
fn the_examples_of_the_rfc_match() {
    let examples = [
        ("{hello}", "Hello%20World%21"),
        ("{+var}", "value"),
        ("{+path}/here", "/foo/bar/here"),
        ("here?ref={+path}", "here?ref=/foo/bar"),
        ("X{#var}", "X#value"),
        ("map?{x,y}", "map?1024,768"),
        ("{+x,hello,y}", "1024,Hello%20World!,768"),
        ("{#x,hello,y}", "#1024,Hello%20World!,768"),
        ("{#path,x}/here", "#/foo/bar,1024/here"),
        ("X{.var}", "X.value"),
        ("X{.x,y}", "X.1024.768"),
        ("{/var,x}/here", "/value/1024/here"),
        ("{;x,y,empty}", ";x=1024;y=768;empty"),
        ("{?x,y,empty}", "?x=1024&y=768&empty="),
        ("?fixed=yes{&x}", "?fixed=yes&x=1024"),
        ("{var:30}", "value"),
        ("{list*}", "red,green,blue"),
        ("{keys*}", "semi=%3B,dot=.,comma=%2C"),
        ("{+keys}", "semi,;,dot,.,comma,,"),
        ("{#path:6}here", "#/foo/bhere"),
        ("X{.list*}", "X.red.green.blue"),
        ("{/list*,path:4}", "/red/green/blue/%2Ffoo"),
        ("{/keys*}", "/semi=%3B/dot=./comma=%2C"),
        ("{;keys*}", ";semi=%3B;dot=.;comma=%2C"),
        ("{?keys*}", "?semi=%3B&dot=.&comma=%2C"),
        ("{&list*}", "&list=red&list=green&list=blue"),
    ];
    for (template, uri) in examples {
        assert!(matches(template, uri), "{template} and {uri}");
    }
}

#[test]
fn raw_and_encoded_characters_are_the_same() {
    assert!(matches("note://größe/{x}", "note://gr%C3%B6%C3%9Fe/1"));
    assert!(matches("note://gr%C3%B6%C3%9Fe/{x}", "note://größe/a b"));
}

#[test]
fn a_later_reading_is_found_when_the_first_fails() {
    assert!(matches("{+a}/x/{b}", "1/x/2/x/3"));
    assert!(matches("{a}-{b}.txt", "x-y-z.txt.txt"));
    assert!(!matches("{+a}/x/{b}", "1/x/2/y/3"));
}

#[test]
fn what_is_no_template_says_why() {
    let faults = [
        ("a{b", "a \"{\" is not closed"),
        ("a{b{c}", "\"b{c\" is no variable"),
        ("a}b", "a \"}\" has no \"{\""),
        ("{a}}", "a \"}\" has no \"{\""),
        ("{}", "\"\" is no variable"),
        ("{+}", "\"\" is no variable"),
        ("{a,}", "\"\" is no variable"),
        ("{a b}", "\"a b\" is no variable"),
        ("{a:0x}", "\"a:0x\" is no variable"),
        ("{a:12345}", "\"a:12345\" is no variable"),
        ("{a:3*}", "\"a:3*\" is no variable"),
        ("{a**}", "\"a**\" is no variable"),
        ("{=a}", "operator '=' is reserved"),
        ("{|a}", "operator '|' is reserved"),
    ];
    for (text, fault) in faults {
        let error = Template::parse(text).expect_err(text);
        assert_eq!(error.to_string(), fault, "{text}");
    }
}

/// With a matcher that goes back, this would take longer than the universe.
#[test]
fn a_hostile_template_is_matched_in_its_product_of_lengths() {
    let template = "{+a}a".repeat(100) + "b";
    assert!(!matches(&template, &"a".repeat(2_000)));
    assert!(matches(&template, &("a".repeat(2_000) + "b")));
}

/// A piece of a random template.
#[derive(Clone, Debug)]
enum Piece {
    Literal(String),
    Expression(Option<char>, Vec<Variable>),
}

#[derive(Clone, Debug)]
struct Variable {
    name: String,
    modifier: Modifier,
    value: Value,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Modifier {
    None,
    Explode,
    Prefix(usize),
}

#[derive(Clone, Debug)]
enum Value {
    Undefined,
    Text(String),
    List(Vec<String>),
    Map(Vec<(String, String)>),
}

fn write_template(pieces: &[Piece]) -> String {
    let write_variable = |variable: &Variable| match variable.modifier {
        Modifier::None => variable.name.clone(),
        Modifier::Explode => format!("{}*", variable.name),
        Modifier::Prefix(length) => format!("{}:{length}", variable.name),
    };
    let write = |piece: &Piece| match piece {
        Piece::Literal(text) => text.clone(),
        Piece::Expression(operator, variables) => {
            let variables: Vec<String> = variables.iter().map(write_variable).collect();
            let operator = operator.map(String::from).unwrap_or_default();
            format!("{{{operator}{}}}", variables.join(","))
        }
    };
    pieces.iter().map(write).collect()
}

/// RFC 6570, section 3: the URI that the template and the values make.
fn expand(pieces: &[Piece]) -> String {
    let expand = |piece: &Piece| match piece {
        Piece::Literal(text) => escape(text, true),
        Piece::Expression(operator, variables) => expand_expression(*operator, variables),
    };
    pieces.iter().map(expand).collect()
}

/// The table of appendix A, and the algorithm of section 3.2.1.
fn expand_expression(operator: Option<char>, variables: &[Variable]) -> String {
    let (first, between, is_named, if_empty, keep_reserved) = match operator {
        None => ("", ",", false, "", false),
        Some('+') => ("", ",", false, "", true),
        Some('#') => ("#", ",", false, "", true),
        Some('.') => (".", ".", false, "", false),
        Some('/') => ("/", "/", false, "", false),
        Some(';') => (";", ";", true, "", false),
        Some('?') => ("?", "&", true, "=", false),
        Some('&') => ("&", "&", true, "=", false),
        Some(other) => panic!("{other}"),
    };
    let escape = |text: &str| escape(text, keep_reserved);
    let named = |name: &str, value: String| match (is_named, value.is_empty()) {
        (false, _) => value,
        (true, true) => format!("{name}{if_empty}"),
        (true, false) => format!("{name}={value}"),
    };
    let mut parts = Vec::new();
    for Variable {
        name,
        modifier,
        value,
    } in variables
    {
        let explode = *modifier == Modifier::Explode;
        match value {
            Value::Undefined => {}
            Value::Text(text) => {
                let length = match modifier {
                    Modifier::Prefix(length) => *length,
                    _ => usize::MAX,
                };
                let text: String = text.chars().take(length).collect();
                parts.push(named(name, escape(&text)));
            }
            Value::List(list) if list.is_empty() => {}
            Value::List(list) if explode => {
                parts.extend(list.iter().map(|member| named(name, escape(member))));
            }
            Value::List(list) => {
                let list: Vec<String> = list.iter().map(|member| escape(member)).collect();
                parts.push(named(name, list.join(",")));
            }
            Value::Map(map) if map.is_empty() => {}
            Value::Map(map) if explode => {
                let pair =
                    |(key, value): &(String, String)| format!("{}={}", escape(key), escape(value));
                parts.extend(map.iter().map(pair));
            }
            Value::Map(map) => {
                let pair =
                    |(key, value): &(String, String)| format!("{},{}", escape(key), escape(value));
                parts.push(named(
                    name,
                    map.iter().map(pair).collect::<Vec<_>>().join(","),
                ));
            }
        }
    }
    if parts.is_empty() {
        return String::new();
    }
    format!("{first}{}", parts.join(between))
}

fn escape(text: &str, keep_reserved: bool) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        let is_unreserved = c.is_ascii_alphanumeric() || "-._~".contains(c);
        if is_unreserved || (keep_reserved && ":/?#[]@!$&'()*+,;=".contains(c)) {
            escaped.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                escaped += &format!("%{byte:02X}");
            }
        }
    }
    escaped
}

/// Whether the URI matches, by trying every way to cut it.
fn matches_by_trying(pieces: &[Piece], uri: &str) -> bool {
    let Some((first, rest)) = pieces.split_first() else {
        return uri.is_empty();
    };
    let cuts = (0..=uri.len()).filter(|at| uri.is_char_boundary(*at));
    let mut cut = cuts.map(|at| uri.split_at(at));
    cut.any(|(head, tail)| takes(first, head) && matches_by_trying(rest, tail))
}

/// Whether one piece can become just this text.
fn takes(piece: &Piece, text: &str) -> bool {
    let variables = match piece {
        Piece::Literal(literal) => return literal == text,
        Piece::Expression(None, _) => return !text.contains(['/', '?', '#']),
        Piece::Expression(Some('+'), _) => return true,
        Piece::Expression(_, _) if text.is_empty() => return true,
        Piece::Expression(Some('#'), _) => return text.starts_with('#'),
        Piece::Expression(Some('?'), _) => return text.starts_with('?') && !text.contains('#'),
        Piece::Expression(Some('&'), _) => return text.starts_with('&') && !text.contains('#'),
        Piece::Expression(Some('/'), variables) => variables,
        Piece::Expression(Some(lead), _) => {
            return text.starts_with(*lead) && !text.contains(['/', '?', '#']);
        }
    };
    // Of a path: as many segments as there are variables, or more if one of
    // them is a list.
    let segments = text.split('/').count() - 1;
    let is_list = variables
        .iter()
        .any(|variable| variable.modifier == Modifier::Explode);
    text.starts_with('/') && !text.contains(['?', '#']) && (is_list || segments <= variables.len())
}

fn any_value() -> impl Strategy<Value = Value> {
    let text = ".{0,4}|[a/?#,;&=. ]{0,4}";
    prop_oneof![
        1 => Just(Value::Undefined),
        4 => text.prop_map(Value::Text),
        1 => prop::collection::vec(text, 0..3).prop_map(Value::List),
        1 => prop::collection::vec((text, text), 0..3).prop_map(Value::Map),
    ]
}

fn any_variable() -> impl Strategy<Value = Variable> {
    let modifier = prop_oneof![
        3 => Just(Modifier::None),
        1 => Just(Modifier::Explode),
        1 => (1..20_usize).prop_map(Modifier::Prefix),
    ];
    ("[a-z_][a-z0-9_.-]{0,3}", modifier, any_value()).prop_map(|(name, modifier, value)| Variable {
        name,
        modifier,
        value,
    })
}

/// A template; its literals are made of the given characters.
fn any_pieces(literal: &'static str) -> impl Strategy<Value = Vec<Piece>> {
    let operators = prop::sample::select(
        "+#./;?&"
            .chars()
            .map(Some)
            .chain([None, None])
            .collect::<Vec<_>>(),
    );
    let variables = prop::collection::vec(any_variable(), 1..4);
    let piece = prop_oneof![
        literal.prop_map(Piece::Literal),
        (operators, variables)
            .prop_map(|(operator, variables)| Piece::Expression(operator, variables)),
    ];
    prop::collection::vec(piece, 0..5)
}

proptest! {
    #[test]
    fn an_expansion_always_matches(pieces in any_pieces("[^{}%]{0,4}")) {
        let (template, uri) = (write_template(&pieces), expand(&pieces));
        prop_assert!(matches(&template, &uri), "{} and {}", template, uri);
    }

    #[test]
    fn the_answer_is_that_of_trying_everything(
        pieces in any_pieces("[a/?#.;&]{1,2}"),
        uri in "[a/?#.;&]{0,8}",
    ) {
        let template = write_template(&pieces);
        prop_assert_eq!(
            matches(&template, &uri),
            matches_by_trying(&pieces, &uri),
            "{} and {}", template, uri
        );
    }

    #[test]
    fn no_text_is_a_panic(template in ".{0,12}|[{}a,*:+/?]{0,12}", uri in ".{0,8}") {
        if let Ok(template) = Template::parse(&template) {
            let _ = template.could_yield(&encode(&uri));
        }
    }
}
