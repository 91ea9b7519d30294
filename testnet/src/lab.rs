//! The attack lab: what an attack does, what it should do by theory, and what it did.
//!
//! [`odds`] holds the theory, [`strategy`] what an attacker decides, [`attacker`] the wrapper that makes a node one, [`duel`]
//! the same attack in the simulator over and over, [`live`] on real processes. Everything that is said about a live network is read from its nodes and wallets; nothing
//! here knows how a node works inside.

pub mod attacker;
pub mod command;
pub mod duel;
pub mod live;
pub mod odds;
pub mod strategy;
