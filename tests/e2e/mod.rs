//! The promises of the gateway, one module for each of its sides. No helper of general use
//! lives here: those are in `harness`.

// What the command line says and does.
mod command_line;
// What the binary makes of the files that people have.
mod config_file;
// Every limit a user can set, from both of its sides.
mod limits;
// What several of these modules need.
mod scene;
// The end, and that nothing outlives it.
mod shutdown;
// Children that fail, in all the ways they can.
mod supervision;
// Many clients at once.
mod torture;
