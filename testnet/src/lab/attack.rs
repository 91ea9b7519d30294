//! The attacks by name: the vocabulary that the simulator, the live lab and the command line share.

/// An attack that can be staged or simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// Pay a shop, then replace the payment by a longer secret branch.
    DoubleSpend,
    /// Never confirm an address's payments.
    Censor,
    /// Mine empty blocks only and bury all others.
    Halt,
    /// Build only on blocks that pay a tribute.
    Extort,
    /// Undo blocks that pay an address, and give up soon.
    FeatherFork,
    /// Undo a block to take its fees.
    FeeSnipe,
    /// Keep blocks secret to waste others' work.
    Selfish,
    /// The best way to keep blocks secret, as a solver finds it.
    OptimalSelfish,
    /// Selfish mining that never cashes a lead in.
    LeadStubborn,
    /// Selfish mining that keeps a block found in a tie.
    EqualForkStubborn,
    /// Selfish mining that goes on one block behind.
    TrailStubborn,
    /// Surround a node so that it sees only what the attacker shows it.
    Eclipse,
    /// Bend header times so that the target grows.
    Timewarp,
    /// Keep back the newest block only.
    Lazy,
    /// Leave a pool's round when it has become long.
    PoolHopping,
    /// Work in a pool without giving it the blocks that are found.
    BlockWithholding,
}

impl Attack {
    /// All of them, in the order of the help.
    pub const ALL: [Attack; 16] = [
        Attack::DoubleSpend,
        Attack::Censor,
        Attack::Halt,
        Attack::Extort,
        Attack::FeatherFork,
        Attack::FeeSnipe,
        Attack::Selfish,
        Attack::OptimalSelfish,
        Attack::LeadStubborn,
        Attack::EqualForkStubborn,
        Attack::TrailStubborn,
        Attack::Eclipse,
        Attack::Timewarp,
        Attack::Lazy,
        Attack::PoolHopping,
        Attack::BlockWithholding,
    ];

    /// Its name; a strategy of the same name plays it, but for the eclipse and those of a pool.
    pub fn as_str(self) -> &'static str {
        match self {
            Attack::DoubleSpend => "double-spend",
            Attack::Censor => "censor",
            Attack::Halt => "halt",
            Attack::Extort => "extort",
            Attack::FeatherFork => "feather-fork",
            Attack::FeeSnipe => "fee-snipe",
            Attack::Selfish => "selfish",
            Attack::OptimalSelfish => "optimal-selfish",
            Attack::LeadStubborn => "lead-stubborn",
            Attack::EqualForkStubborn => "equal-fork-stubborn",
            Attack::TrailStubborn => "trail-stubborn",
            Attack::Eclipse => "eclipse",
            Attack::Timewarp => "timewarp",
            Attack::Lazy => "lazy",
            Attack::PoolHopping => "pool-hopping",
            Attack::BlockWithholding => "block-withholding",
        }
    }

    /// What it does, in a line.
    pub fn summary(self) -> &'static str {
        match self {
            Attack::DoubleSpend => "Pay a shop, then replace the payment by a longer secret branch",
            Attack::Censor => "Never confirm an address's payments, in either direction",
            Attack::Halt => "Mine empty blocks only and bury all others",
            Attack::Extort => "A majority that builds only on blocks which pay it a tribute",
            Attack::FeatherFork => "Undo blocks that pay an address, and give up soon (Miller); simulated",
            Attack::FeeSnipe => "Undo a block to take its fees (Carlsten and others); simulated",
            Attack::Selfish => "Keep blocks secret to waste others' work (Eyal and Sirer)",
            Attack::OptimalSelfish => "The best way to keep blocks secret (Sapirshtein and others)",
            Attack::LeadStubborn => "Selfish mining that never cashes a lead in (Nayak and others)",
            Attack::EqualForkStubborn => "Selfish mining that keeps a block found in a tie (Nayak and others)",
            Attack::TrailStubborn => "Selfish mining that goes on one block behind (Nayak and others)",
            Attack::Eclipse => "Surround a node so that it sees only what the attacker shows it",
            Attack::Timewarp => "Bend header times so that the target grows (on a chain without BIP94)",
            Attack::Lazy => "Keep back the newest block only: the worked example of docs/strategies.md",
            Attack::PoolHopping => "Leave a pool's round when it has become long (Rosenfeld); simulated",
            Attack::BlockWithholding => "Work in a pool and withhold the blocks found (Rosenfeld, Eyal); simulated",
        }
    }

    /// Whether it keeps blocks back to earn more than its share.
    pub fn is_for_revenue(self) -> bool {
        matches!(
            self,
            Attack::Selfish
                | Attack::OptimalSelfish
                | Attack::LeadStubborn
                | Attack::EqualForkStubborn
                | Attack::TrailStubborn
                | Attack::Lazy
                | Attack::Extort
        )
    }

    /// Whether it keeps payments out of the chain.
    pub fn is_suppression(self) -> bool {
        matches!(self, Attack::Censor | Attack::Halt)
    }

    /// Whether it undoes single blocks of others. It is simulated only.
    pub fn is_undoing(self) -> bool {
        matches!(self, Attack::FeatherFork | Attack::FeeSnipe)
    }

    /// Whether it cheats a pool, and nobody else. It is simulated only.
    pub fn is_of_a_pool(self) -> bool {
        matches!(self, Attack::PoolHopping | Attack::BlockWithholding)
    }

    /// Whether γ, who wins ties, matters to it.
    pub fn has_ties(self) -> bool {
        self.is_for_revenue() && !matches!(self, Attack::Lazy | Attack::Extort)
    }

    /// The share of the hash rate that shows it best.
    pub fn usual_share(self) -> f64 {
        match self {
            Attack::DoubleSpend | Attack::Censor | Attack::Halt | Attack::Extort | Attack::Timewarp => 0.6,
            Attack::PoolHopping => 0.01,
            Attack::BlockWithholding => 0.2,
            Attack::Eclipse | Attack::FeatherFork | Attack::FeeSnipe => 0.3,
            _ => 0.4,
        }
    }

    /// Confirmations at which a payment counts, unless asked otherwise.
    pub fn usual_confirmations(self) -> u32 {
        if self.is_suppression() { 6 } else { 2 }
    }
}
