//! The central thread.
