//! What is the same in every program: an error is a sentence on stderr and a failure, and what a
//! measurement came to is one JSON object on stdout.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::Value;

use crate::error::{Error, Result};

/// Tells what came of the program `name`; `None` where there is nothing to tell.
pub fn end(name: &str, outcome: Result<Option<Value>>) -> ExitCode {
    let told = outcome.and_then(|told| match told {
        Some(told) => writeln!(io::stdout(), "{told}").map_err(Error::system("stdout")),
        None => Ok(()),
    });
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Who cannot even be told has closed stderr.
            let _ = writeln!(io::stderr(), "{name}: {error}");
            ExitCode::FAILURE
        }
    }
}
