//! Server-sent events, as the doors write them (WHATWG HTML, section 9.2).
