//! What the configuration depends on besides its text, handed in so that tests need no real machine.

use crate::config::problem::Fault;
use crate::sorted::SortedMap;
use log::LevelFilter;
use std::path::{Path, PathBuf};

/// The machine around the configuration. Has no `Debug`: the environment holds secrets.
pub struct Surroundings<'a> {
    /// The gateway's own environment.
    pub environment: SortedMap<String, String>,
    /// This executable, absolute: what `${MCPROXY}` stands for.
    pub executable: PathBuf,
    /// The folder the gateway was started in, absolute: what `${workspaceFolder}` stands
    /// for, and what relative paths of the file are relative to.
    pub working_dir: PathBuf,
    /// The file system.
    pub files: &'a dyn Files,
}

/// What is asked of the file system.
pub trait Files {
    /// Whether this is a file that may be executed.
    fn is_executable(&self, path: &Path) -> bool;

    /// Whether this is a directory.
    fn is_directory(&self, path: &Path) -> bool;

    /// The bytes of a file.
    ///
    /// # Errors
    /// `Fault::Unreadable`, or `Fault::TooLarge` for a file of more than `limit` bytes.
    fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, Fault>;
}

/// What the command line says, which beats the environment and the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--host`
    pub host: Option<String>,
    /// `--port`
    pub port: Option<u16>,
    /// `--log-level`
    pub log_level: Option<LevelFilter>,
}
