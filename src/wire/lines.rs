//! Newline framing: from a byte stream to whole lines, none over the limit.
