//! The known word that somebody probably meant. Used for keys, names and flags.

use crate::limits;

/// The candidate nearest to `word`, if it is near enough to be a misspelling: at most a third
/// of its letters wrong, where a swap of neighbours counts once, and case, `-` and `_` count nothing.
/// Of several equally near ones the first is taken.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = letters(word);
    if word.is_empty() || word.len() > limits::NEAREST_WORD_LENGTH_MAX {
        return None;
    }
    let mut best = None;
    for candidate in candidates {
        let other = letters(candidate);
        if other.len() > limits::NEAREST_WORD_LENGTH_MAX {
            continue;
        }
        let distance = distance(&word, &other);
        let near_enough =
            distance <= (word.len().max(other.len()) / 3).max(1) && distance < other.len();
        if near_enough && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn letters(word: &str) -> Vec<char> {
    word.chars()
        .filter(|letter| !matches!(letter, '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, &l) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, &r) in right.iter().enumerate() {
            let replaced = last[column] + usize::from(l != r);
            let mut least = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && l == right[column - 1] && left[row - 1] == r {
                least = least.min(before_last[column - 1] + 1);
            }
            current.push(least);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEYS: [&str; 6] = [
        "command",
        "args",
        "env",
        "startup_timeout",
        "timeout",
        "cwd",
    ];

    #[test]
    fn misspellings_find_their_word() {
        let cases = [
            ("comand", Some("command")),
            ("ocmmand", Some("command")),
            ("startupTimeout", Some("startup_timeout")),
            ("TIMEOUT", Some("timeout")),
            ("timout", Some("timeout")),
            ("arg", Some("args")),
            ("evn", Some("env")),
            ("wibble", None),
            ("", None),
            ("x", None),
        ];
        for (word, found) in cases {
            assert_eq!(nearest(word, KEYS), found, "{word}");
        }
    }

    #[test]
    fn known_distances() {
        let d = |left: &str, right: &str| {
            distance(
                &left.chars().collect::<Vec<_>>(),
                &right.chars().collect::<Vec<_>>(),
            )
        };
        assert_eq!(d("kitten", "sitting"), 3);
        assert_eq!(d("ab", "ba"), 1);
        assert_eq!(d("", "abc"), 3);
        assert_eq!(d("abc", "abc"), 0);
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_at_least_the_difference_of_lengths(left in "[abc]{0,8}", right in "[abc]{0,8}") {
            let (left, right): (Vec<_>, Vec<_>) = (left.chars().collect(), right.chars().collect());
            let found = distance(&left, &right);
            prop_assert_eq!(found, distance(&right, &left));
            prop_assert!(found >= left.len().abs_diff(right.len()));
            prop_assert!(found <= left.len().max(right.len()));
        }
    }
}
