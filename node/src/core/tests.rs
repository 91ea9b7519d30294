//! Tests of the whole core: effects as values, and worlds of several cores under virtual time.

mod basics;
pub(crate) mod world;
