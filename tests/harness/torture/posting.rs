//! Clients of Streamable HTTP: the answer to a call is the answer to its POST, and calls that are
//! under way at the same time have a connection each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Run;
use crate::harness::client::{CallError, Client};
use crate::harness::spawn;
use crate::harness::stateless::KeptClient;
use crate::harness::streamable::{EventStream, McpClient};

/// One session, its calls made by several connections that draw the next id from one counter.
pub fn streamable_client(run: &Arc<Run>, client: usize) -> Result<(), CallError> {
    let mut first = McpClient::new(run.plan.address, &run.plan.path);
    first.initialize()?;
    let stream = first.get_stream(None)?;
    let closer = stream.http.closer()?;
    let listener = {
        let run = Arc::clone(run);
        spawn(move || listen_for_strays(&run, client, stream))
    };
    make_all_calls(run, client, || {
        let mut caller = first.sibling();
        caller.patience = run.plan.patience;
        caller.pace = run.pace_of(client);
        caller
    });
    let _ = closer.shutdown(std::net::Shutdown::Both);
    let _ = listener.join();
    first.delete()?;
    Ok(())
}

/// No session: only the numbers of the calls belong together.
pub fn stateless_client(run: &Arc<Run>, client: usize) {
    make_all_calls(run, client, || {
        let mut caller = KeptClient::new(run.plan.address, &run.plan.path);
        caller.patience = run.plan.patience;
        caller.pace = run.pace_of(client);
        caller
    });
}

/// Makes the calls of one client by as many callers as may be at it at the same time.
fn make_all_calls<C: Client + Send + 'static>(
    run: &Arc<Run>,
    client: usize,
    caller: impl Fn() -> C,
) {
    let next = Arc::new(AtomicU64::new(1));
    let callers: Vec<_> = (0..run.plan.in_flight)
        .map(|_| {
            let (run, next) = (Arc::clone(run), Arc::clone(&next));
            let mut caller = caller();
            spawn(move || make_calls(&run, client, &mut caller, &next))
        })
        .collect();
    for caller in callers {
        let _ = caller.join();
    }
}

/// Makes the next call that nobody makes, until there is none.
fn make_calls(run: &Run, client: usize, caller: &mut impl Client, next: &AtomicU64) {
    loop {
        let call = next.fetch_add(1, Ordering::Relaxed);
        if call > run.plan.calls {
            break;
        }
        let request = run.plan.payload(client, call).request(call);
        let asked = Instant::now();
        match caller.exchange(&request) {
            Ok(answer) => run.judge(client, call, &answer, asked.elapsed()),
            Err(error) => run.fault(&run.tally.missing, || {
                format!("client {client} call {call}: {error:?}")
            }),
        }
    }
    for stray in &caller.book().strays {
        run.fault(&run.tally.surplus, || format!("client {client}: {stray}"));
    }
}

/// No answer to a POST may come on the stream of the session.
fn listen_for_strays(run: &Run, client: usize, mut stream: EventStream) {
    if stream.head.status != 200 {
        return; // A server may have no such stream.
    }
    stream.http.patience = Duration::from_secs(24 * 3600);
    while let Ok(Some(message)) = stream.next_message() {
        if message.get("method").is_none() {
            run.fault(&run.tally.surplus, || format!("client {client}: {message}"));
        }
    }
}
