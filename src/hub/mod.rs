//! The thinking core: events in, effects out. Pure.
