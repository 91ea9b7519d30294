//! Long-run revenue of withholding blocks: closed forms, the value of any policy, and the best policy.
//!
//! A policy's value is the attacker's expected blocks per block in the chain over one regeneration cycle of the process in
//! [`super::withholding`]. The best policy is found by Dinkelbach's method: for a price ρ per block in the chain, value
//! iteration finds the policy that gains most per cycle; ρ becomes that policy's revenue until nothing more is gained
//! (Sapirshtein, Sompolinsky and Zohar, 2016, section 4, bisect for the same ρ).

use super::withholding::{
    Decision, Fork, Policy, Settled, State, Table, after_decision, at_border, index, is_possible, next_block,
};

/// Longest branch the process is followed to unless asked otherwise: what the published reference values use.
pub const LENGTH_MAX: u32 = 40;
/// A sweep over all states that changes no value by more has converged.
const PRECISION: f64 = 1e-9;
/// Sweeps after which an iteration that has not converged ends: its value is then a lower bound like any truncation.
const SWEEPS_MAX: u32 = 50_000;
/// Improvements of ρ: the method converges faster than any geometric sequence, so these are far more than it needs.
const IMPROVEMENTS_MAX: u32 = 50;

/// Revenue share of a selfish miner with the share `alpha` of the hash rate when a part `gamma` of the honest miners mines on
/// the selfish branch in a tie (Eyal and Sirer, *Majority is not enough*, 2014, equation 8; for minorities). A majority
/// earns everything.
pub fn selfish(alpha: f64, gamma: f64) -> f64 {
    if alpha >= 0.5 {
        return 1.0;
    }
    let honest = 1.0 - alpha;
    let gained = alpha * honest * honest * (4.0 * alpha + gamma * (1.0 - 2.0 * alpha)) - alpha.powi(3);
    gained / (1.0 - alpha * (1.0 + (2.0 - alpha) * alpha))
}

/// The share above which selfish mining earns more than honest mining (Eyal and Sirer, equation 9).
pub fn selfish_threshold(gamma: f64) -> f64 {
    (1.0 - gamma) / (3.0 - 2.0 * gamma)
}

/// Revenue share of the lazy miner, who publishes a block after finding the next one: a block stays only if the next one is
/// the lazy miner's too.
pub fn lazy(share: f64) -> f64 {
    share * share / (share * share + 1.0 - share)
}

/// A withholding process with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Process {
    /// The attacker's share of the hash rate, in (0, 1/2).
    pub share: f64,
    /// The part of the others that mines on the attacker's branch in a tie, in [0, 1].
    pub gamma: f64,
    /// Branches are followed to this length.
    pub length_max: u32,
}

/// The best policy and what it earns.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimum {
    /// Its long-run revenue.
    pub revenue: f64,
    /// What to do in each state.
    pub table: Table,
}

impl Process {
    /// Expected blocks that one cycle of a policy settles.
    pub fn cycle(&self, policy: &dyn Policy) -> Settled {
        let decide = |state: State| {
            let is_border = state.own >= self.length_max || state.public >= self.length_max;
            if is_border { at_border(state) } else { policy.decide(state) }
        };
        let mut own = Values::new(self.length_max);
        let mut public = Values::new(self.length_max);
        own.iterate(self, |state, values, process| values.of(process, state, decide(state), |settled| settled.own));
        public
            .iterate(self, |state, values, process| values.of(process, state, decide(state), |settled| settled.public));
        Settled {
            own: own.before_block(self, START, |settled| settled.own),
            public: public.before_block(self, START, |settled| settled.public),
        }
    }

    /// Expected blocks found in one cycle of a policy: how long it takes while the difficulty is the initial one.
    pub fn duration(&self, policy: &dyn Policy) -> f64 {
        let mut found = Values::new(self.length_max);
        let one_more = |values: &Values, state: State| 1.0 + values.before_block(self, state, |_| 0.0);
        found.iterate(self, |state, values, _| {
            let is_border = state.own >= self.length_max || state.public >= self.length_max;
            let decision = if is_border { at_border(state) } else { policy.decide(state) };
            let (after, _) = after_decision(state, decision);
            if after == START { 0.0 } else { one_more(values, after) }
        });
        one_more(&found, START)
    }

    /// Long-run revenue of a policy.
    pub fn revenue(&self, policy: &dyn Policy) -> f64 {
        let cycle = self.cycle(policy);
        cycle.own / (cycle.own + cycle.public)
    }

