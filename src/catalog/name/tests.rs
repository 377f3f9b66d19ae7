//! Each rule of the scheme by an example written by hand, and its promises by
//! random claims, under the real hash and under one so weak that everything meets.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

const LENGTH_MAX: usize = 64;
const HASH_A_LOG: u64 = 0x6ac1_e62b_faaa_a9d5;
const SHORT_A_LOG: &str = "log_906b4ffe";
const SHORT_B_LOG: &str = "log_79c7a54e";

fn claim<'a>(server: &'a str, prefix: &'a str, name: &'a str) -> Claim<'a> {
    Claim {
        server,
        prefix,
        original: name,
        wished: name,
    }
}

fn names(claims: &[Claim<'_>]) -> Vec<String> {
    let names = assign(claims, LENGTH_MAX).into_iter();
    names.map(|name| name.expect("a name")).collect()
}

#[test]
fn a_plain_name_gets_its_prefix_and_nothing_else() {
    let claims = [
        claim("git", "git", "log"),
        claim("time", "", "get_current-time.v2"),
    ];
    assert_eq!(names(&claims), ["git__log", "get_current-time.v2"]);
}

#[test]
fn a_renamed_tool_keeps_its_prefix() {
    let renamed = Claim {
        wished: "history",
        ..claim("git", "git", "log")
    };
    assert_eq!(names(&[renamed]), ["git__history"]);
}

/// The digits come from another implementation of FNV-1a: they are in users'
/// settings, so no change may alter them.
#[test]
fn the_hash_is_that_of_ever() {
    let claims = [claim("a", "", "log"), claim("b", "", "log")];
    assert_eq!(hash(&claims[0]), HASH_A_LOG);
    assert_eq!(names(&claims), [SHORT_A_LOG, SHORT_B_LOG]);
}

#[test]
fn servers_of_one_prefix_that_share_a_name_both_get_the_hash() {
    let claims = [
        claim("a", "x", "log"),
        claim("b", "x", "log"),
        claim("b", "x", "show"),
    ];
    let names = names(&claims);
    assert!(has_hash(&names[0], "x__log"), "{names:?}");
    assert!(has_hash(&names[1], "x__log"), "{names:?}");
    assert_ne!(names[0], names[1]);
    assert_eq!(names[2], "x__show");
}

#[test]
fn a_rename_onto_a_name_in_use_gives_both_the_hash() {
    let renamed = Claim {
        wished: "show",
        ..claim("a", "a", "log")
    };
    let names = names(&[renamed, claim("a", "a", "show")]);
    assert!(has_hash(&names[0], "a__show"), "{names:?}");
    assert!(has_hash(&names[1], "a__show"), "{names:?}");
}

#[test]
fn an_exotic_name_is_cleaned_and_hashed_even_alone() {
    let names = names(&[claim("a", "a", "read file/é"), claim("a", "", "")]);
    assert!(has_hash(&names[0], "a__read_file__"), "{names:?}");
    assert!(has_hash(&names[1], ""), "{names:?}");
}

#[test]
fn a_plain_name_that_meets_an_exotic_one_gets_the_hash_too() {
    let names = names(&[claim("a", "a", "read_file"), claim("a", "a", "read file")]);
    assert!(has_hash(&names[0], "a__read_file"), "{names:?}");
    assert!(has_hash(&names[1], "a__read_file"), "{names:?}");
    assert_ne!(names[0], names[1]);
}

#[test]
fn an_exotic_prefix_is_cleaned_without_a_hash_unless_it_meets_another() {
    let exotic = claim("@scope/fs", "@scope/fs", "read");
    assert_eq!(names(&[exotic]), ["_scope_fs__read"]);
    let names = names(&[exotic, claim("_scope_fs", "_scope_fs", "read")]);
    assert!(has_hash(&names[0], "_scope_fs__read"), "{names:?}");
    assert!(has_hash(&names[1], "_scope_fs__read"), "{names:?}");
}

#[test]
fn a_long_name_is_cut_just_past_the_limit() {
    let fits = "x".repeat(LENGTH_MAX - 3);
    let longer = "x".repeat(LENGTH_MAX - 2);
    let names = names(&[claim("a", "a", &fits), claim("b", "b", &longer)]);
    assert_eq!(names[0], format!("a__{fits}"));
    assert_eq!(names[1].len(), LENGTH_MAX);
    assert!(has_hash(&names[1], &format!("b__{}", "x".repeat(52))));
}

#[test]
fn names_equal_up_to_the_cut_stay_apart() {
    let (one, two) = (format!("{:_<70}1", "x"), format!("{:_<70}2", "x"));
    let names = names(&[claim("a", "a", &one), claim("a", "a", &two)]);
    assert_ne!(names[0], names[1]);
}

#[test]
fn a_limit_below_the_least_counts_as_the_least() {
    let name = "x".repeat(30);
    let names = assign(&[claim("a", "a", &name)], 3);
    let length = names[0].as_ref().map(String::len);
    assert_eq!(length, Some(limits::CATALOG_NAME_LENGTH_LEAST));
}

#[test]
fn a_plain_name_cannot_take_anothers_hashed_form() {
    let pair = [claim("a", "", "log"), claim("b", "", "log")];
    let squatter = claim("c", "", SHORT_A_LOG);
    let names = names(&[pair[0], pair[1], squatter]);
    assert!(names[0].starts_with("log_") && names[0].len() == "log_".len() + 16);
    assert_eq!(names[1], SHORT_B_LOG, "not concerned");
    assert!(has_hash(&names[2], SHORT_A_LOG), "{names:?}");
}

#[test]
fn claims_whose_every_form_meets_get_no_name_rather_than_one_name() {
    let claims = [
        claim("a", "", "log"),
        claim("b", "", "log"),
        claim("c", "", "show"),
    ];
    let names = assign_by(&claims, LENGTH_MAX, |_| 7);
    assert_eq!(names, [None, None, Some("show".to_owned())]);
}

/// A server whose every tool has the name that the one before would fall back
/// to: one collision at the head moves them all, once and for all.
#[test]
fn a_chain_of_squatters_is_settled() {
    let mut chain = vec!["log".to_owned()];
    for _ in 0..2_000 {
        let last = claim("c", "", chain.last().expect("one"));
        chain.push(Form::Short.write(&last, LENGTH_MAX, hash));
    }
    let mut claims: Vec<Claim<'_>> = chain.iter().map(|name| claim("c", "", name)).collect();
    claims.push(claim("d", "", "log"));
    claims.push(claim("e", "", "unconcerned"));
    let names = names(&claims);
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), claims.len());
    let plain = claims
        .iter()
        .zip(&names)
        .filter(|(claim, name)| claim.original == *name);
    assert_eq!(plain.count(), 1, "only the unconcerned one");
}

