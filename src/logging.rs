//! The log and its sinks.
