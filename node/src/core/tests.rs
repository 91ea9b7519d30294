//! Tests of the whole core: effects as values, and worlds of several cores under virtual time.

mod basics;
mod crash;
mod fork_rules;
mod headers;
mod history;
mod hostile;
mod network;
mod pruning;
mod trees;
pub(crate) mod world;
