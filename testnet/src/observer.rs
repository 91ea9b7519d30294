//! What is seen of a running network: each node's own account of itself ([`status`]), the fork tree and what happened in it
//! ([`view`]), answers about one block or transaction ([`explore`]), and the nodes' logs ([`logs`]). It stands on [`crate::cluster`] and only looks; the terminal, the page and the
//! command line show what it sees.

pub mod explore;
pub mod logs;
pub mod status;
pub mod view;
