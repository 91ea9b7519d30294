//! A table of the odds of a double spend, by the two published formulas: Rosenfeld's exact race and Nakamoto's approximation.
//!
//! ```text
//! cargo run -p testoon --example odds
//! ```

use testnet::lab::theory::double_spend::{nakamoto, rosenfeld};

/// The attacker's shares of the hash rate, one row each.
const SHARES: [f64; 5] = [0.05, 0.1, 0.2, 0.3, 0.4];
/// Confirmations that the shop waits for, one column each.
const CONFIRMATIONS: [u32; 5] = [1, 2, 3, 6, 10];

fn main() {
    print!("{}", table("Rosenfeld 2014, equation 1", rosenfeld));
    print!("{}", table("Nakamoto 2008, section 11", nakamoto));
}

/// Percentages, a row for each share.
fn table(title: &str, formula: impl Fn(f64, u32) -> f64) -> String {
    let heads: String = CONFIRMATIONS.iter().map(|confirmations| format!("{confirmations:>10}")).collect();
    let mut text = format!("{title}: chance of success in per cent, by confirmations\nshare{heads}\n");
    for share in SHARES {
        let odds = CONFIRMATIONS.iter().map(|confirmations| 100.0 * formula(share, *confirmations));
        let cells: String = odds.map(|percent| format!("{percent:>10.3}")).collect();
        text.push_str(&format!("{share:>5.2}{cells}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenfeld's table 1 for 10 %, and Nakamoto's figure for 10 % and 10 blocks with his z counted from one.
    #[test]
    fn the_papers_figures_are_in_the_table() {
        let text = table("", rosenfeld);
        let row = text.lines().find(|line| line.trim_start().starts_with("0.10")).expect("a row for 10 %");
        let cells: Vec<&str> = row.split_whitespace().skip(1).collect();
        assert_eq!(cells, ["20.000", "5.600", "1.712", "0.059", "0.001"]);
        let text = table("", nakamoto);
        let row = text.lines().find(|line| line.trim_start().starts_with("0.10")).expect("a row for 10 %");
        let cells: Vec<&str> = row.split_whitespace().skip(1).collect();
        assert_eq!(cells, ["20.459", "5.098", "1.317", "0.024", "0.000"]);
    }
}
