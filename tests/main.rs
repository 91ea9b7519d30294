//! Tests that cross crates: real processes, real sockets, real files.
//!
//! [`support`] starts nodes and networks and reaps them whatever happens. Counts that decide how long a test takes come
//! from environment variables, each named in the test's own docs; the defaults are what everybody runs.

mod attack;
mod bad_input;
mod bitcoin;
mod crash;
mod hostile;
mod network;
mod payment;
mod reorganisation;
mod soak;
mod support;
mod web;
