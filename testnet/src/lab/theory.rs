//! What theory says of each attack: formulas and processes with their sources, and nothing else. The lowest floor of the lab.

pub mod double_spend;
pub mod estimate;
pub mod pool;
pub mod retarget;
pub mod revenue;
pub mod stake;
pub mod suppression;
pub mod timewarp;
pub mod withholding;