#[test]
fn what_changed_a_name_is_told() {
    let long = "x".repeat(LENGTH_MAX);
    let claims = [
        claim("a", "a", "log"),
        claim("a", "a", &long),
        claim("a", "a", "read file"),
        claim("a", "", "twice"),
        claim("b", "", "twice"),
        // Its name would do, but for the one above that is spelt otherwise.
        claim("c", "a", "read_file"),
        claim("d", "@d", "log"),
        // As long as can be is not too long.
        claim("e", "", &long),
        claim("f", "", &long),
    ];
    let names = names(&claims);
    let changes = claims.iter().zip(&names);
    let changes: Vec<_> = changes
        .map(|(claim, name)| change(claim, name, LENGTH_MAX))
        .collect();
    let expected = [
        None,
        Some(Change::Shortened),
        Some(Change::Respelt),
        Some(Change::Collided),
        Some(Change::Collided),
        Some(Change::Collided),
        None,
        Some(Change::Collided),
        Some(Change::Collided),
    ];
    assert_eq!(changes, expected, "{names:?}");
}

/// `name` is `stem`, `_` and 8 lower-case hexadecimal digits.
fn has_hash(name: &str, stem: &str) -> bool {
    let tail = name
        .strip_prefix(stem)
        .and_then(|tail| tail.strip_prefix('_'));
    tail.is_some_and(|tail| {
        tail.len() == 8 && tail.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// A server of a random configuration: its prefix and, by original name, the
/// names its tools shall have.
type Server = (String, HashMap<String, String>);

/// Few letters, so that names often meet; some foreign ones, some long names.
fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[ab]{1,2}",
        2 => "[ab _]{0,3}",
        1 => "[ab]{60,66}",
        1 => "[ab]_[0-9a-f]{8}",
        1 => ".{0,6}",
    ]
}

fn any_server() -> impl Strategy<Value = Server> {
    let prefix = prop_oneof![3 => Just(String::new()), 2 => "[ab]", 1 => "a__[ab]", 1 => ".{0,3}"];
    let tools = prop::collection::hash_map(any_name(), any_name(), 0..6);
    // Most tools keep their names.
    let tools = (tools, any::<u8>()).prop_map(|(tools, seed)| {
        let keep = |(at, (original, wished)): (usize, (String, String))| {
            let kept = (at + usize::from(seed)) % 4 != 0;
            (original.clone(), if kept { original } else { wished })
        };
        tools.into_iter().enumerate().map(keep).collect()
    });
    (prefix, tools)
}

/// The servers' names are their places, so that a server is the same
/// whichever others are there.
fn any_servers() -> impl Strategy<Value = Vec<(String, Server)>> {
    prop::collection::vec(any_server(), 0..6).prop_map(|servers| {
        let named = |(at, server)| (format!("server-{at}"), server);
        servers.into_iter().enumerate().map(named).collect()
    })
}

fn claims_of(servers: &[(String, Server)]) -> Vec<Claim<'_>> {
    let claims = servers.iter().flat_map(|(server, (prefix, tools))| {
        tools.iter().map(move |(original, wished)| Claim {
            server,
            prefix,
            original,
            wished,
        })
    });
    claims.collect()
}

type ByClaim<'a> = HashMap<(&'a str, &'a str), Option<String>>;

