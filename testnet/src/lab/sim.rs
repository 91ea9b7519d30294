//! The simulator and the attacks that are played in it. It stands on [`super::strategy`] and [`super::theory`].

pub mod arena;
pub mod duel;
pub mod links;
pub mod queue;
pub mod random;
pub mod simulation;
pub mod statistics;
