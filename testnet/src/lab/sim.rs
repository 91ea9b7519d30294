//! The simulator and the attacks that are played in it. It stands on [`super::strategy`] and [`super::theory`].
//!
//! From the ground up: [`random`], [`queue`], [`arena`], [`geography`], [`links`], [`setup`], `shared`, [`trace`], [`work`] and
//! [`statistics`] are what [`simulation`] is made of; [`honest`] and [`contest`] set up one attacker against all others;
//! [`double_spend`], [`rare`], [`revenue`], [`suppression`] and [`undo`] play
//! an attack many times, [`partition`] plays one over a partition, [`retarget`] one through changes of the target; [`pool`] cheats a pool's books; [`network`] plays a large honest network.

pub mod arena;
pub mod contest;
pub mod double_spend;
pub mod geography;
pub mod honest;
pub mod links;
pub mod network;
pub mod partition;
pub mod pool;
pub mod queue;
pub mod random;
pub mod rare;
pub mod retarget;
pub mod revenue;
pub mod setup;
mod shared;
pub mod simulation;
pub mod statistics;
pub mod suppression;
pub mod trace;
pub mod undo;
pub mod work;

#[cfg(test)]
mod tests;
