//! Stratum v1 as both of its sides see it, and the miner's side of it.
//!
//! From the ground: [`difficulty`] converts share difficulties and targets; [`notify`] is a pool's job and the
//! header it leads to (the pool of a node, `shell/stratum`, writes what is read here); `plain` hashes without
//! rolling versions, for pools that do not allow it; [`client`] talks to a pool and gives its jobs to the
//! [`Miner`](super::Miner) or to `plain`.

pub mod client;
pub mod difficulty;
pub mod notify;
mod plain;
