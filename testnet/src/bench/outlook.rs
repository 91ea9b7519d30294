//! What a network's difficulty makes of a hash rate: blocks a day, or years to a block.

use chain_spec::{ChainSpec, ProofOfWork};

/// Bitcoin's difficulty late in 2025, rounded; it doubles in two or three years, so `--difficulty` takes today's.
pub const BITCOIN_DIFFICULTY: f64 = 1.5e14;
/// Expected hashes of difficulty 1, which is the compact target `1d00ffff`.
const HASHES_PER_DIFFICULTY: f64 = 4_295_032_833.0;
const SECONDS_PER_DAY: f64 = 86_400.0;
const DAYS_PER_YEAR: f64 = 365.25;

/// One chain's difficulty against a hash rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// Which chain, at which difficulty.
    pub chain: String,
    /// Hashes a block takes on average.
    pub hashes_per_block: f64,
    /// Blocks a day on average.
    pub blocks_per_day: f64,
}

/// Of Bitcoin at `difficulty` and of each built-in chain of this proof of work at the target it begins with.
pub fn of(hashes_per_second: f64, proof_of_work: ProofOfWork, difficulty: f64) -> Vec<Outlook> {
    let outlook = |chain: String, hashes_per_block: f64| {
        let blocks_per_day = hashes_per_second * SECONDS_PER_DAY / hashes_per_block;
        Outlook { chain, hashes_per_block, blocks_per_day }
    };
    let mut outlooks = Vec::new();
    if proof_of_work == ProofOfWork::Sha256d {
        let name = format!("Bitcoin at difficulty {difficulty:.3e}");
        outlooks.push(outlook(name, difficulty * HASHES_PER_DIFFICULTY));
    }
    let specs = ChainSpec::BUILTIN.iter().filter_map(|name| ChainSpec::builtin(name));
    for spec in specs.filter(|spec| spec.proof_of_work == proof_of_work) {
        let Some(target) = spec.initial_target.to_target() else { continue };
        outlooks.push(outlook(format!("{} at its first target", spec.name), target.work().to_f64()));
    }
    outlooks
}

impl Outlook {
    /// For people: blocks a day where that is a number one can imagine, otherwise how long a block takes.
    pub fn text(&self) -> String {
        let days = 1.0 / self.blocks_per_day;
        if self.blocks_per_day >= 0.5 {
            format!("{} blocks a day", number(self.blocks_per_day))
        } else if days < DAYS_PER_YEAR {
            format!("a block in {} days", number(days))
        } else {
            format!("a block in {} years", number(days / DAYS_PER_YEAR))
        }
    }
}

/// Three significant digits, with separators where there are many.
fn number(value: f64) -> String {
    let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(whole, part)| (whole, Some(part)));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    fraction.map_or(grouped.clone(), |fraction| format!("{grouped}.{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_of_one_block_s_work_a_day_finds_one_block_a_day() {
        for proof_of_work in ProofOfWork::ALL {
            for one in of(1e6, proof_of_work, 1.0) {
                let rate = one.hashes_per_block / SECONDS_PER_DAY;
                let again = of(rate, proof_of_work, 1.0);
                let same = again.iter().find(|other| other.chain == one.chain).unwrap();
                assert!((same.blocks_per_day - 1.0).abs() < 1e-12, "{same:?}");
            }
        }
    }

    #[test]
    fn difficulty_1_is_bitcoin_s_first_target() {
        let outlooks = of(1e6, ProofOfWork::Sha256d, 1.0);
        let of_chain = |start: &str| outlooks.iter().find(|outlook| outlook.chain.starts_with(start)).unwrap();
        assert_eq!(of_chain("Bitcoin at difficulty").hashes_per_block, of_chain("bitcoin-main").hashes_per_block);
    }

    #[test]
    fn times_are_told_in_units_one_can_imagine() {
        let text = |blocks_per_day| Outlook { chain: String::new(), hashes_per_block: 1.0, blocks_per_day }.text();
        assert_eq!(text(1_234_567.0), "1,234,567 blocks a day");
        assert_eq!(text(2.5), "2.50 blocks a day");
        assert_eq!(text(0.1), "a block in 10.0 days");
        assert_eq!(text(1.0 / 365_250.0), "a block in 1,000 years");
    }
}
