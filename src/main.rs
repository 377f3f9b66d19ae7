//! The one place that turns an outcome into an exit code.

use std::process::ExitCode;

use mcproxy::cli::exit::Exit;
use mcproxy::cli::{console, main, parse};

fn main() -> ExitCode {
    match parse::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => main::main(&arguments).into(),
        Err(error) => {
            console::say(error);
            Exit::Usage.into()
        }
    }
}