fn by_claim<'a>(servers: &'a [(String, Server)], hash: fn(&Claim<'_>) -> u64) -> ByClaim<'a> {
    named(&claims_of(servers), hash)
}

fn named<'a>(claims: &[Claim<'a>], hash: fn(&Claim<'_>) -> u64) -> ByClaim<'a> {
    let names = assign_by(claims, LENGTH_MAX, hash);
    let keys = claims.iter().map(|claim| (claim.server, claim.original));
    keys.zip(names).collect()
}

/// The plain name, written down a second time.
fn wish(claim: &Claim<'_>) -> String {
    let whole = match claim.prefix {
        "" => claim.wished.to_owned(),
        prefix => format!("{prefix}__{}", claim.wished),
    };
    whole.replace(
        |c: char| !(c.is_ascii_alphanumeric() || "_.-".contains(c)),
        "_",
    )
}

fn weak(claim: &Claim<'_>) -> u64 {
    hash(claim) & 1
}

proptest! {
    #[test]
    fn names_are_unique_valid_and_short(servers in any_servers(), use_weak: bool) {
        let names = by_claim(&servers, if use_weak { weak } else { hash });
        let mut seen = HashSet::new();
        for name in names.values().flatten() {
            prop_assert!((1..=LENGTH_MAX).contains(&name.len()), "{}", name);
            let allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
            prop_assert!(name.chars().all(|c| allowed.contains(c)), "{}", name);
            prop_assert!(seen.insert(name), "{} twice", name);
        }
        prop_assert!(use_weak || names.values().all(Option::is_some));
    }

    /// Neither on that of the servers nor on that of the tools of one.
    #[test]
    fn names_do_not_depend_on_the_order(
        servers in any_servers(),
        places in prop::collection::vec(any::<u32>(), 36),
        use_weak: bool,
    ) {
        let hash = if use_weak { weak } else { hash };
        let claims = claims_of(&servers);
        let mut shuffled: Vec<_> = claims.iter().copied().zip(&places).collect();
        prop_assert!(shuffled.len() == claims.len(), "a place for each");
        shuffled.sort_by_key(|(_, place)| **place);
        let shuffled: Vec<_> = shuffled.into_iter().map(|(claim, _)| claim).collect();
        prop_assert_eq!(named(&claims, hash), named(&shuffled, hash));
    }

    /// A reload can take a server away: what the others had as they wished stays, and when
    /// it comes again, all is as it was.
    #[test]
    fn a_server_that_leaves_takes_no_plain_name_from_another(
        mut servers in any_servers(),
        which: prop::sample::Index,
    ) {
        prop_assume!(!servers.is_empty());
        let before = servers.clone();
        let had = by_claim(&before, hash);
        let gone = servers.remove(which.index(servers.len()));
        let has = by_claim(&servers, hash);
        for claim in claims_of(&servers) {
            let key = (claim.server, claim.original);
            if had[&key] == Some(wish(&claim)) {
                prop_assert_eq!(&has[&key], &had[&key]);
            }
        }
        servers.push(gone);
        prop_assert_eq!(by_claim(&servers, hash), had);
    }

    /// What is said of a name is what became of it.
    #[test]
    fn a_name_is_told_to_be_changed_where_it_is_not_its_wish(servers in any_servers()) {
        let claims = claims_of(&servers);
        for (claim, name) in claims.iter().zip(assign(&claims, LENGTH_MAX)) {
            let name = name.expect("the real hash does not meet by chance");
            let told = change(claim, &name, LENGTH_MAX);
            prop_assert_eq!(told.is_some(), name != wish(claim));
            prop_assert!(told != Some(Change::Shortened) || name.len() == LENGTH_MAX);
        }
    }

    #[test]
    fn a_server_that_wishes_for_nobodys_name_changes_none(
        servers in any_servers(),
        (_, tools) in any_server(),
    ) {
        let before = by_claim(&servers, hash);
        // No other prefix, and no name without one, can be as long as this and begin like
        // it, so no name of this server can meet another.
        let mut more = servers.clone();
        more.insert(0, ("stranger".to_owned(), ("stranger".to_owned(), tools)));
        let mut after = by_claim(&more, hash);
        after.retain(|(server, _), _| *server != "stranger");
        prop_assert_eq!(before, after);
    }

    #[test]
    fn a_name_is_hashed_only_for_a_reason(servers in any_servers()) {
        let claims = claims_of(&servers);
        let mut wishes: HashMap<String, usize> = HashMap::new();
        for claim in &claims {
            *wishes.entry(wish(claim)).or_default() += 1;
        }
        for (claim, name) in claims.iter().zip(assign(&claims, LENGTH_MAX)) {
            let wish = wish(claim);
            let valid = claim.wished.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
            if wishes[&wish] == 1 && valid && (1..=LENGTH_MAX).contains(&wish.len()) {
                prop_assert_eq!(name, Some(wish));
            } else {
                prop_assert_ne!(name, Some(wish));
            }
        }
    }
}
