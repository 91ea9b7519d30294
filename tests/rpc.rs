//! The node's RPC and command line over real processes and sockets: what a client, a miner or an operator would notice.

mod chain;
mod command_line;
mod conformance;
mod control;
mod errors;
mod http;
mod indexes;
mod mempool;
mod mining;
mod network;
mod pruning;
mod raw;
mod transactions;
