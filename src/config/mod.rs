//! From the file as typed to the configuration as checked.
