//! Answers on a connection from outside of its thread, which sleeps meanwhile. Never blocks: it writes what the kernel
//! takes at once.

use std::io::IoSlice;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::socket::{MsgFlags, send, sendmsg};

use crate::http::answer::{self, AnswerFraming, Opening};
use crate::http::peer::Peer;
use crate::limits;

/// The way to one peer, for threads beside that of the connection.
#[derive(Debug)]
pub struct Line {
    /// The peer.
    pub peer: Arc<Peer>,
    /// Whether clients are to come by new connections, which each answer has to say: then that thread alone answers.
    pub parting: Arc<AtomicBool>,
}

/// Writes to one peer, for one exchange or, as long as each answer has the same framing, for those that follow it.
#[derive(Debug)]
pub struct Courier {
    line: Line,
    framing: AnswerFraming,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Sent {
    /// All of it was written.
    All,
    /// All but these bytes, which are for the thread of the connection to write.
    Part(Vec<u8>),
    /// Nothing. Why, the thread of the connection finds out when it tries.
    Nothing,
}

impl Courier {
    /// For an exchange whose body will have this framing; the length that it may name means nothing.
    pub fn new(line: Line, framing: AnswerFraming) -> Courier {
        Courier { line, framing }
    }

    /// Sends a whole answer, after which the connection goes on. Its head is written to `head`, which is empty; what
    /// that holds afterwards means nothing.
    pub fn answer(&self, head: &mut Vec<u8>, opening: &Opening, body: &[&[u8]]) -> Sent {
        if self.line.parting.load(Ordering::SeqCst) {
            return Sent::Nothing;
        }
        opening.write_to(head, length_of(body));
        let sent = self.send(head, body, b"");
        if sent == Sent::All {
            // The connection is before its next request, which its thread need not know to be cut.
            self.line.peer.set_idle(true);
        }
        sent
    }

    /// Sends one piece of a stream, which must not be empty; `head` is used as [`Courier::answer`] does.
    pub fn piece(&self, head: &mut Vec<u8>, piece: &[&[u8]]) -> Sent {
        if self.framing != AnswerFraming::Chunked {
            return self.send(head, piece, b"");
        }
        answer::write_chunk_size(head, length_of(piece));
        self.send(head, piece, b"\r\n")
    }

    fn send(&self, head: &mut Vec<u8>, pieces: &[&[u8]], end: &[u8]) -> Sent {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let socket = self.line.peer.stream.as_raw_fd();
        if length_of(pieces) <= limits::HTTP_COURIER_COPY_BYTES {
            for piece in pieces.iter().chain([&end]) {
                head.extend_from_slice(piece);
            }
            return match send(socket, head, flags) {
                Ok(sent) => what_follows(&[head], sent),
                Err(_) => Sent::Nothing,
            };
        }
        let all = [&[&head[..]], pieces, &[end]].concat();
        let slices: Vec<_> = all.iter().map(|piece| IoSlice::new(piece)).collect();
        match sendmsg::<()>(socket, &slices, &[], flags, None) {
            Ok(sent) => what_follows(&all, sent),
            Err(_) => Sent::Nothing,
        }
    }
}

/// What became of these, of which so many bytes were sent.
fn what_follows(all: &[&[u8]], mut sent: usize) -> Sent {
    let mut rest = Vec::new();
    for piece in all {
        let from = sent.min(piece.len());
        rest.extend_from_slice(&piece[from..]);
        sent -= from;
    }
    match rest.is_empty() {
        true => Sent::All,
        false => Sent::Part(rest),
    }
}

fn length_of(pieces: &[&[u8]]) -> usize {
    pieces.iter().map(|piece| piece.len()).sum()
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::http::ConnectionId;

    /// A peer, and the client at its other end.
    fn pair() -> (Arc<Peer>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, address) = listener.accept().unwrap();
        (
            Arc::new(Peer::new(stream, address, ConnectionId(1))),
            client,
        )
    }

    fn line(peer: Arc<Peer>) -> Line {
        Line {
            peer,
            parting: Arc::default(),
        }
    }

    fn read(client: &mut TcpStream, length: usize) -> Vec<u8> {
        let mut read = vec![0; length];
        client.read_exact(&mut read).unwrap();
        read
    }

    #[test]
    fn an_answer_is_whole() {
        let (peer, mut client) = pair();
        let courier = Courier::new(line(peer), AnswerFraming::Length(0));
        let opening = Opening::of(200, &[("A", "b")]).unwrap();
        let sent = courier.answer(&mut Vec::new(), &opening, &[b"bo", b"dy"]);
        assert_eq!(sent, Sent::All);
        let expected = b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 4\r\n\r\nbody";
        assert_eq!(read(&mut client, expected.len()), expected);
    }

    #[test]
    fn none_is_sent_once_clients_are_to_come_anew() {
        let (peer, _client) = pair();
        let parting = Arc::<AtomicBool>::default();
        let line = Line {
            peer,
            parting: Arc::clone(&parting),
        };
        let courier = Courier::new(line, AnswerFraming::Length(0));
        let opening = Opening::of(200, &[]).unwrap();
        let answer = || courier.answer(&mut Vec::new(), &opening, &[]);
        assert_eq!(answer(), Sent::All);
        parting.store(true, Ordering::SeqCst);
        assert_eq!(answer(), Sent::Nothing);
    }

    #[test]
    fn a_piece_is_framed_as_its_stream_is() {
        for (framing, expected) in [
            (AnswerFraming::Chunked, &b"5\r\nhello\r\n"[..]),
            (AnswerFraming::UntilClose, &b"hello"[..]),
        ] {
            let (peer, mut client) = pair();
            let courier = Courier::new(line(peer), framing);
            for _ in 0..2 {
                let sent = courier.piece(&mut Vec::new(), &[b"hello"]);
                assert_eq!(sent, Sent::All);
                assert_eq!(read(&mut client, expected.len()), expected);
            }
        }
    }

    #[test]
    fn what_the_kernel_does_not_take_comes_back() {
        let (peer, mut client) = pair();
        let courier = Courier::new(line(peer), AnswerFraming::UntilClose);
        let mut expected = Vec::new();
        let rest = loop {
            let piece = vec![expected.len() as u8; 300_001];
            match courier.piece(&mut Vec::new(), &[&piece]) {
                Sent::All => expected.extend_from_slice(&piece),
                Sent::Part(rest) => {
                    expected.extend_from_slice(&piece);
                    break rest;
                }
                Sent::Nothing => break Vec::new(),
            }
        };
        assert_eq!(courier.piece(&mut Vec::new(), &[b"x"]), Sent::Nothing);
        let arrived = read(&mut client, expected.len() - rest.len());
        assert!([arrived, rest].concat() == expected);
    }

    #[test]
    fn to_one_who_left_nothing_is_sent() {
        let (peer, client) = pair();
        drop(client);
        peer.cut();
        let courier = Courier::new(line(peer), AnswerFraming::Chunked);
        assert_eq!(courier.piece(&mut Vec::new(), &[b"x"]), Sent::Nothing);
    }
}
