//! Double spend: pay the shop in public, spend the same coins to oneself in secret, publish the secret branch once the
//! shop has shipped and the branch is longer.
//!
//! With `premine` the attacker first mines in secret until it is that many blocks ahead, starting over whenever the public
//! chain catches up, and pays then. The branch holds the conflicting payment from its first block on.

use super::{Action, AttackerView, Command, Content, Event, MiningGoal, Strategy};
use chain_spec::{Block, BlockHash, CheckedTransaction, Transaction};
use std::sync::Arc;

/// How a double spend is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Confirmations the shop waits for.
    pub confirmations: u32,
    /// Blocks to be ahead in secret before paying.
    pub premine: u32,
    /// With the goods shipped, give up this many blocks behind; never if `None`.
    pub give_up: Option<u32>,
    /// Publish only when told that the goods are here ([`Command::Shipped`]), as live, where a shop needs a moment to see its
    /// confirmations. Otherwise the shop is taken to ship at the very confirmation.
    pub waits_for_goods: bool,
}

/// A race that does not begin at its beginning: blocks of either branch, which are made at once when the payment is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// Of the attacker's branch.
    pub own: u32,
    /// Of the public branch, the first with the payment.
    pub public: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// Mining as everybody does until the payment is commanded.
    Waiting,
    /// Mining secret blocks before the payment goes out.
    Premining,
    /// The payment is out; racing from this block, the last one both branches share.
    Racing { fork_height: u32 },
    /// Over.
    Ended { won: bool },
}

/// The strategy.
pub struct DoubleSpend {
    plan: Plan,
    stage: Stage,
    payment: Option<Payment>,
    shipped: bool,
}

struct Payment {
    paid: Arc<Transaction>,
    conflicting: Arc<CheckedTransaction>,
}

impl DoubleSpend {
    /// A double spend that has yet to be told what to pay.
    pub fn new(plan: Plan) -> DoubleSpend {
        DoubleSpend { plan, stage: Stage::Waiting, payment: None, shipped: false }
    }

    /// Confirmations of the payment on the public branch, 0 while it is not mined.
    fn confirmations(&self, view: &AttackerView<'_>, fork_height: u32) -> u32 {
        let Some(payment) = &self.payment else { return 0 };
        let mut at = view.public.clone();
        while at.height > fork_height {
            // Compared whole: naming every transaction of every block would cost more than all the rest.
            let holds = |block: Arc<Block>| block.transactions.iter().skip(1).any(|held| *held == *payment.paid);
            if view.block(&at.hash).is_some_and(holds) {
                return view.public.height - at.height + 1;
            }
            match view.core.summary(&at.header.previous) {
                Some(parent) => at = parent,
                None => return 0,
            }
        }
        0
    }

    fn pay(&mut self, fork_height: u32) -> Vec<Action> {
        self.stage = Stage::Racing { fork_height };
        self.payment.iter().map(|payment| Action::Submit(Arc::clone(&payment.paid))).collect()
    }

    /// The race starts below the block that confirms the payment: while neither side has a block of its own branch, a public
    /// block without the payment is one that both share.
    fn moved_fork(&mut self, view: &AttackerView<'_>, fork_height: u32) -> u32 {
        if view.own.is_some() || self.confirmations(view, fork_height) > 0 {
            return fork_height;
        }
        self.stage = Stage::Racing { fork_height: view.public.height };
        view.public.height
    }

    /// Publishes, gives up, or goes on, as the race stands.
    fn race(&mut self, view: &AttackerView<'_>, fork_height: u32) -> Vec<Action> {
        if !self.plan.waits_for_goods && self.confirmations(view, fork_height) >= self.plan.confirmations {
            self.shipped = true;
        }
        if !self.shipped {
            return Vec::new();
        }
        let secret_height = view.own.as_ref().map_or(fork_height, |secret| secret.height);
        let lead = i64::from(secret_height) - i64::from(view.public.height);
        if let (true, Some(secret)) = (lead > 0, &view.own) {
            self.stage = Stage::Ended { won: true };
            return vec![Action::Publish(secret.hash)];
        }
        if self.plan.give_up.is_some_and(|limit| -lead >= i64::from(limit)) {
            self.stage = Stage::Ended { won: false };
            return vec![Action::Abandon];
        }
        Vec::new()
    }

