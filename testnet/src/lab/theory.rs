//! What theory says of each attack: formulas with their sources, and nothing else. The lowest floor of the lab.

pub mod double_spend;
