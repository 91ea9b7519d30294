//! What people see in a terminal: the table of the nodes ([`table`]) and its live form ([`live`]). It stands on
//! [`crate::observer`].

pub mod live;
pub mod table;
