//! Clients that come, call and go, for as long as one likes: what a gateway lives through in
//! months, in minutes. Each answer is looked at, and nothing goes wrong on purpose; for that
//! there is `torture`.

use std::net::SocketAddr;

use serde_json::json;

use super::client::{CallError, Client, text_of};
use super::legacy_sse::SseClient;
use super::spawn;
use super::stateless::KeptClient;
use super::streamable::McpClient;

/// How clients come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Streamable HTTP with sessions.
    Streamable,
    /// HTTP+SSE: a session is a stream.
    LegacySse,
    /// Streamable HTTP without sessions: a visit is a connection.
    Stateless,
}

/// How a visit ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// The session is ended (DELETE), or its stream closed.
    Ends,
    /// The client is never heard of again.
    Abandons,
}

/// Several clients at once, who all do the same.
#[derive(Debug, Clone)]
pub struct Load {
    /// The gateway.
    pub address: SocketAddr,
    /// Where it serves them.
    pub path: &'static str,
    /// The transport.
    pub door: Door,
    /// A tool that tells its argument `text`.
    pub tool: String,
    /// How many come at once.
    pub clients: u64,
}

impl Load {
    /// So many visits of so many calls each, divided among the clients; over when all have left.
    ///
    /// # Panics
    /// Where an answer is not what it must be.
    pub fn visits(&self, visits: u64, calls: u64, leaving: Leaving) {
        let workers: Vec<_> = (0..self.clients)
            .map(|worker| {
                let load = self.clone();
                let own = visits / self.clients + u64::from(worker < visits % self.clients);
                spawn(move || {
                    for visit in 0..own {
                        load.visit(calls, leaving)
                            .unwrap_or_else(|error| panic!("visit {visit}: {error:?}"));
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().expect("every answer was right");
        }
    }

    fn visit(&self, calls: u64, leaving: Leaving) -> Result<(), CallError> {
        match self.door {
            Door::Streamable => {
                let mut client = McpClient::new(self.address, self.path);
                client.initialize()?;
                self.calls(&mut client, calls)?;
                if leaving == Leaving::Ends {
                    assert_eq!(client.delete()? / 100, 2, "the session ends");
                }
            }
            Door::LegacySse => {
                let mut client = SseClient::open(self.address, self.path, &[])?;
                client.initialize()?;
                self.calls(&mut client, calls)?;
            }
            Door::Stateless => {
                let mut client = KeptClient::new(self.address, self.path);
                self.calls(&mut client, calls)?;
            }
        }
        Ok(())
    }

    fn calls(&self, client: &mut impl Client, calls: u64) -> Result<(), CallError> {
        for call in 0..calls {
            let text = format!("call {call}");
            let result = client.call_tool(&self.tool, json!({"text": text}))?;
            assert_eq!(text_of(&result), text);
        }
        Ok(())
    }
}
