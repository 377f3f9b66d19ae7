//! Whether a program can be run, and why not, in words.
//!
//! Where a program is started through the hidden sub-command, the system's
//! refusal comes too late: by then the process is there. So what it would refuse
//! is looked for before, and what only the system can know the sub-command says
//! on stderr.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use crate::limits;

/// Looks whether the system would find and run `program`, as `execvp` looks:
/// a name without a slash in the folders of `path`, all else from `cwd` on.
///
/// # Errors
/// What the system would say.
pub fn look_for(program: &Path, path: Option<&OsStr>, cwd: &Path) -> io::Result<()> {
    if program.as_os_str().is_empty() {
        return Err(Errno::ENOENT.into());
    }
    if program.as_os_str().as_bytes().contains(&b'/') {
        return look_at(program, cwd);
    }
    // Where nothing is said, each C library has folders of its own.
    let Some(path) = path else { return Ok(()) };
    let mut why = Errno::ENOENT.into();
    for folder in std::env::split_paths(path) {
        match look_at(&folder.join(program), cwd) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => why = error,
            Err(error) if is_elsewhere(&error) => {}
            // It can be run, or let the system say what is wrong with it.
            _ => return Ok(()),
        }
    }
    Err(why)
}

fn is_elsewhere(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Whether a file can be run: that it is one, may be executed, and that the
/// interpreter its first line names is there.
fn look_at(program: &Path, cwd: &Path) -> io::Result<()> {
    let program = cwd.join(program);
    if !fs::metadata(&program)?.is_file() {
        return Err(Errno::EACCES.into());
    }
    access(&program, AccessFlags::X_OK)?;
    let mut start = Vec::new();
    // A program may be executable and not readable.
    if let Ok(file) = File::open(&program) {
        file.take(limits::INTERPRETER_LINE_BYTES)
            .read_to_end(&mut start)?;
    }
    let Some(interpreter) = interpreter(&start) else {
        return Ok(());
    };
    fs::metadata(cwd.join(interpreter)).map(|_| ())
}

/// What a script's first line names: `#! /bin/sh -e` names `/bin/sh`.
fn interpreter(start: &[u8]) -> Option<&Path> {
    let line = start
        .strip_prefix(b"#!")?
        .split(|&byte| byte == b'\n')
        .next()?;
    let mut words = line.split(|byte| b" \t\0".contains(byte));
    let word = words.find(|word| !word.is_empty())?;
    Some(Path::new(OsStr::from_bytes(word)))
}

/// Why a program could not be run. The system says "not found" of three
/// different things; this says which.
pub fn explain(program: &Path, cwd: Option<&Path>, error: &io::Error) -> String {
    let shown = program.display();
    if let Some(cwd) = cwd
        && !cwd.is_dir()
    {
        return format!(
            "cannot run \"{shown}\": its working directory \"{}\" is no directory",
            cwd.display()
        );
    }
    let file = cwd.unwrap_or(Path::new("")).join(program);
    if error.kind() == ErrorKind::NotFound && program.components().count() > 1 && file.is_file() {
        return format!(
            "cannot run \"{shown}\": the interpreter that its first line names, or its loader, is missing"
        );
    }
    format!("cannot run \"{shown}\": {error}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_interpreter_is_read_as_the_kernel_reads_it() {
        let read = |text: &[u8]| interpreter(text).map(|path| path.display().to_string());
        assert_eq!(read(b"#!/bin/sh\nexit"), Some("/bin/sh".to_owned()));
        assert_eq!(
            read(b"#! \t/usr/bin/env node\n"),
            Some("/usr/bin/env".to_owned())
        );
        assert_eq!(read(b"#!\n/bin/sh"), None);
        assert_eq!(read(b"\x7fELF"), None);
        assert_eq!(read(b""), None);
    }

    /// Holds what is seen beforehand against what the system says.
    #[test]
    fn what_is_seen_beforehand_is_what_the_system_says() {
        let folder = std::env::temp_dir().join(format!("mcproxy-program-{}", std::process::id()));
        fs::create_dir_all(folder.join("sub")).unwrap();
        let write = |name: &str, text: &str, mode| {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        write("good", "#!/bin/sh\nexit 0\n", 0o755);
        write("sub/good", "#!/bin/sh\nexit 0\n", 0o755);
        write("plain", "text", 0o644);
        write("orphan", "#!/no/such/interpreter\n", 0o755);
        let path = format!("/no/such/folder:{0}/good:{0}:{0}/sub", folder.display());
        let programs = [
            "good",
            "./good",
            "sub/good",
            "plain",
            "./plain",
            "sub",
            "./sub",
            "orphan",
            "./orphan",
            "./none",
            "none",
            "./good/none",
            "/dev/null",
            "",
        ];
        for program in programs {
            let program = Path::new(program);
            let seen = look_for(program, Some(OsStr::new(&path)), &folder);
            let ran = std::process::Command::new(program)
                .env("PATH", &path)
                .current_dir(&folder)
                .status();
            let told = |result: io::Result<()>| result.map_err(|error| error.raw_os_error());
            assert_eq!(told(seen), told(ran.map(|_| ())), "{program:?}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
