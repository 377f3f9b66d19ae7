//! The limit of open descriptors: raised for the gateway, whose every
//! connection and pipe needs one, and given back to its children, some of which
//! believe that all they may open is open, or count with `select`, which ends
//! at 1024.
//!
//! A process's limits are inherited, and without `unsafe` nothing of ours can
//! run in a child before its program does. So the child is started as this very
//! program, whose hidden sub-command sets the limit and becomes the server's
//! program: `mcproxy __exec --nofile N -- PROGRAM ARGS…`.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The first word of the hidden sub-command.
pub const EXEC: &str = "__exec";
/// The flag before the limit.
pub const NOFILE: &str = "--nofile";

/// The running program, also when its file has been replaced meanwhile: the
/// system opens what is running, and not what lies there now.
const OURSELVES: &str = "/proc/self/exe";

/// How many descriptors this process may open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Descriptors {
    /// How many before [`raise`].
    pub before: u64,
    /// How many now.
    pub now: u64,
}

impl Descriptors {
    /// What children are to be given back; `None` where nothing was raised.
    pub fn given_back(self) -> Option<u64> {
        (self.now != self.before).then_some(self.before)
    }
}

/// Raises the soft limit of open descriptors to the hard one, if it can be given
/// back to children: without `/proc` it stays as it is.
///
/// # Errors
/// The system refuses: where the hard limit is above what the kernel allows by now.
pub fn raise() -> io::Result<Descriptors> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let is_to_rise = soft < hard && Path::new(OURSELVES).exists();
    if is_to_rise {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(Descriptors {
        before: soft,
        now: if is_to_rise { hard } else { soft },
    })
}

/// Lowers the soft limit of this process.
///
/// # Errors
/// The system refuses; it has no reason to.
pub fn lower(soft: u64) -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, soft.min(hard), hard)?;
    Ok(())
}

/// What runs a program with this soft limit, its arguments still to be added.
pub fn command_with(soft: u64, program: &Path) -> Command {
    let mut command = Command::new(OURSELVES);
    command
        .arg0("mcproxy")
        .args([EXEC, NOFILE, &soft.to_string(), "--"])
        .arg(program);
    command
}
