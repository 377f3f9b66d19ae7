//! `bench-load`: makes load for a gateway, checks each answer, and tells as one JSON object what
//! came of it. The modes are its sub-commands.

use std::process::ExitCode;

use bench::commands::{calls, idle, list, options, start};
use bench::error::{Error, Result};
use bench::program;
use serde_json::Value;

fn main() -> ExitCode {
    program::end("bench-load", run().map(Some))
}

fn run() -> Result<Value> {
    let mut arguments = lexopt::Parser::from_env();
    let options = options::Options::read(&mut arguments)?;
    match options.mode.as_str() {
        "calls" => calls::run(&options),
        "list" => list::run(&options),
        "idle" => idle::run(&options),
        "start" => start::run(&options),
        _ => Err(Error::Usage(options::USAGE.to_owned())),
    }
}
