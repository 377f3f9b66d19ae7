//! The least that an MCP server over HTTP can be: a thread for each connection that reads, answers
//! by itself and writes, with no queue, no other thread and no child. Whatever a gateway does
//! beyond this it does for its features.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use crate::echo::Echo;
use crate::error::{Error, Result};
use crate::http_request::{Method, request};
use crate::io_buffers::{Filled, Inlet};

/// The stack of a connection's thread, in bytes: what is deep is reading JSON, and that is short.
const STACK: usize = 128 * 1024;

/// Serves this port of the loopback address until the program is ended.
///
/// # Errors
/// If the port cannot be listened on, or there can be no more threads.
pub fn serve(port: u16, echo: Echo) -> Result<()> {
    let echo = Arc::new(echo);
    each_connection(
        &listen(port)?,
        &Arc::new(move |stream| converse(stream, &echo)),
    )
}

/// Listens on this port of the loopback address.
///
/// # Errors
/// If somebody else does.
pub fn listen(port: u16) -> Result<TcpListener> {
    let listener = TcpListener::bind(("127.0.0.1", port));
    listener.map_err(Error::system(format!("listening on port {port}")))
}

/// Gives each connection a thread of its own, in which `converse` has it. Never ends by itself.
///
/// # Errors
/// If there can be no more connections or threads.
pub fn each_connection<C>(listener: &TcpListener, converse: &Arc<C>) -> Result<()>
where
    C: Fn(TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
{
    for stream in listener.incoming() {
        let stream = stream.map_err(Error::system("accepting a connection"))?;
        let converse = Arc::clone(converse);
        let connection = thread::Builder::new().stack_size(STACK);
        // A connection that breaks, or is no HTTP, costs itself alone.
        let started = connection.spawn(move || drop(converse(stream)));
        started.map_err(Error::system("starting a thread"))?;
    }
    Ok(())
}

/// Answers the requests of one connection until it ends.
fn converse(mut stream: TcpStream, echo: &Echo) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut inlet = Inlet::default();
    let mut body = Vec::new();
    let mut out = Vec::new();
    loop {
        let Some(request) = request(inlet.bytes())? else {
            match inlet.fill(&mut stream)? {
                Filled::End => return Ok(()),
                Filled::More | Filled::Nothing => continue,
            }
        };
        let message = &inlet.bytes()[request.head..request.head + request.body];
        out.clear();
        match request.method {
            Method::Post => {
                body.clear();
                if echo.answer(message, &mut body) {
                    let length = body.len();
                    write!(
                        out,
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                         Mcp-Session-Id: only-one\r\nContent-Length: {length}\r\n\r\n"
                    )?;
                    out.extend_from_slice(&body);
                } else {
                    out.extend_from_slice(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
                }
            }
            // A stream on which nothing is ever said.
            Method::Get => out.extend_from_slice(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                  Transfer-Encoding: chunked\r\n\r\n",
            ),
            Method::Other => {
                out.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        }
        let (method, used) = (request.method, request.head + request.body);
        inlet.used(used);
        stream.write_all(&out)?;
        if method == Method::Get {
            // Until the client has had enough.
            let mut rest = [0; 64];
            while stream.read(&mut rest)? > 0 {}
            return Ok(());
        }
    }
}
