//! The attack lab: what an attack does, what it should do by theory, and what it did.
//!
//! From the ground up: [`attack`] names the attacks, [`theory`] holds the formulas, [`cost`] what an attack costs, [`strategy`] what an attacker decides and the wrapper that makes a node
//! one, [`sim`] plays networks and attacks on virtual time, [`live`] stages them on real processes,
//! [`replay`] goes on from a recorded moment, [`study`] sweeps parameters over both. Everything that is said
//! about a live network is read from its nodes and wallets; nothing here knows how a node works inside.

pub mod attack;
pub mod cost;
pub mod live;
pub mod replay;
pub mod sim;
pub mod strategy;
pub mod study;
pub mod theory;
