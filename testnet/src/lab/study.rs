//! Studies: any parameters of any attack swept, each point played until its interval is narrow enough.
//!
//! From the ground up: [`parameter`] knows what can be swept, [`file`](mod@file) reads a study file into points,
//! [`experiment`] plays one point batch by batch and knows its theory, [`progress`] keeps on disk what has been
//! played, so that a study can be ended, gone on with, cut into shards and put together again; [`run`] plays until all
//! points are narrow enough; [`table`], [`plot`] and [`report`] say what came of it. It stands on [`super::sim`] and
//! [`super::live`].

pub mod experiment;
pub mod file;
pub mod parameter;
pub mod plot;
pub mod progress;
pub mod report;
pub mod run;
pub mod table;

#[cfg(test)]
mod tests;
