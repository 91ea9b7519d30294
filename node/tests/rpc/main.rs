//! The node's RPC and command line over real processes and sockets: what a client, a miner or an operator would notice.

// A test that cannot go on should panic; clippy knows tests only by their attribute, not their helpers.
#![allow(clippy::unwrap_used)]

mod chain;
mod client;
mod command_line;
mod http;
mod mining;
mod network;
mod node;
mod transactions;