    /// The best policy. Its revenue is a lower bound that grows with `length_max`.
    pub fn optimum(&self) -> Optimum {
        let mut values = Values::new(self.length_max);
        let mut optimum = self.best_at(self.share, &mut values);
        for _ in 0..IMPROVEMENTS_MAX {
            let better = self.best_at(optimum.revenue, &mut values);
            let gained = better.revenue - optimum.revenue;
            if gained > 0.0 {
                optimum = better;
            }
            if gained < 1e-8 {
                break;
            }
        }
        optimum
    }

    /// The policy that gains most per cycle when every block in the chain costs `price`, and its revenue. `values` are
    /// those of a price nearby, or zeros.
    fn best_at(&self, price: f64, values: &mut Values) -> Optimum {
        let gain = |settled: Settled| settled.own - price * (settled.own + settled.public);
        values.iterate(self, |state, values, process| values.best(process, state, gain).1);
        let size = index(State { own: self.length_max, public: self.length_max, fork: Fork::Active }, self.length_max);
        let mut decisions = vec![Decision::Wait; size + 1];
        for state in states(self.length_max) {
            decisions[index(state, self.length_max)] = values.best(self, state, gain).0;
        }
        let table = Table { length_max: self.length_max, decisions };
        Optimum { revenue: self.revenue(&table), table }
    }
}

/// Nothing found since the last block that both sides share. A cycle begins and ends here.
const START: State = State { own: 0, public: 0, fork: Fork::Irrelevant };

/// All states of a truncated process, long branches first, so that one sweep carries a value through a whole race.
fn states(length_max: u32) -> impl Iterator<Item = State> {
    (1..=2 * length_max).rev().flat_map(move |sum| {
        let from = sum.saturating_sub(length_max);
        (from..=sum.min(length_max)).flat_map(move |own| {
            let forks =
                [Fork::Irrelevant, Fork::Relevant, Fork::Active].map(|fork| State { own, public: sum - own, fork });
            // Only a branch that reaches as far as the public one can race with it.
            forks.into_iter().filter(|state| state.fork != Fork::Active || state.own >= state.public)
        })
    })
}

/// What each state is worth from its decision to the end of the cycle.
struct Values {
    length_max: u32,
    worth: Vec<f64>,
}

impl Values {
    fn new(length_max: u32) -> Values {
        let side = length_max as usize + 1;
        Values { length_max, worth: vec![0.0; side * side * 3] }
    }

    /// Sweeps until no value changes.
    fn iterate(&mut self, process: &Process, worth: impl Fn(State, &Values, &Process) -> f64) {
        for _ in 0..SWEEPS_MAX {
            let mut change: f64 = 0.0;
            for state in states(self.length_max) {
                let value = worth(state, self, process);
                let place = index(state, self.length_max);
                change = change.max((value - self.worth[place]).abs());
                self.worth[place] = value;
            }
            if change < PRECISION {
                break;
            }
        }
    }

    /// What a state is worth before the next block is found.
    fn before_block(&self, process: &Process, state: State, gain: impl Fn(Settled) -> f64) -> f64 {
        let worth = |(next, settled, probability): (State, Settled, f64)| {
            probability * (gain(settled) + self.worth[index(next, self.length_max)])
        };
        next_block(state, process.share, process.gamma).into_iter().filter(|(_, _, p)| *p > 0.0).map(worth).sum()
    }

    /// What a decision in a state is worth.
    fn of(&self, process: &Process, state: State, decision: Decision, gain: impl Fn(Settled) -> f64 + Copy) -> f64 {
        let (after, settled) = after_decision(state, decision);
        let onward = if after == START { 0.0 } else { self.before_block(process, after, gain) };
        gain(settled) + onward
    }

    /// The decision worth most, at the border the one that ends the process; and what it is worth.
    fn best(&self, process: &Process, state: State, gain: impl Fn(Settled) -> f64 + Copy) -> (Decision, f64) {
        if state.own >= self.length_max || state.public >= self.length_max {
            let decision = at_border(state);
            return (decision, self.of(process, state, decision, gain));
        }
        [Decision::Adopt, Decision::Override, Decision::Match, Decision::Wait]
            .into_iter()
            .filter(|decision| is_possible(*decision, state))
            .map(|decision| (decision, self.of(process, state, decision, gain)))
            .fold((Decision::Wait, f64::NEG_INFINITY), |best, next| if next.1 > best.1 { next } else { best })
    }
}

#[cfg(test)]
mod tests;
