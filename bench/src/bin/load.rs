//! `bench-load`: makes load for a gateway, checks each answer, and tells as one JSON object what
//! came of it. The modes are its sub-commands.

use std::io::{self, Write};
use std::process::ExitCode;

use bench::commands;
use bench::error::{Error, Result};
use serde_json::Value;

fn main() -> ExitCode {
    let told =
        run().and_then(|told| writeln!(io::stdout(), "{told}").map_err(Error::system("stdout")));
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Who cannot even be told has closed stderr.
            let _ = writeln!(io::stderr(), "bench-load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Value> {
    let mut arguments = lexopt::Parser::from_env();
    let options = commands::Options::read(&mut arguments)?;
    match options.mode.as_str() {
        "calls" => commands::calls(&options),
        _ => Err(Error::Usage(commands::USAGE.to_owned())),
    }
}
