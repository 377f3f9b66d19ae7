//! Clients of HTTP+SSE: all answers come on the one stream of the session, in any order.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::json;

use super::Run;
use crate::harness::client::{CallError, Client};
use crate::harness::legacy_sse::{SseClient, SseListener, SsePoster};
use crate::harness::spawn;

/// The id of the ping by which a client ends.
const END: &str = "end";

/// One thread POSTs, another reads; a channel with as many places as calls may be in flight
/// holds the first back.
pub fn legacy_client(run: &Arc<Run>, client: usize) -> Result<(), CallError> {
    let mut opened = SseClient::open(run.plan.address, &run.plan.path, &[])?;
    opened.book.last_id = u64::MAX / 2; // The calls count from 1; `initialize` stays apart.
    opened.initialize()?;
    let SseClient {
        poster,
        mut listener,
        ..
    } = opened;
    listener.http.pace = run.pace_of(client);
    listener.http.patience = run.plan.patience;
    let (place, places) = sync_channel::<()>(run.plan.in_flight);
    let asked: Arc<Mutex<Vec<Option<Instant>>>> = Arc::default();
    let speaker = {
        let (run, asked) = (Arc::clone(run), Arc::clone(&asked));
        spawn(move || legacy_speaker(&run, client, poster, &place, &asked))
    };
    let heard = legacy_listener(run, client, &mut listener, &asked, || {
        let _ = places.try_recv();
    });
    drop(places);
    run.tally
        .missing
        .fetch_add(run.plan.calls - heard, Ordering::Relaxed);
    let _ = speaker.join();
    Ok(())
}

fn legacy_speaker(
    run: &Run,
    client: usize,
    mut poster: SsePoster,
    place: &SyncSender<()>,
    asked: &Mutex<Vec<Option<Instant>>>,
) {
    for call in 1..=run.plan.calls {
        if place.send(()).is_err() {
            return; // The listener has given up.
        }
        asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Some(Instant::now()));
        if let Err(error) = poster.post(&run.plan.payload(client, call).request(call)) {
            run.fault(&run.tally.lost_clients, || {
                format!("client {client} cannot post call {call}: {error:?}")
            });
            return;
        }
    }
    // Every place is free once every answer has come; only then is the end asked for.
    let all_answered = (0..run.plan.in_flight).all(|_| place.send(()).is_ok());
    if all_answered {
        let _ = poster.post(&json!({"jsonrpc": "2.0", "id": END, "method": "ping"}));
    }
}

/// Reads until every call has its answer, and on until the `END`, so that a second answer to
/// the last call is seen too; tells how many had one.
fn legacy_listener(
    run: &Run,
    client: usize,
    listener: &mut SseListener,
    asked: &Mutex<Vec<Option<Instant>>>,
    make_room: impl Fn(),
) -> u64 {
    let mut heard = 0;
    loop {
        let message = match listener.receive() {
            Ok(message) => message,
            Err(error) => {
                run.fault(&run.tally.lost_clients, || {
                    format!("client {client} after {heard} answers: {error:?}")
                });
                break;
            }
        };
        if message.get("method").is_some() {
            continue;
        }
        if message["id"] == END {
            break;
        }
        let call = message["id"].as_u64().unwrap_or_default();
        let place = usize::try_from(call.wrapping_sub(1)).unwrap_or(usize::MAX);
        let when = asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_mut(place)
            .and_then(Option::take);
        match when {
            Some(when) => {
                heard += 1;
                run.judge(client, call, &message, when.elapsed());
                make_room();
            }
            None => run.fault(&run.tally.surplus, || format!("client {client}: {message}")),
        }
    }
    heard
}
