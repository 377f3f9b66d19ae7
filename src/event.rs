//! The closed lists of events and effects. Pure.
