//! Merging what the servers offer under one roof. Pure.
