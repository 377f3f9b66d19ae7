//! A caller against answers that are right, wrong, missing and surplus.

use super::*;
use crate::poller::Poller;
use crate::session::Hear;
use crate::text_calls::TextCalls;

/// A session that keeps what is sent.
#[derive(Default)]
struct Kept {
    sent: Vec<String>,
}

impl Session for Kept {
    fn is_free(&self) -> bool {
        true
    }

    fn send(&mut self, message: &[u8], _: &Poller) -> Result<()> {
        self.sent
            .push(String::from_utf8_lossy(message).into_owned());
        Ok(())
    }

    fn flush(&mut self, _: &Poller) -> Result<()> {
        Ok(())
    }

    fn ready(&mut self, _: u8, _: &Poller, _: Hear<'_>) -> Result<()> {
        Ok(())
    }

    fn greeted(&mut self, _: &Value) {}

    fn listen(&mut self, _: &Poller) -> Result<()> {
        Ok(())
    }

    fn is_listening(&self) -> bool {
        true
    }

    fn rest(&mut self) {}

    fn leave(&mut self, _: &Poller) -> Result<()> {
        Ok(())
    }

    fn reconnects(&self) -> u64 {
        0
    }
}

struct Scene {
    caller: Caller<TextCalls>,
    session: Kept,
    poller: Poller,
    tally: Tally,
}

impl Scene {
    fn new(in_flight: usize) -> Scene {
        let mut scene = Scene {
            caller: Caller::new(0, TextCalls::new(3, "t0", 100), in_flight),
            session: Kept::default(),
            poller: Poller::new().expect("a descriptor is left"),
            tally: Tally {
                counts: true,
                ..Tally::default()
            },
        };
        scene.go_on(true);
        scene
    }

    fn go_on(&mut self, is_on: bool) {
        let went = self.caller.go_on(is_on, &mut self.session, &self.poller);
        went.expect("this session takes all");
    }

    fn hear(&mut self, message: &str) -> Result<()> {
        self.caller.hear(message.as_bytes(), &mut self.tally)
    }

    /// The id and the text of a request that was sent.
    fn sent(&self, at: usize) -> (u64, String) {
        let request: Value = serde_json::from_str(&self.session.sent[at]).expect("JSON");
        let text = request["params"]["arguments"]["text"]
            .as_str()
            .expect("a text");
        (request["id"].as_u64().expect("a number"), text.to_owned())
    }
}

fn answer(id: u64, text: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#
    )
}

#[test]
fn each_call_has_a_text_of_its_own_and_is_answered_once() {
    let mut scene = Scene::new(1);
    for at in 0..5 {
        let (id, text) = scene.sent(at);
        assert_eq!(text.len(), 100);
        assert!(
            text.contains("client 00003") && text.contains(&id.to_string()),
            "{text}"
        );
        scene.hear(&answer(id, &text)).expect("the right answer");
        assert!(scene.hear(&answer(id, &text)).is_err(), "once is enough");
        scene.go_on(true);
    }
    assert_eq!(
        (scene.tally.times.total(), scene.caller.under_way()),
        (5, 1)
    );
}

#[test]
fn answers_may_come_in_any_order() {
    let mut scene = Scene::new(4);
    assert_eq!(scene.session.sent.len(), 4);
    for at in [2, 0, 3, 1] {
        let (id, text) = scene.sent(at);
        scene.hear(&answer(id, &text)).expect("the right answer");
    }
    assert_eq!(scene.caller.under_way(), 0);
    scene.go_on(true);
    let mut ids: Vec<u64> = (0..8).map(|at| scene.sent(at).0).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 8, "no number is used twice");
}

#[test]
fn a_wrong_answer_is_found_out_before_and_after_the_first_right_one() {
    for is_first in [true, false] {
        let mut scene = Scene::new(2);
        let (first, text) = scene.sent(0);
        if !is_first {
            scene.hear(&answer(first, &text)).expect("the right answer");
            scene.go_on(true);
        }
        let (id, text) = scene.sent(1);
        let other = text.replace("client 00003", "client 00004");
        let late = text.replace(&id.to_string(), &(id + 2).to_string());
        let no_text = r#"{"content":[]}"#;
        let wrong = [
            answer(id, &other),
            answer(id, &late),
            answer(id, &text[1..]),
            answer(id + 2, &text),
            answer(7, &text),
            format!(r#"{{"jsonrpc":"2.0","id":"{id}","result":{{}}}}"#),
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{no_text}}}"#),
            format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":1,"message":"no"}}}}"#),
            answer(id, &text).replace("]}", r#"],"isError":true}"#),
            answer(id, &text).replace('{', ""),
        ];
        for message in wrong {
            assert!(scene.hear(&message).is_err(), "{message}");
        }
        scene
            .hear(&answer(id, &text))
            .expect("the right answer, in another form or not");
    }
}

#[test]
fn an_answer_may_change_its_form() {
    let mut scene = Scene::new(1);
    for at in 0..4 {
        let (id, text) = scene.sent(at);
        let plain = answer(id, &text);
        let message = match at % 2 {
            0 => plain,
            _ => format!(
                " {} ",
                plain.replace("client", r"\u0063lient").replace(':', " : ")
            ),
        };
        // In the text itself a colon is one.
        let message = message.replace(&format!("{id} : "), &format!("{id}:"));
        scene.hear(&message).expect("the right answer");
        scene.go_on(true);
    }
}

#[test]
fn the_server_may_speak_too() {
    let mut scene = Scene::new(1);
    scene
        .hear(r#"{"method":"notifications/message","params":{}}"#)
        .expect("heard");
    scene.hear(r#"{"id":"s","method":"ping"}"#).expect("heard");
    scene.go_on(true);
    assert_eq!(scene.session.sent.len(), 2);
    assert!(scene.session.sent[1].contains(r#""id":"s""#));
    assert_eq!(scene.caller.under_way(), 1);
}

#[test]
fn nothing_new_is_asked_when_it_is_over() {
    let mut scene = Scene::new(1);
    let (id, text) = scene.sent(0);
    scene.tally.counts = false;
    scene.hear(&answer(id, &text)).expect("the right answer");
    scene.go_on(false);
    assert_eq!((scene.caller.under_way(), scene.session.sent.len()), (0, 1));
    assert_eq!(scene.tally.times.total(), 0);
}
