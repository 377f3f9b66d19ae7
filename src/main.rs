//! The one place that turns an outcome into an exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use mcproxy::cli::exit::Exit;
use mcproxy::cli::{console, exec, main, parse};

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if exec::is_meant(&words) {
        return exec::run(&words);
    }
    match parse::parse(words) {
        Ok(arguments) => main::main(&arguments).into(),
        Err(error) => {
            console::say(error);
            Exit::Usage.into()
        }
    }
}
