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
    /// The interval's width as a part of the value; infinite where the value is 0.
    pub fn relative_width(&self) -> f64 {
        let width = self.interval95[1] - self.interval95[0];
        if self.value > 0.0 { width / self.value } else { f64::INFINITY }
    }

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

/// How likely chance alone puts a normal value at least `z` standard deviations away from its mean, on either side.
pub fn two_sided_p(z: f64) -> f64 {
    libm::erfc(z.abs() / std::f64::consts::SQRT_2)
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
    /// Together with others' runs.
    pub fn and(self, other: Proportion) -> Proportion {
        Proportion { runs: self.runs + other.runs, successes: self.successes + other.successes }
    }

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

/// Sums over independent runs, each of which gave a part `x` of a whole `y`: all that an estimate needs, so that runs played
/// elsewhere or later can be added.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Moments {
    /// Runs.
    pub runs: u64,
    /// Σ x.
    pub x: f64,
    /// Σ y.
    pub y: f64,
    /// Σ x².
    pub xx: f64,
    /// Σ x·y.
    pub xy: f64,
    /// Σ y².
    pub yy: f64,
}

impl Moments {
    /// Takes in a run.
    pub fn add(&mut self, x: f64, y: f64) {
        self.merge(&Moments { runs: 1, x, y, xx: x * x, xy: x * y, yy: y * y });
    }

    /// Takes in others' runs.
    pub fn merge(&mut self, other: &Moments) {
        self.runs += other.runs;
        self.x += other.x;
        self.y += other.y;
        self.xx += other.xx;
        self.xy += other.xy;
        self.yy += other.yy;
    }

    /// The ratio of the sums, Σ x / Σ y, with the error that linearising gives (Cochran, *Sampling Techniques*, 1977, section
    /// 6.4). Its bias is of the order of one run in all. With every y = 1 it is the mean, without bias.
    pub fn ratio(&self) -> Estimate {
        if self.y <= 0.0 {
            return Estimate { value: 0.0, interval95: [f64::NEG_INFINITY, f64::INFINITY], error: f64::INFINITY };
        }
        let (value, n) = (self.x / self.y, self.runs as f64);
        let squares = (self.xx - 2.0 * value * self.xy + value * value * self.yy).max(0.0);
        let error = (squares * n / (n - 1.0).max(1.0)).sqrt() / self.y;
        let half = NORMAL_95 * error;
        Estimate { value, interval95: [value - half, value + half], error }
    }

    /// Where every x is 0 or 1 and every y is 1: the successes.
    pub fn proportion(&self) -> Proportion {
        let count = |number: f64| number.min(f64::from(u32::MAX)) as u32;
        Proportion { runs: count(self.runs as f64), successes: count(self.x) }
    }

    /// How many runs of equal weight would say as much as these, whose weights differ (Kish's effective sample size, of the runs
    /// that succeeded).
    pub fn effective_runs(&self) -> f64 {
        if self.xx > 0.0 { self.x * self.x / self.xx } else { 0.0 }
    }
}

/// Runs, each with its part and its whole.
impl FromIterator<(f64, f64)> for Moments {
    fn from_iter<T: IntoIterator<Item = (f64, f64)>>(runs: T) -> Moments {
        let mut moments = Moments::default();
        runs.into_iter().for_each(|(x, y)| moments.add(x, y));
        moments
    }
}

/// The ratio of two sums over independent cycles: Σ part / Σ whole. See [`Moments::ratio`].
pub fn ratio(cycles: &[(f64, f64)]) -> Estimate {
    cycles.iter().copied().collect::<Moments>().ratio()
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
    fn p_is_the_normal_distributions() {
        for (z, p) in [(0.0, 1.0), (1.959_963_985, 0.05), (-2.575_829_304, 0.01), (3.290_526_731, 0.001)] {
            assert!((two_sided_p(z) - p).abs() < 1e-9, "{z}");
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
    fn runs_played_apart_add_up_to_runs_played_together() {
        let runs = [(1.0, 2.0), (0.0, 1.0), (3.0, 5.0), (2.0, 2.0), (0.5, 4.0)];
        let whole: Moments = runs.into_iter().collect();
        let mut parts: Moments = runs[..2].iter().copied().collect();
        parts.merge(&runs[2..].iter().copied().collect());
        assert_eq!(parts, whole);
        let (n, value) = (5.0, 6.5 / 14.0);
        let squares: f64 = runs.iter().map(|(x, y)| f64::powi(x - value * y, 2)).sum();
        let estimate = whole.ratio();
        assert!((estimate.value - value).abs() < 1e-12);
        assert!((estimate.error - (squares * n / (n - 1.0)).sqrt() / 14.0).abs() < 1e-12);
        let equal: Moments = [(1.0, 1.0), (0.0, 1.0), (1.0, 1.0)].into_iter().collect();
        assert_eq!((equal.effective_runs(), equal.proportion().successes), (2.0, 2));
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
