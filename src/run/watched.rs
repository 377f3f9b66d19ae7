//! What is watched of the configuration, by the ways to serve.

use crate::reload::{Source, Stage, Watched};
use crate::systemd::notify::Notifier;

/// For a gateway that listens, and may have a service manager that wants to know
/// when the configuration is read anew.
pub fn by_http(source: Source, notifier: Notifier) -> Watched {
    Watched {
        source,
        listens: true,
        tell: Box::new(move |stage| match stage {
            Stage::Begins => notifier.reloading(),
            Stage::Over => notifier.ready(),
        }),
    }
}

/// For one that serves over its stdin and stdout.
pub fn by_stdio(source: Source) -> Watched {
    Watched {
        source,
        listens: false,
        tell: Box::new(drop),
    }
}
