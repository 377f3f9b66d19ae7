//! Named threads.
