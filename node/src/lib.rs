//! A Testoon node: a pure [`core`] that decides, a thin [`shell`] that performs, and a [`miner`] that hashes.
//!
//! The rules themselves are in [`chain_spec`]; the wallet never links this crate and talks to it over JSON-RPC.
//! The umbrella binary `testoon` calls [`cli::run`].

pub mod cli;
pub mod core;
pub mod miner;
pub mod shell;
