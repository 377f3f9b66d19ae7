//! What makes load for the gateway and measures it: the parts that the programs in `bin/` share.
//! Nothing of the gateway itself is used here, so that a fault of its readers is not shared by
//! those that judge it.

pub mod caller;
pub mod child;
pub mod commands;
pub mod drive;
pub mod echo;
pub mod error;
pub mod fleet;
pub mod histogram;
pub mod http_client;
pub mod http_request;
pub mod http_response;
pub mod http_server;
pub mod io_buffers;
pub mod json;
pub mod layout;
pub mod lists;
pub mod poller;
pub mod process;
pub mod program;
pub mod session;
pub mod shape;
pub mod sse;
pub mod text_calls;
pub mod url;
