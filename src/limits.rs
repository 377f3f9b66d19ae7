//! Every number of the program, with its reason.
