//! The exit codes, for scripts to rely on.

use std::process::ExitCode;

/// How a run ended, as the shell sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All went well.
    Ok = 0,
    /// The work was done and its outcome is bad.
    Failure = 1,
    /// The command line made no sense; nothing was done.
    Usage = 2,
    /// The gateway could not start.
    CannotStart = 3,
    /// The gateway that was asked runs, and not every server of it is well.
    NotWell = 4,
}

impl Exit {
    /// Every code, in order; help and man page list them from here.
    pub const ALL: &[Exit] = &[
        Exit::Ok,
        Exit::Failure,
        Exit::Usage,
        Exit::CannotStart,
        Exit::NotWell,
    ];

    /// This one, or another where all has gone well so far.
    #[must_use]
    pub fn or(self, other: Exit) -> Exit {
        match self {
            Exit::Ok => other,
            bad => bad,
        }
    }

    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What the help says of it.
    pub const fn doc(self) -> &'static str {
        match self {
            Exit::Ok => "all went well",
            Exit::Failure => {
                "failure: \"check\" found errors; \"call\", \"tools\", \"status\" or stdout failed"
            }
            Exit::Usage => "the command line could not be understood; nothing was done",
            Exit::CannotStart => {
                "could not start: no config to read, the port in use, and the like"
            }
            Exit::NotWell => "\"status\": the gateway runs, but not every server is well",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
