//! JSON-RPC with Bitcoin Core's method and field names, on axum.
//!
//! From the bottom: [`error`], [`caller`], [`descriptor`] and [`view`] (JSON of blocks, transactions and coins); [`method`] (what a
//! method is, its arguments, what it works with); [`lookup`]; the groups, which never import one another:
//! [`blockchain`], [`mempool`], [`mining`], [`network`], [`transactions`], [`util`]; [`table`], which lists them;
//! [`dialect`], which speaks JSON-RPC; [`http`]. Methods read the core through
//! [`CoreHandle::read`](crate::shell::core_handle::CoreHandle::read).

pub mod blockchain;
pub mod caller;
pub mod descriptor;
pub mod dialect;
pub mod error;
pub mod http;
pub mod lookup;
pub mod mempool;
pub mod method;
pub mod mining;
pub mod network;
pub mod table;
pub mod transactions;
pub mod util;
pub mod view;
