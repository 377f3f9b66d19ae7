//! What a scanner reads byte by byte: numbers, words, and the escapes in strings.

use crate::wire::scan::{Fault, NO_VALUE, Scanner};

impl Scanner<'_> {
    /// Reads an escape, the cursor on its backslash. Whether surrogates come in
    /// pairs is not the grammar's business.
    pub(super) fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        match self.byte() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.byte().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.fault("expected four hexadecimal digits after `\\u`"));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.fault("no such escape in a string")),
        }
        Ok(())
    }

    /// Reads a number, the cursor on its minus or first digit.
    #[inline(never)]
    pub(super) fn number(&mut self) -> Result<(), Fault> {
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        if self.byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Reads one digit or more.
    fn digits(&mut self) -> Result<(), Fault> {
        let rest = self.rest();
        let end = rest.iter().position(|byte| !byte.is_ascii_digit());
        match end.unwrap_or(rest.len()) {
            0 => Err(self.fault("expected a digit")),
            length => {
                self.at += length;
                Ok(())
            }
        }
    }

    /// Reads `true`, `false` or `null`.
    pub(super) fn literal(&mut self) -> Result<(), Fault> {
        for word in ["true", "false", "null"] {
            if self.rest().starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(());
            }
        }
        Err(self.fault(NO_VALUE))
    }
}
