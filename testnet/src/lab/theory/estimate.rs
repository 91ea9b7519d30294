//! Estimates from many runs: a rate or a ratio with its 95 % interval, and how far it is from what theory says.

/// The standard normal quantile of a two-sided 95 % interval.
pub const NORMAL_95: f64 = 1.959_963_985;

/// A measured value, its interval, and its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// 95 % of the intervals made this way contain the true value.
    pub interval95: [f64; 2],
    /// The standard error the interval was made from.
    pub error: f64,
}

/// Where an estimate lies from a value, by its interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The whole interval is above.
    Above,
    /// The whole interval is below.
    Below,
    /// The value is inside the interval.
    CannotTell,
}

/// `above`, `below`, `cannot tell`.
impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Comparison::Above => "above",
            Comparison::Below => "below",
            Comparison::CannotTell => "cannot tell",
        })
    }
}

impl Estimate {
    /// Where the estimate lies from `value`.
    pub fn compared_with(&self, value: f64) -> Comparison {
        match self.interval95 {
            [low, _] if low > value => Comparison::Above,
            [_, high] if high < value => Comparison::Below,
            _ => Comparison::CannotTell,
        }
    }

    /// Standard errors between the estimate and `expected`; `None` where the error is 0 and they differ.
    pub fn z(&self, expected: f64) -> Option<f64> {
        z(self.value - expected, self.error)
    }
}

fn z(difference: f64, error: f64) -> Option<f64> {
    if difference.abs() < 1e-12 {
        return Some(0.0);
    }
    (error > 0.0).then(|| difference / error)
}

/// Successes among independent runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proportion {
    /// Runs.
    pub runs: u32,
    /// Of which succeeded.
    pub successes: u32,
}

impl Proportion {
    /// Successes per run.
    pub fn rate(&self) -> f64 {
        f64::from(self.successes) / f64::from(self.runs.max(1))
    }

    /// Wilson's 95 % interval around the rate.
    pub fn interval95(&self) -> [f64; 2] {
        let (n, p, z) = (f64::from(self.runs.max(1)), self.rate(), NORMAL_95);
        let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        // At the ends the formula gives 0 and 1, and rounding gives something beside them.
        let low = if self.successes == 0 { 0.0 } else { (middle - half).max(0.0) };
        let high = if self.successes == self.runs { 1.0 } else { (middle + half).min(1.0) };
        [low, high]
    }

    /// The rate with its interval.
    pub fn estimate(&self) -> Estimate {
        let p = self.rate();
        let error = (p * (1.0 - p) / f64::from(self.runs.max(1))).sqrt();
        Estimate { value: p, interval95: self.interval95(), error }
    }

    /// Standard deviations between the successes and what `expected` makes likely; `None` where they are impossible.
    pub fn z(&self, expected: f64) -> Option<f64> {
        z(self.rate() - expected, (expected * (1.0 - expected) / f64::from(self.runs.max(1))).sqrt())
    }
}

/// The ratio of two sums over independent cycles: Σ part / Σ whole, with the error that linearising gives (Cochran, *Sampling
/// Techniques*, 1977, section 6.4). Its bias is of the order of one cycle in all.
pub fn ratio(cycles: &[(f64, f64)]) -> Estimate {
    let part: f64 = cycles.iter().map(|(part, _)| part).sum();
    let whole: f64 = cycles.iter().map(|(_, whole)| whole).sum();
    if whole <= 0.0 {
        return Estimate { value: 0.0, interval95: [f64::NEG_INFINITY, f64::INFINITY], error: f64::INFINITY };
    }
    let (value, n) = (part / whole, cycles.len() as f64);
    let squares: f64 = cycles.iter().map(|(part, whole)| (part - value * whole).powi(2)).sum();
    let error = (squares * n / (n - 1.0).max(1.0)).sqrt() / whole;
    let half = NORMAL_95 * error;
    Estimate { value, interval95: [value - half, value + half], error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wilsons_and_reaches_its_ends() {
        let [low, high] = Proportion { runs: 100, successes: 10 }.interval95();
        assert!((low - 0.0552).abs() < 5e-4 && (high - 0.1744).abs() < 5e-4, "{low} {high}");
        for runs in 1..400 {
            assert_eq!(Proportion { runs, successes: runs }.interval95()[1], 1.0, "{runs}");
            assert_eq!(Proportion { runs, successes: 0 }.interval95()[0], 0.0, "{runs}");
        }
    }

    #[test]
    fn certain_outcomes_have_a_z() {
        assert_eq!(Proportion { runs: 10, successes: 10 }.z(1.0), Some(0.0));
        assert_eq!(Proportion { runs: 10, successes: 9 }.z(1.0), None);
        let z = Proportion { runs: 100, successes: 60 }.z(0.5).unwrap();
        assert!((z - 2.0).abs() < 1e-12, "{z}");
    }

    #[test]
    fn a_ratio_is_of_the_sums_and_compared_by_its_interval() {
        let estimate = ratio(&[(1.0, 2.0), (0.0, 1.0), (3.0, 5.0)]);
        assert!((estimate.value - 0.5).abs() < 1e-12);
        assert_eq!(estimate.compared_with(0.5), Comparison::CannotTell);
        let sure = ratio(&[(1.0, 2.0); 50]);
        assert_eq!((sure.value, sure.error), (0.5, 0.0));
        assert_eq!((sure.compared_with(0.4), sure.compared_with(0.6)), (Comparison::Above, Comparison::Below));
    }
}
