//! What is seen of a running network: one source for the terminal, the page, `testoon events` and whoever else shows it.
//!
//! [`view`] looks at the nodes again and again and says what is new: the block tree, and what happened ([`event`]). [`status`] is
//! each node's own account of itself, [`explore`] answers about one block or transaction, [`history`] where coins come from and go to and
//! whose addresses belong together, [`condition`] is what can be waited
//! for, [`logs`] are the nodes' logs, [`recording`] keeps runs on disk. It stands on [`crate::cluster`] and changes nothing.

pub mod condition;
pub mod event;
pub mod explore;
pub mod history;
pub mod logs;
pub mod recording;
pub mod status;
pub mod view;
