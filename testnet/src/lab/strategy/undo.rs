//! Undoing one block of others: mine a secret branch from below it, publish it if it gets longer, give up at a limit.
//!
//! Two attacks are this: a *feather fork* (Miller, *Feather-forks: enforcing a blacklist with sub-50 % hash power*, 2013) undoes blocks
//! that pay somebody it does not like, so that rational miners leave such payments out if they pay little; *fee sniping* (Todd,
//! 2013; Carlsten and others, *On the Instability of Bitcoin Without the Block Reward*, 2016) undoes a block whose fees are worth more
//! than a new one, to take them.

use super::{Action, AttackerView, Content, Event, MiningGoal, Strategy, censor};
use chain_spec::rules::transaction::check_transaction;
use chain_spec::{Amount, Block, BlockHash, CheckedTransaction, Script};
use std::sync::Arc;

/// What makes a block worth undoing.
#[derive(Clone, Debug)]
pub enum Prey {
    /// It pays to or spends from a script, which stays unconfirmed on the attacker's branch.
    Concerns(Script),
    /// Its fees are at least this part of the subsidy; its transactions are mined again on the attacker's branch.
    FeesOfSubsidy(f64),
}

/// The strategy. It honestly mines on what is not its prey.
pub struct Undo {
    name: &'static str,
    prey: Prey,
    /// Blocks behind at which it gives up.
    give_up: u32,
    hunt: Option<Hunt>,
    ended: Option<bool>,
}

/// A block that is being undone.
struct Hunt {
    /// What the branch begins on.
    parent: BlockHash,
    parent_height: u32,
    /// What the branch's first block holds, and the fees that leaves.
    first: Vec<Arc<CheckedTransaction>>,
    fees: Amount,
}

impl Undo {
    /// Undoes such blocks, and gives up `give_up` blocks behind.
    pub fn new(name: &'static str, prey: Prey, give_up: u32) -> Undo {
        Undo { name, prey, give_up, hunt: None, ended: None }
    }

    /// The hunt for a block that others have put on the public tip, if it is prey.
    fn hunt(&self, hash: &BlockHash, view: &AttackerView<'_>) -> Option<Hunt> {
        let (summary, block) = (view.core.summary(hash)?, view.block(hash)?);
        let parent = view.core.summary(&block.header.previous)?;
        let hunt = |first, fees| Some(Hunt { parent: parent.hash, parent_height: parent.height, first, fees });
        match &self.prey {
            Prey::Concerns(script) => {
                let concerns = block.transactions.iter().skip(1).any(|held| censor::concerns(held, script));
                concerns.then(|| hunt(Vec::new(), Amount::ZERO))?
            }
            Prey::FeesOfSubsidy(part) => {
                let subsidy = view.core.spec().subsidy(summary.height);
                let fees = claimed(&block)?.checked_sub(subsidy)?;
                let is_worth = fees.units() as f64 >= part * subsidy.units() as f64;
                // The transactions stood in a valid block, so they are well-formed.
                let again = || block.transactions.iter().skip(1).map(|held| check_transaction(Arc::new(held.clone())));
                is_worth.then(|| hunt(again().filter_map(Result::ok).map(Arc::new).collect(), fees))?
            }
        }
    }

    /// How far the branch is ahead of the public one.
    fn lead(hunt: &Hunt, view: &AttackerView<'_>) -> i64 {
        let own = view.own.as_ref().map_or(hunt.parent_height, |own| own.height);
        i64::from(own) - i64::from(view.public.height)
    }
}

/// What a block's coinbase takes.
fn claimed(block: &Block) -> Option<Amount> {
    let outputs = &block.transactions.first()?.outputs;
    outputs.iter().try_fold(Amount::ZERO, |sum, output| sum.checked_add(output.value))
}

impl Strategy for Undo {
    fn name(&self) -> &'static str {
        self.name
    }

    fn goal(&self, view: &AttackerView<'_>) -> MiningGoal {
        let content = match &self.prey {
            Prey::Concerns(script) => Content::MempoolWithout(script.clone()),
            Prey::FeesOfSubsidy(_) => Content::Mempool,
        };
        match (&self.hunt, &view.own) {
            (None, _) => MiningGoal { content, ..MiningGoal::honest(view) },
            (Some(_), Some(own)) => {
                MiningGoal { parent: own.hash, content: Content::Exactly(Vec::new()), secret: true, time_s: None }
            }
            (Some(hunt), None) => {
                let content = Content::Again { transactions: hunt.first.clone(), fees: hunt.fees };
                MiningGoal { parent: hunt.parent, content, secret: true, time_s: None }
            }
        }
    }

    fn after(&mut self, event: &Event, view: &AttackerView<'_>) -> Vec<Action> {
        if let (None, Event::Public(hash)) = (&self.hunt, event) {
            self.hunt = self.hunt(hash, view);
        }
        let Some(lead) = self.hunt.as_ref().map(|hunt| Undo::lead(hunt, view)) else { return Vec::new() };
        match &view.own {
            Some(own) if lead > 0 => {
                (self.hunt, self.ended) = (None, Some(true));
                vec![Action::Publish(own.hash)]
            }
            _ if -lead >= i64::from(self.give_up) => {
                (self.hunt, self.ended) = (None, Some(false));
                vec![Action::Abandon]
            }
            _ => Vec::new(),
        }
    }

    fn state(&self, view: &AttackerView<'_>) -> String {
        match &self.hunt {
            Some(hunt) => format!(
                "undoing the block at height {}; the secret branch is {:+} blocks ahead",
                hunt.parent_height + 1,
                Undo::lead(hunt, view)
            ),
            None => "mining as everybody does until a block is worth undoing".into(),
        }
    }

    fn ended(&self) -> Option<bool> {
        self.ended
    }
}
