//! Wires channels, starts threads, stops them in order.
