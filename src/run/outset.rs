//! What the hub is given at its start, for it cannot find it out itself: the
//! time, its dice, the key that it seals with, and what was kept of the
//! gateways before this one.

use crate::config::checked::{Config, Secret};
use crate::dispatcher::since_1970;
use crate::hub::Outset;
use crate::run::Error;
use crate::seal::Seal;
use crate::state::{Opening, State, folder, key};

/// Whether the sessions of a gateway may outlive its process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sessions {
    /// They do: it serves over HTTP.
    Last,
    /// They end with the one client that it serves.
    End,
    /// It has none: it is started to see what its servers offer now, and does not
    /// take what they offered earlier for that.
    None,
}

/// Reads what was kept, and starts the thread that keeps the rest.
///
/// # Errors
/// The key in the environment is empty, or there is no randomness.
pub fn outset(config: &Config, sessions: Sessions) -> Result<(Outset, State), Error> {
    let last = sessions == Sessions::Last;
    let mut folder = folder::of_this_process();
    if last {
        folder = folder.and_then(folder::made);
    }
    let variable = |name: &str| std::env::var_os(name);
    let key_folder = folder.as_deref().filter(|_| last);
    let key = key::find(variable, key_folder).map_err(Error::State)?;
    if last {
        log::debug!("the key of session ids: {}", key.origin);
    }
    let unix = since_1970();
    let servers: Vec<String> = config.servers.iter().map(|s| s.name.clone()).collect();
    let (state, mut recalled) = State::open(Opening {
        folder: folder.as_deref(),
        now: unix.as_secs(),
        journal: last,
        servers: &servers,
    });
    if sessions == Sessions::None {
        recalled.lists.clear();
    }
    let token = config.token.as_ref().map(Secret::expose);
    let outset = Outset {
        seal: Seal::new(&key.secret, token),
        recalled,
        seed: getrandom::u64().map_err(|error| Error::System {
            what: "without the system's randomness",
            error: std::io::Error::other(error.to_string()),
        })?,
        unix,
    };
    Ok((outset, state))
}
