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
pub enum UndoneBlocks {
    /// It pays to or spends from a script, which stays unconfirmed on the attacker's branch.
    Concerns(Script),
    /// Its fees are at least this part of the subsidy; its transactions are mined again on the attacker's branch.
    FeesOfSubsidy(f64),
}

/// The strategy. It mines honestly on every other block.
pub struct Undo {
    name: &'static str,
    undone: UndoneBlocks,
    /// Blocks behind at which it gives up.
    give_up: u32,
    undoing: Option<Undoing>,
    ended: Option<bool>,
}

/// A block that is being undone.
struct Undoing {
    /// What the branch begins on.
    parent: BlockHash,
    parent_height: u32,
    /// What the branch's first block holds, and the fees that leaves.
    first: Vec<Arc<CheckedTransaction>>,
    fees: Amount,
}

impl Undo {
    /// Undoes such blocks, and gives up `give_up` blocks behind.
    pub fn new(name: &'static str, undone: UndoneBlocks, give_up: u32) -> Undo {
        Undo { name, undone, give_up, undoing: None, ended: None }
    }

    /// The branch that undoes a block which others have put on the public tip, if that is one to undo.
    fn undoing(&self, hash: &BlockHash, view: &AttackerView<'_>) -> Option<Undoing> {
        let (summary, block) = (view.core.summary(hash)?, view.block(hash)?);
        let parent = view.core.summary(&block.header.previous)?;
        let undoing = |first, fees| Some(Undoing { parent: parent.hash, parent_height: parent.height, first, fees });
        match &self.undone {
            UndoneBlocks::Concerns(script) => {
                let concerns = block.transactions.iter().skip(1).any(|held| censor::concerns(held, script));
                concerns.then(|| undoing(Vec::new(), Amount::ZERO))?
            }
            UndoneBlocks::FeesOfSubsidy(part) => {
                let subsidy = view.core.spec().subsidy(summary.height);
                let fees = claimed(&block)?.checked_sub(subsidy)?;
                let is_worth = fees.units() as f64 >= part * subsidy.units() as f64;
                // The transactions stood in a valid block, so they are well-formed.
                let again = || block.transactions.iter().skip(1).map(|held| check_transaction(Arc::new(held.clone())));
                is_worth.then(|| undoing(again().filter_map(Result::ok).map(Arc::new).collect(), fees))?
            }
        }
    }

    /// How far the branch is ahead of the public one.
    fn lead(undoing: &Undoing, view: &AttackerView<'_>) -> i64 {
        let own = view.own.as_ref().map_or(undoing.parent_height, |own| own.height);
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
        let content = match &self.undone {
            UndoneBlocks::Concerns(script) => Content::MempoolWithout(script.clone()),
            UndoneBlocks::FeesOfSubsidy(_) => Content::Mempool,
        };
        match (&self.undoing, &view.own) {
            (None, _) => MiningGoal { content, ..MiningGoal::honest(view) },
            (Some(_), Some(own)) => {
                MiningGoal { parent: own.hash, content: Content::Exactly(Vec::new()), secret: true, time_s: None }
            }
            (Some(undoing), None) => {
                let content = Content::Again { transactions: undoing.first.clone(), fees: undoing.fees };
                MiningGoal { parent: undoing.parent, content, secret: true, time_s: None }
            }
        }
    }

    fn after(&mut self, event: &Event, view: &AttackerView<'_>) -> Vec<Action> {
        if let (None, Event::Public(hash)) = (&self.undoing, event) {
            self.undoing = self.undoing(hash, view);
        }
        let Some(lead) = self.undoing.as_ref().map(|undoing| Undo::lead(undoing, view)) else { return Vec::new() };
        match &view.own {
            Some(own) if lead > 0 => {
                (self.undoing, self.ended) = (None, Some(true));
                vec![Action::Publish(own.hash)]
            }
            _ if -lead >= i64::from(self.give_up) => {
                (self.undoing, self.ended) = (None, Some(false));
                vec![Action::Abandon]
            }
            _ => Vec::new(),
        }
    }

    fn state(&self, view: &AttackerView<'_>) -> String {
        match &self.undoing {
            Some(undoing) => format!(
                "undoing the block at height {}; the secret branch is {:+} blocks ahead",
                undoing.parent_height + 1,
                Undo::lead(undoing, view)
            ),
            None => "mining as everybody does until a block is worth undoing".into(),
        }
    }

    fn ended(&self) -> Option<bool> {
        self.ended
    }
}
