//! The test kit: what the tests of this package and the benches are made of.
//!
//! * [`fixture`]: keys, transactions, blocks and chains made to order. It stands in `chain-spec` behind a feature, so that the
//!   unit tests of every crate can use it: a crate that depended on a kit which depends on that crate would see two copies of
//!   its types. For the same reason this kit is for tests that start processes, and no crate's unit tests use it.
//! * [`process`]: the program `testoon`, run to its end; [`node`] and [`network`]: nodes as child processes.
//! * [`rpc`] and [`http`]: a JSON-RPC client that shares no code with the node or the wallet.
//! * [`payer`]: one key's payments; [`rogue`]: a peer that says whatever it is told to.
//! * [`wait`]: waiting with an end; [`measure`]: time, processor time and memory.
//!
//! Every child is ended when its handle is dropped, also when a test fails, and by the kernel when the test process itself is
//! killed. Everything listens on 127.0.0.1 and on free ports, and writes into temporary directories.

pub mod http;
pub mod measure;
pub mod network;
pub mod node;
pub mod payer;
pub mod process;
pub mod rogue;
pub mod rpc;
pub mod wait;

pub use chain_spec::fixture;
pub use measure::{median, now};
pub use network::{Network, client_of};
pub use node::{Node, NodeOptions};
pub use process::{Finished, run, testoon};
pub use rpc::{Client, RpcError};
pub use wait::{WAIT_MAX, eventually};
