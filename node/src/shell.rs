//! The thin part of a node: everything that touches a clock, a disk, a socket or a terminal.

pub mod clock;
pub mod network;
pub mod store;
