//! The launcher: starts networks of real nodes on one machine, watches them, pays through them and makes them misbehave.
//!
//! Every node is a process of its own, started by running this binary again as `testoon node …`, with its own data
//! directory, keys, store and ports; the launcher talks to them over JSON-RPC only. [`plan`] says what a network should look
//! like, [`cluster`] makes it so, [`directory`] and [`state`] remember it between commands, [`cli`] is the command line.
//! [`lab`] stages attacks and plays them, and large networks, on virtual time; [`web`] shows a network in a browser.

pub mod bench;
pub mod chain;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod error;
pub mod interrupt;
pub mod lab;
pub mod observer;
pub mod output;
pub mod plan;
pub mod terminal;
pub mod web;
