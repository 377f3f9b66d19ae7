//! Starts and stops the engine.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::http::accept::Acceptor;
use crate::http::connection::Shared;
use crate::http::peer::Table;
use crate::http::settings::Settings;
use crate::http::wake::Bell;
use crate::http::watch::Watch;
use crate::http::{Running, Service};
use crate::{limits, threads};

/// Serves HTTP on `listener` until it is stopped.
///
/// # Errors
/// The system has no descriptors or no threads left, or the listener is none.
pub fn start(
    listener: TcpListener,
    service: Arc<dyn Service>,
    settings: Settings,
) -> io::Result<Box<dyn Running>> {
    let address = listener.local_addr()?;
    let bell = Arc::new(Bell::new()?);
    let (watch, watcher) = Watch::start()?;
    let table = Arc::<Table>::default();
    let shared = Arc::new(Shared {
        service,
        settings,
        table,
        watch: Arc::clone(&watch),
        parting: Arc::default(),
        closed: AtomicBool::new(false),
        stopping: AtomicBool::new(false),
    });
    let accepting =
        Acceptor::new(listener, Arc::clone(&bell), Arc::clone(&shared)).and_then(|acceptor| {
            threads::spawn("http-accept", limits::HTTP_STACK_BYTES, move || {
                acceptor.run();
            })
        });
    match accepting {
        Ok(acceptor) => Ok(Box::new(Engine {
            address,
            bell,
            shared,
            acceptor: Some(acceptor),
            watcher,
        })),
        Err(error) => {
            watch.stop();
            join(watcher);
            Err(error)
        }
    }
}

struct Engine {
    address: SocketAddr,
    bell: Arc<Bell>,
    shared: Arc<Shared>,
    /// Until it was stopped.
    acceptor: Option<JoinHandle<()>>,
    watcher: JoinHandle<()>,
}

impl Engine {
    /// Accepts no further connection.
    fn close(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.bell.ring();
        if let Some(acceptor) = self.acceptor.take() {
            join(acceptor);
        }
    }
}

impl Running for Engine {
    fn local_addr(&self) -> SocketAddr {
        self.address
    }

    fn part(&mut self) {
        self.shared.parting.store(true, Ordering::SeqCst);
    }

    fn hand_over(&mut self) {
        self.part();
        self.close();
        let table = &self.shared.table;
        table.wait_until_empty(limits::HTTP_HANDOVER_WAIT);
        table.cut(true);
    }

    fn stop(mut self: Box<Self>) -> usize {
        self.part();
        // First, so that a connection that is accepted meanwhile is cut with the others.
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.close();
        let Shared {
            table,
            settings,
            watch,
            ..
        } = &*self.shared;
        table.cut(true);
        let mut left = table.wait_until_empty(settings.stop_grace);
        if left > 0 {
            // Their threads see the end of the socket; those that wait elsewhere are told by the watch thread.
            table.cut(false);
            left = table.wait_until_empty(settings.stop_wait);
        }
        watch.stop();
        join(self.watcher);
        left
    }
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        log::error!("http: a thread of the engine had panicked");
    }
}
