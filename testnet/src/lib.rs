//! The launcher: starts networks of real nodes on one machine, watches them, pays through them and makes them misbehave.
//!
//! Every node is a process of its own, started by running this binary again as `testoon node …`, with its own data
//! directory, keys, store and ports; the launcher talks to them over JSON-RPC only.
//!
//! The floors, each standing on those below it only:
//!
//! - [`cli`]: the command line, the only place that knows clap;
//! - [`terminal`] and [`web`] show what is observed; [`lab`] stages attacks, live and on virtual time; [`mod@bench`] measures;
//! - [`observer`]: what is seen of a running network, one source for all who show it;
//! - [`cluster`]: a network of processes in a directory, started, connected, told and ended;
//! - [`export`]: a plan written down for Compose or Kubernetes, a study for Kubernetes or Slurm;
//! - [`plan`] and [`chain`]: what a network should look like, as plain values;
//! - [`clock`], [`error`], [`interrupt`], [`output`]: what every floor uses.

pub mod bench;
pub mod chain;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod error;
pub mod export;
pub mod interrupt;
pub mod lab;
pub mod observer;
pub mod output;
pub mod plan;
pub mod terminal;
pub mod web;
