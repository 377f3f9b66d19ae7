//! The end-to-end tests: one program, so that it is linked once.

// The real binary, its clients, and what the tests stand on.
mod harness;

// What the gateway promises, held against the real binary.
mod e2e;
