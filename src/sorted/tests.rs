//! The sorted vectors against the trees of the standard library.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::sorted::{SortedMap, SortedSet, sort_by};

#[derive(Debug, Clone)]
enum Deed {
    Insert(u8, u16),
    Remove(u8),
    Add(u8, u16),
    PopFirst,
    RetainAbove(u8),
    Extend(Vec<(u8, u16)>),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => any::<(u8, u16)>().prop_map(|(key, value)| Deed::Insert(key, value)),
        2 => any::<u8>().prop_map(Deed::Remove),
        2 => any::<(u8, u16)>().prop_map(|(key, value)| Deed::Add(key, value)),
        1 => Just(Deed::PopFirst),
        1 => any::<u8>().prop_map(Deed::RetainAbove),
        1 => prop::collection::vec(any::<(u8, u16)>(), 0..6).prop_map(Deed::Extend),
    ]
}

proptest! {
    #[test]
    fn a_map_does_what_a_tree_does(deeds in prop::collection::vec(deed(), 0..60)) {
        let (mut map, mut tree) = (SortedMap::new(), BTreeMap::new());
        for deed in deeds {
            match deed {
                Deed::Insert(key, value) => {
                    prop_assert_eq!(map.insert(key, value), tree.insert(key, value));
                }
                Deed::Remove(key) => prop_assert_eq!(map.remove(&key), tree.remove(&key)),
                Deed::Add(key, value) => {
                    let (ours, theirs) = (map.entry(key).or_default(), tree.entry(key).or_default());
                    *ours = u16::wrapping_add(*ours, value);
                    *theirs = u16::wrapping_add(*theirs, value);
                }
                Deed::PopFirst => prop_assert_eq!(map.pop_first(), tree.pop_first()),
                Deed::RetainAbove(least) => {
                    map.retain(|key, _| *key >= least);
                    tree.retain(|key, _| *key >= least);
                }
                Deed::Extend(more) => {
                    map.extend(more.clone());
                    tree.extend(more);
                }
            }
            prop_assert!(map.iter().eq(tree.iter()), "{map:?} {tree:?}");
            prop_assert_eq!(map.first_key_value(), tree.first_key_value());
            prop_assert!((0..=u8::MAX).all(|key| map.get(&key) == tree.get(&key)));
        }
    }

    #[test]
    fn of_equal_keys_the_last_stays(entries in prop::collection::vec(any::<(u8, u16)>(), 0..60)) {
        let map: SortedMap<u8, u16> = entries.iter().copied().collect();
        let tree: BTreeMap<u8, u16> = entries.into_iter().collect();
        prop_assert!(map.into_iter().eq(tree));
    }

    #[test]
    fn a_set_does_what_a_tree_does(
        first in prop::collection::vec(any::<u8>(), 0..30),
        others in prop::collection::vec(any::<(bool, u8)>(), 0..30),
    ) {
        let mut set: SortedSet<u8> = first.iter().copied().collect();
        let mut tree: BTreeSet<u8> = first.into_iter().collect();
        for (comes, item) in others {
            match comes {
                true => prop_assert_eq!(set.insert(item), tree.insert(item)),
                false => prop_assert_eq!(set.remove(&item), tree.remove(&item)),
            }
            prop_assert!(set.iter().eq(tree.iter()));
            prop_assert!((0..=u8::MAX).all(|item| set.contains(&item) == tree.contains(&item)));
        }
    }

    #[test]
    fn equals_stay_in_their_order(mut items in prop::collection::vec(any::<(u8, u16)>(), 0..60)) {
        let mut expected = items.clone();
        expected.sort_by_key(|(key, _)| *key);
        sort_by(&mut items, |(a, _), (b, _)| a.cmp(b));
        prop_assert_eq!(items, expected);
    }
}
