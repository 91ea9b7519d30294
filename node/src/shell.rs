//! The thin part of a node: one loop that feeds inputs to the [`core`](crate::core) and performs its outputs in order.
