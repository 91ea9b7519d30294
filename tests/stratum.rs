//! The pool: Stratum over real sockets to a real node.
//!
//! `client` is a miner of the tests' own that does everything by hand from the protocol's documentation: the node's
//! code for jobs and headers is not used, except where a test says so.

mod books;
mod client;
mod load;
mod protocol;
