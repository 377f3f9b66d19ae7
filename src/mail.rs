//! Every channel of the program, every one bounded.
