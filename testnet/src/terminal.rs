//! What people see in a terminal: the table of the nodes ([`table`]) and its live form ([`live`]), an attack told while it lasts
//! ([`narrator`]; [`story_lines`] for programs; [`stepper`] stops at its steps). It stands on [`crate::observer`] and on what
//! [`crate::lab::live`] tells.

pub mod live;
pub mod narrator;
pub mod stepper;
pub mod story_lines;
pub mod table;

/// Whether a terminal may be written to in colours: not where `NO_COLOR` is set to something (no-color.org).
fn is_colour_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
