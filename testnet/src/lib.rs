//! The Testoon launcher, attack lab and simulator.

pub mod lab;
