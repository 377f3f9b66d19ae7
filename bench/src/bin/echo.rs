//! `bench-echo`: a stdio MCP server that gives back what it is given, as fast as one thread can.
//! It is what stands behind a gateway that is measured; `bench::echo` says what it answers.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use bench::echo::Echo;
use bench::error::{Error, Result};
use bench::program;
use lexopt::prelude::*;

const USAGE: &str = "usage: bench-echo [--tools N] [--first K] [--brief]
  --tools N  how many tools it has (default 5)
  --first K  the number of the first one, which is named tK (default 0)
  --brief    says of each tool no more than it must: 100 bytes instead of 600";

/// Bytes that are read at once: a pipe holds no more.
const CHUNK: usize = 64 * 1024;

fn main() -> ExitCode {
    program::end("bench-echo", run().map(|()| None))
}

fn run() -> Result<()> {
    let (mut tools, mut first, mut is_brief) = (5, 0, false);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("tools") => tools = arguments.value()?.parse()?,
            Long("first") => first = arguments.value()?.parse()?,
            Long("brief") => is_brief = true,
            Long("help") => return Err(Error::Usage(USAGE.to_owned())),
            other => return Err(other.unexpected().into()),
        }
    }
    serve(&match is_brief {
        true => Echo::brief(first, tools),
        false => Echo::new(first, tools),
    })
}

/// Answers all whole lines of each piece that is read with one write, until stdin ends.
fn serve(echo: &Echo) -> Result<()> {
    // The plain descriptors: the standard library's own buffers would only copy.
    let plain = |fd: std::os::fd::BorrowedFd<'_>| fd.try_clone_to_owned().map(File::from);
    let mut stdin = plain(io::stdin().as_fd()).map_err(Error::system("stdin"))?;
    let mut stdout = plain(io::stdout().as_fd()).map_err(Error::system("stdout"))?;
    let mut input = vec![0; CHUNK];
    let mut filled = 0;
    let mut out = Vec::new();
    loop {
        if filled == input.len() {
            input.resize(2 * filled, 0);
        }
        match stdin.read(&mut input[filled..]) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                // Only what was just read can hold the end of the first line.
                let is_whole = memchr::memchr(b'\n', &input[filled..filled + read]).is_some();
                filled += read;
                if !is_whole {
                    continue;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::System("stdin".to_owned(), error)),
        }
        let taken = echo.answer_lines(&input[..filled], &mut out);
        input.copy_within(taken..filled, 0);
        filled -= taken;
        stdout.write_all(&out).map_err(Error::system("stdout"))?;
        out.clear();
    }
}
