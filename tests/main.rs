//! Tests that cross crates: real processes, real sockets, real files.
//!
//! The library of this package, [`kit`], starts nodes and networks and reaps them whatever happens. Counts that decide how
//! long a test takes come from environment variables, each named in the test's own docs; the defaults are what everybody runs.

// A test that cannot go on should panic; clippy knows tests only by their attribute, not their helpers.
#![allow(clippy::unwrap_used)]

mod attack;
mod bad_input;
mod bitcoin;
mod browser;
mod clients;
mod containers;
mod course;
mod crash;
mod descriptors;
mod explorer;
mod fuzz;
mod hostile;
mod launcher;
mod metrics;
mod network;
mod payment;
mod python;
mod reindex;
mod reorganisation;
mod rpc;
mod soak;
mod stratum;
mod study;
mod wallet;
mod wallet_network;
mod web;
