//! The table itself: that no two flags collide, and that its texts can be put
//! where they are put.

use std::collections::BTreeSet;

use crate::cli::commands::SUB_COMMANDS;
use crate::cli::flags::{FLAGS, Hint, Takes};

#[test]
fn no_name_is_given_twice() {
    let long: BTreeSet<&str> = FLAGS.iter().map(|flag| flag.long).collect();
    assert_eq!(long.len(), FLAGS.len());
    let short: Vec<char> = FLAGS.iter().filter_map(|flag| flag.short).collect();
    let distinct: BTreeSet<&char> = short.iter().collect();
    assert_eq!(distinct.len(), short.len());
}

#[test]
fn short_docs_are_short_and_free_of_quotes() {
    let flags = FLAGS.iter().map(|flag| flag.short_doc);
    let commands = SUB_COMMANDS.iter().map(|row| row.short_doc);
    for doc in flags.chain(commands) {
        assert!(
            !doc.contains(['\'', '"', '\n', '\\', '$', '`']),
            "{doc}: the completions put it in quotes"
        );
        assert!(!doc.ends_with('.'), "{doc}: no full stop");
    }
}

#[test]
fn long_docs_are_sentences() {
    let flags = FLAGS.iter().map(|flag| flag.long_doc);
    for doc in flags.chain(SUB_COMMANDS.iter().map(|row| row.long_doc)) {
        assert!(doc.ends_with('.'), "{doc}: a sentence ends in a full stop");
        assert!(!doc.contains("  "), "{doc}: a doubled space");
    }
}

#[test]
fn what_a_choice_offers_is_taken() {
    for flag in FLAGS {
        let Takes::Value { hint, update, .. } = &flag.takes else {
            continue;
        };
        if let Hint::OneOf(choices) = hint {
            for choice in *choices {
                let taken = update(&mut Default::default(), choice.as_ref());
                let left_out = *choice == "tiny_http" && !cfg!(feature = "tiny_http");
                assert_eq!(taken.is_ok(), !left_out, "--{} {choice}", flag.long);
            }
            let refused = update(&mut Default::default(), "nonsense".as_ref());
            assert!(refused.is_err(), "--{} nonsense", flag.long);
        }
    }
}