    fn parent(&self, view: &AttackerView<'_>, fork_height: u32) -> BlockHash {
        match &view.own {
            Some(secret) => secret.hash,
            None => view.ancestor(&view.public, fork_height).map_or(view.public.hash, |fork| fork.hash),
        }
    }

    fn secret_aim(&self, view: &AttackerView<'_>, parent: BlockHash) -> MiningGoal {
        // The first secret block holds the conflicting payment; those on it need nothing.
        let content = match (&self.payment, &view.own) {
            (Some(payment), None) => vec![Arc::clone(&payment.conflicting)],
            _ => Vec::new(),
        };
        MiningGoal { parent, content: Content::Exactly(content), secret: true, time_s: None }
    }
}

impl Strategy for DoubleSpend {
    fn name(&self) -> &'static str {
        "double-spend"
    }

    fn goal(&self, view: &AttackerView<'_>) -> MiningGoal {
        match self.stage {
            Stage::Waiting | Stage::Ended { .. } => MiningGoal::honest(view),
            Stage::Premining => {
                let parent = view.own.as_ref().map_or(view.public.hash, |secret| secret.hash);
                self.secret_aim(view, parent)
            }
            Stage::Racing { fork_height } => self.secret_aim(view, self.parent(view, fork_height)),
        }
    }

    fn after(&mut self, event: &Event, view: &AttackerView<'_>) -> Vec<Action> {
        self.shipped |= *event == Event::Command(Command::Shipped);
        match (event, &self.stage) {
            (Event::Command(Command::Pay { paid, conflicting }), Stage::Waiting | Stage::Ended { .. }) => {
                self.shipped = false;
                self.payment = Some(Payment { paid: Arc::clone(paid), conflicting: Arc::clone(conflicting) });
                if self.plan.premine == 0 {
                    return self.pay(view.public.height);
                }
                self.stage = Stage::Premining;
                Vec::new()
            }
            (Event::Command(Command::Stop), Stage::Premining | Stage::Racing { .. }) => {
                self.stage = Stage::Ended { won: false };
                vec![Action::Abandon]
            }
            (Event::Found(_), Stage::Premining) if view.lead() >= i64::from(self.plan.premine) => {
                self.pay(view.public.height)
            }
            // The public chain has caught up: a branch that is no longer ahead is worth nothing, so start over.
            (Event::Public(_), Stage::Premining) if view.own.is_some() && view.lead() <= 0 => vec![Action::Abandon],
            (_, Stage::Racing { fork_height }) => {
                let fork_height = self.moved_fork(view, *fork_height);
                self.race(view, fork_height)
            }
            _ => Vec::new(),
        }
    }

    fn state(&self, view: &AttackerView<'_>) -> String {
        match &self.stage {
            Stage::Waiting => "mining as everybody does".into(),
            Stage::Premining => format!("{} of {} blocks mined in advance", view.lead().max(0), self.plan.premine),
            Stage::Racing { fork_height } => format!(
                "{} of {} confirmations in public; secret branch {:+} blocks",
                self.confirmations(view, *fork_height),
                self.plan.confirmations,
                view.own.as_ref().map_or(i64::from(*fork_height), |secret| i64::from(secret.height))
                    - i64::from(view.public.height)
            ),
            Stage::Ended { won: true } => "the secret branch was longer and is public".into(),
            Stage::Ended { won: false } => "gave up".into(),
        }
    }

    fn ended(&self) -> Option<bool> {
        match self.stage {
            Stage::Ended { won } => Some(won),
            _ => None,
        }
    }
}
