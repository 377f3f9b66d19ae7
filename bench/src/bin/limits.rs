//! `bench-limits`: what is possible without a gateway, on the same machine in the same minutes:
//! the pipe to the child alone, HTTP with a thread for each connection and nothing behind it, and
//! the bare shape of a gateway that has no features.

use std::process::ExitCode;

use bench::commands::{calls, options};
use bench::echo::Echo;
use bench::error::{Error, Result};
use bench::shape::{self, Design};
use bench::{http_server, program};
use lexopt::Arg::{Long, Value as Word};
use lexopt::ValueExt;
use serde_json::Value;

const USAGE: &str = "usage: bench-limits pipe [OPTION...]
         calls over the pipes of a bench-echo, which lies beside this program
         --in-flight K (1)  --seconds S (5)  --warmup S (1)  --payload BYTES (100)
       bench-limits serve --port P [--tools N] [--brief]
         serves http://127.0.0.1:P/mcp until it is ended; bench-load makes the calls
       bench-limits shape --port P [--design NAME] -- COMMAND ARG...
         a gateway in front of COMMAND that does nothing but pass messages on; its design is
         pens, queues, ears, ears-lent, loop or locked (pens); serves
         http://127.0.0.1:P/mcp and, over HTTP+SSE, /sse";

fn main() -> ExitCode {
    program::end("bench-limits", run())
}

fn run() -> Result<Option<Value>> {
    let mut arguments = lexopt::Parser::from_env();
    match arguments.next()? {
        Some(Word(mode)) if mode == "pipe" => {
            let mut options = options::Options::read(&mut arguments)?;
            options.use_pipes_of(vec![beside("bench-echo")?]);
            calls::run(&options).map(Some)
        }
        Some(Word(mode)) if mode == "serve" => serve(&mut arguments).map(|()| None),
        Some(Word(mode)) if mode == "shape" => bare_shape(&mut arguments).map(|()| None),
        _ => Err(Error::Usage(USAGE.to_owned())),
    }
}

/// The path of a program that was built together with this one.
fn beside(name: &str) -> Result<String> {
    let own = std::env::current_exe().map_err(Error::system("finding bench-echo"))?;
    Ok(own.with_file_name(name).to_string_lossy().into_owned())
}

fn serve(arguments: &mut lexopt::Parser) -> Result<()> {
    let (mut port, mut tools, mut is_brief) = (None, 5, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("port") => port = Some(arguments.value()?.parse()?),
            Long("tools") => tools = arguments.value()?.parse()?,
            Long("brief") => is_brief = true,
            other => return Err(other.unexpected().into()),
        }
    }
    let port = port.ok_or_else(|| Error::Usage(USAGE.to_owned()))?;
    let echo = match is_brief {
        true => Echo::brief(0, tools),
        false => Echo::new(0, tools),
    };
    http_server::serve(port, echo)
}

fn bare_shape(arguments: &mut lexopt::Parser) -> Result<()> {
    let usage = || Error::Usage(USAGE.to_owned());
    let (mut port, mut design, mut command) = (None, Design::Pens, Vec::new());
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("port") => port = Some(arguments.value()?.parse()?),
            Long("design") => {
                let name = arguments.value()?.string()?;
                design = Design::named(&name).ok_or_else(usage)?;
            }
            Word(program) => {
                command.push(program.string()?);
                for argument in arguments.raw_args()? {
                    command.push(argument.string()?);
                }
            }
            other => return Err(other.unexpected().into()),
        }
    }
    shape::serve(design, port.ok_or_else(usage)?, &command)
}
