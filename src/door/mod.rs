//! The ways in for clients.
