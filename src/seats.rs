//! Values in numbered seats: whoever keeps the number finds the value again
//! without a search.
//!
//! A seat that was left is given to the next who comes, so what sits there must
//! say itself who it is, and whoever comes back with a number must look.

use std::num::NonZeroU32;

use crate::limits;

/// The number of a seat.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Seat(NonZeroU32);

impl Seat {
    /// Of the first the place is 0.
    fn of_place(place: usize) -> Seat {
        let number = u32::try_from(place + 1).ok().and_then(NonZeroU32::new);
        Seat(number.expect("fewer values than memory has room for"))
    }

    fn place(self) -> usize {
        self.0.get() as usize - 1
    }

    /// As a number, which is never 0.
    pub fn number(self) -> u64 {
        self.0.get().into()
    }

    /// The seat of that number, if one can have it.
    pub fn of_number(number: u64) -> Option<Seat> {
        u32::try_from(number)
            .ok()
            .and_then(NonZeroU32::new)
            .map(Seat)
    }
}

/// The values.
#[derive(Debug)]
pub struct Seats<T> {
    places: Vec<Option<T>>,
    free: Vec<Seat>,
}

impl<T> Default for Seats<T> {
    fn default() -> Seats<T> {
        Seats {
            places: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Seats<T> {
    /// Gives a seat to a value that is told which it is.
    pub fn insert_with(&mut self, value: impl FnOnce(Seat) -> T) -> Seat {
        let seat = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            Seat::of_place(self.places.len() - 1)
        });
        self.places[seat.place()] = Some(value(seat));
        seat
    }

    /// What sits there.
    pub fn get(&self, seat: Seat) -> Option<&T> {
        self.places.get(seat.place())?.as_ref()
    }

    /// What sits there, to change it.
    pub fn get_mut(&mut self, seat: Seat) -> Option<&mut T> {
        self.places.get_mut(seat.place())?.as_mut()
    }

    /// Takes out what sits there.
    pub fn remove(&mut self, seat: Seat) -> Option<T> {
        let value = self.places.get_mut(seat.place())?.take()?;
        self.free.push(seat);
        // What a crowd has taken is given back when the last has left.
        if self.is_empty() && self.places.capacity() > limits::SEATS_KEPT {
            *self = Seats::default();
        }
        Some(value)
    }

    /// All of them, in the order of their seats.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten()
    }

    /// The same, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut().flatten()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_given_to_the_next_when_it_was_left() {
        let mut seats = Seats::default();
        let [a, b] = ["a", "b"].map(|name| seats.insert_with(|_| name));
        assert_ne!(a, b);
        assert_eq!((seats.get(a), seats.get(b)), (Some(&"a"), Some(&"b")));
        assert_eq!(seats.remove(a), Some("a"));
        assert_eq!(
            (seats.remove(a), seats.get(a), seats.len()),
            (None, None, 1)
        );
        let c = seats.insert_with(|seat| if seat == a { "c" } else { "elsewhere" });
        assert_eq!((c, seats.get_mut(c)), (a, Some(&mut "c")));
        assert!(seats.iter().eq(&["c", "b"]) && seats.len() == 2);
        seats.iter_mut().for_each(|name| *name = "all");
        assert_eq!([c, b].map(|seat| seats.remove(seat)), [Some("all"); 2]);
        assert!(seats.is_empty());
    }

    #[test]
    fn what_a_crowd_has_taken_is_given_back() {
        let mut seats = Seats::default();
        for count in [1, limits::SEATS_KEPT, limits::SEATS_KEPT + 1] {
            let taken: Vec<_> = (0..count).map(|_| seats.insert_with(|seat| seat)).collect();
            for seat in &taken {
                assert_eq!(Seat::of_number(seat.number()), Some(*seat));
                assert_eq!(seats.remove(*seat), Some(*seat));
            }
            let is_kept = seats.places.capacity() > 0;
            assert_eq!(is_kept, count <= limits::SEATS_KEPT, "{count}");
            assert_eq!(seats.get(taken[0]), None);
        }
        assert_eq!(Seat::of_number(0), None);
    }
}
