//! JSON-RPC with Bitcoin Core's method and field names, on axum.
//!
//! [`server`] speaks HTTP, [`protocol`] JSON-RPC, [`methods`] has the table; the method groups hold a function each:
//! they read the core through [`CoreHandle::read`](crate::shell::core_loop::CoreHandle::read) and turn what they find
//! into JSON with [`view`]. Nothing here decides anything about blocks, transactions or peers.

pub mod arguments;
pub mod auth;
pub mod blockchain;
pub mod blockstats;
pub mod chaintxstats;
pub mod context;
pub mod control;
pub mod deployments;
pub mod descriptor;
pub mod error;
pub mod generate;
pub mod mempool;
pub mod methods;
pub mod mining;
pub mod muhash;
pub mod network;
pub mod protocol;
pub mod rawtransaction;
pub mod server;
pub mod steering;
pub mod submission;
pub mod template;
pub mod trial;
pub mod util;
pub mod utxo;
pub mod verify;
pub mod view;
pub mod waiting;
