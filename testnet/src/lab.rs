//! The attack lab: what an attack does, what it should do by theory, and what it did.
//!
//! [`odds`] holds the theory. Everything that is said about a live network is read from its nodes and wallets; nothing
//! here knows how a node works inside.

pub mod odds;
