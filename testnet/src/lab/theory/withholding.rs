//! Withholding blocks for revenue, as a Markov decision process (Sapirshtein, Sompolinsky and Zohar, *Optimal Selfish Mining
//! Strategies in Bitcoin*, 2016, section 3): states, actions, and the policies that have names.
//!
//! A state counts the blocks on the attacker's branch and on the public branch since the last block both share. After each
//! block the attacker decides once. A regeneration cycle ends when both sides stand on one block again; long-run revenue is
//! the attacker's blocks in the chain per block in the chain over such cycles. [`super::revenue`] computes it for a policy,
//! and the best policy.

/// Whether the public branch can still be matched, or is being matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fork {
    /// The attacker found the last block: the others have seen the public tip before anything that could be published now.
    Irrelevant,
    /// The others found the last block: a published branch of the same length reaches a part γ of them first.
    Relevant,
    /// Two published branches of the same length race: a part γ of the others mines on the attacker's.
    Active,
}

/// What both sides have since the last block they share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Blocks on the attacker's branch.
    pub own: u32,
    /// Blocks on the public branch.
    pub public: u32,
    /// What can be done about a tie.
    pub fork: Fork,
}

/// What the attacker does after a block was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Give the own branch up and mine on the public one.
    Adopt,
    /// Publish one block more than the public branch has: everybody changes over.
    Override,
    /// Publish as many blocks as the public branch has, at the moment the others publish theirs.
    Match,
    /// Publish nothing.
    Wait,
}

/// A rule that decides by the state.
pub trait Policy {
    /// What to do in a state that a block has just led to.
    fn decide(&self, state: State) -> Decision;
}

/// The policies that have names in the literature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// Publish every block at once.
    Honest,
    /// Selfish mining (Eyal and Sirer, *Majority is not enough*, 2014, algorithm 1).
    Selfish,
    /// Stubborn mining (Nayak, Kumar, Miller and Shi, *Stubborn Mining*, 2016, section 3).
    Stubborn {
        /// With a lead, match instead of overriding: never cash a lead in.
        lead: bool,
        /// A block found in a tie is kept secret instead of winning the tie with it.
        equal_fork: bool,
        /// Keep mining on the own branch until the public one is more than this many blocks ahead.
        trail: u32,
    },
}

impl Policy for Named {
    fn decide(&self, state: State) -> Decision {
        let (lead, equal_fork, trail) = match *self {
            Named::Honest if state.own > state.public => return Decision::Override,
            Named::Honest if state.public > 0 => return Decision::Adopt,
            Named::Honest => return Decision::Wait,
            Named::Selfish => (false, false, 0),
            Named::Stubborn { lead, equal_fork, trail } => (lead, equal_fork, trail),
        };
        let State { own, public, fork } = state;
        if public > own {
            // Without a block of one's own there is no branch to be stubborn about.
            return if own == 0 || public - own > trail { Decision::Adopt } else { Decision::Wait };
        }
        if public == 0 {
            return Decision::Wait;
        }
        match (fork, own - public) {
            (Fork::Relevant, 0) => Decision::Match,
            (Fork::Relevant, 1) if !lead => Decision::Override,
            // Far ahead, or stubborn: as far as the public branch reaches.
            (Fork::Relevant, _) => Decision::Match,
            // A block found while two branches of the same length race decides the race.
            (Fork::Active | Fork::Irrelevant, 1) if !equal_fork => Decision::Override,
            (Fork::Active | Fork::Irrelevant, _) => Decision::Wait,
        }
    }
}

/// A policy as a table, as a solver gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Branches are looked up to this length.
    pub length_max: u32,
    /// By [`index`].
    pub decisions: Vec<Decision>,
}

/// Where a state stands in a table for branches of up to `length_max` blocks.
pub fn index(state: State, length_max: u32) -> usize {
    let side = length_max as usize + 1;
    (state.own as usize * side + state.public as usize) * 3 + state.fork as usize
}

/// What a truncated process does at its border: cash in if ahead, give up if not. It never earns more than going on would,
/// so a truncated optimum is a lower bound.
pub fn at_border(state: State) -> Decision {
    if state.own > state.public { Decision::Override } else { Decision::Adopt }
}

impl Policy for Table {
    fn decide(&self, state: State) -> Decision {
        if state.own >= self.length_max || state.public >= self.length_max {
            return at_border(state);
        }
        self.decisions[index(state, self.length_max)]
    }
}

/// Blocks that a decision or a find puts into the chain for good.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settled {
    /// The attacker's.
    pub own: f64,
    /// The others'.
    pub public: f64,
}

/// Whether a decision is possible in a state.
pub fn is_possible(decision: Decision, state: State) -> bool {
    match decision {
        // Giving up makes no sense while nothing has been found.
        Decision::Adopt => state.public > 0,
        Decision::Override => state.own > state.public,
        Decision::Match => state.fork == Fork::Relevant && state.own >= state.public && state.public > 0,
        Decision::Wait => true,
    }
}

/// The state after a decision and before the next block, and what it settles.
pub fn after_decision(state: State, decision: Decision) -> (State, Settled) {
    match decision {
        Decision::Adopt => {
            let settled = Settled { own: 0.0, public: f64::from(state.public) };
            (State { own: 0, public: 0, fork: Fork::Irrelevant }, settled)
        }
        Decision::Override => {
            let settled = Settled { own: f64::from(state.public) + 1.0, public: 0.0 };
            (State { own: state.own - state.public - 1, public: 0, fork: Fork::Irrelevant }, settled)
        }
        Decision::Match => (State { fork: Fork::Active, ..state }, Settled::default()),
        Decision::Wait => (state, Settled::default()),
    }
}

/// What the next block leads to: states, what they settle, and their probabilities, for an attacker with `share` of the hash
/// rate and a part `gamma` of the others mining on the attacker's branch in a tie.
pub fn next_block(state: State, share: f64, gamma: f64) -> [(State, Settled, f64); 3] {
    let others = 1.0 - share;
    let is_active = state.fork == Fork::Active;
    let found_fork = if is_active { Fork::Active } else { Fork::Irrelevant };
    let found = State { own: state.own + 1, fork: found_fork, ..state };
    let against = State { public: state.public + 1, fork: Fork::Relevant, ..state };
    let gamma = if is_active { gamma } else { 0.0 };
    // On the attacker's branch: what was published of it is settled, and the fork is above it.
    let (with, settled) = if is_active {
        let with = State { own: state.own - state.public, public: 1, fork: Fork::Relevant };
        (with, Settled { own: f64::from(state.public), public: 0.0 })
    } else {
        (against, Settled::default())
    };
    [
        (found, Settled::default(), share),
        (with, settled, others * gamma),
        (against, Settled::default(), others * (1.0 - gamma)),
    ]
}
