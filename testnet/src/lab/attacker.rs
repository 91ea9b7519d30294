//! An attacker: a node's core, wrapped by a [`Strategy`] that decides what its miner aims at and what the world may see.
//!
//! Honest code holds no attack code. The wrapper speaks to the core as the shell does and filters what comes out: secret
//! blocks are neither announced nor served, and peers who mine what the strategy refuses are not punished for it. A refused
//! block is made invalid in the attacker's own core, as an operator would with `invalidateblock`.

use super::strategy::{Action, Aim, Content, Event, Order, Strategy, View, censor};
use chain_spec::{BlockHash, CheckedTransaction, Script, Txid};
use node::core::Core;
use node::core::event::{CallId, Input, Output, Steer, Time, Verdict};
use node::core::message::{CompactBlock, Gossip, Response};
use node::core::mind::Mind;
use node::core::store::StoreError;
use node::core::template::Template;
use rustc_hash::FxHashSet;
use std::collections::VecDeque;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

/// Calls the wrapper makes itself are numbered from here, so that no answer to them is taken for a caller's.
const OWN_CALLS: u64 = 1 << 63;

/// What the lab may know of a running strategy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// How it ended, if it has.
    pub ended: Option<bool>,
    /// One line for people.
    pub state: String,
    /// The public tip as the attacker sees it, and its height.
    pub public: Option<(BlockHash, u32)>,
    /// The tip of his own branch and its height.
    pub own: Option<(BlockHash, u32)>,
}

/// Where the lab reads a strategy's standing.
#[derive(Clone, Debug, Default)]
pub struct Report(Arc<Mutex<Standing>>);

impl Report {
    /// As it stands now.
    pub fn standing(&self) -> Standing {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, standing: Standing) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }
}

/// A core with a strategy around it.
pub struct Attacker {
    core: Core,
    strategy: Box<dyn Strategy>,
    orders: Receiver<Order>,
    report: Report,
    hidden: FxHashSet<BlockHash>,
    public: BlockHash,
    own: Option<BlockHash>,
    calls: u64,
    /// Blocks the core has stored since the last thought: others' and our own. They can be read from the next call on.
    noted: Vec<BlockHash>,
    found: Vec<BlockHash>,
    /// What the core is still to be told, one a call, because what it says must be performed in between.
    queued: VecDeque<Input>,
}

impl Attacker {
    /// Wraps a core. Orders are looked for at every input.
    pub fn new(core: Core, strategy: Box<dyn Strategy>, orders: Receiver<Order>, report: Report) -> Attacker {
        let public = core.tip().hash;
        Attacker {
            core,
            strategy,
            orders,
            report,
            hidden: FxHashSet::default(),
            public,
            own: None,
            calls: 0,
            noted: Vec::new(),
            found: Vec::new(),
            queued: VecDeque::new(),
        }
    }

    fn view(&self) -> View<'_> {
        let public = self.core.summary(&self.public).unwrap_or_else(|| self.core.tip());
        View { core: &self.core, public, own: self.own.and_then(|own| self.core.summary(&own)) }
    }

    /// Gives the strategy an event and begins what it wants; what can be said at once is returned.
    fn tell(&mut self, event: &Event) -> Result<Vec<Output>, StoreError> {
        let public = self.core.summary(&self.public).unwrap_or_else(|| self.core.tip());
        let own = self.own.and_then(|own| self.core.summary(&own));
        let actions = self.strategy.after(event, &View { core: &self.core, public, own });
        // The miner's glue renews its job when the mempool changes; here its aim has.
        let mut outputs = if actions.is_empty() { Vec::new() } else { vec![Output::MempoolChanged] };
        for action in actions {
            match action {
                Action::Publish(tip) => outputs.extend(self.publish(tip)?),
                Action::Abandon => self.abandon(),
                // Past the own mempool, which may hold, or have mined in secret, what it conflicts with.
                Action::Submit(transaction) => outputs.push(Output::Publish(Gossip::Transaction(transaction))),
            }
        }
        Ok(outputs)
    }

    /// Announces a branch from its first secret block on. Called between the core's calls, so every block can be read.
    fn publish(&mut self, tip: BlockHash) -> Result<Vec<Output>, StoreError> {
        let mut branch = Vec::new();
        let mut at = tip;
        while self.hidden.remove(&at) {
            let Some(block) = self.core.block(&at)? else { break };
            at = block.header.previous;
            branch.push(Output::Publish(Gossip::Block(Arc::new(CompactBlock::new(
                &block,
                u64::from(block.header.nonce),
            )))));
        }
        branch.reverse();
        self.consider_public(tip);
        Ok(branch)
    }

    fn abandon(&mut self) {
        let Some(mut first) = self.own.take() else { return };
        // Back to the first block of the branch, so that the whole of it leaves the core's active chain.
        while let Some(summary) = self.core.summary(&first) {
            match self.hidden.contains(&summary.header.previous) {
                true => first = summary.header.previous,
                false => break,
            }
        }
        if self.hidden.contains(&first) {
            self.refuse(first);
        }
    }

    /// Has the core treat a block as invalid, as an operator would.
    fn refuse(&mut self, block: BlockHash) {
        let call = self.own_call();
        self.queued.push_back(Input::Steer { call, block, steer: Steer::Invalidate });
    }

    fn own_call(&mut self) -> CallId {
        self.calls += 1;
        CallId(OWN_CALLS + self.calls)
    }

    /// Takes `tip` as the public one if it has more work; whether it did.
    fn consider_public(&mut self, tip: BlockHash) -> bool {
        let work = |hash: &BlockHash| self.core.summary(hash).map(|summary| summary.work);
        if work(&tip) <= work(&self.public) {
            return false;
        }
        self.public = tip;
        let view = self.view();
        if view.own.as_ref().is_some_and(|own| view.contains(&view.public, &own.hash)) {
            self.own = None;
        }
        true
    }

    /// Takes in what has come since the last call, and what the strategy wants done about it.
    fn think(&mut self, ticked: bool) -> Result<Vec<Output>, StoreError> {
        let mut events = Vec::new();
        for hash in std::mem::take(&mut self.noted) {
            if !self.strategy.accepts(&hash, &self.view()) {
                self.refuse(hash);
            } else if self.consider_public(hash) {
                events.push(Event::Public(hash));
            }
        }
        for hash in std::mem::take(&mut self.found) {
            self.own = Some(hash);
            events.push(Event::Found(hash));
        }
        events.extend(self.orders.try_iter().map(Event::Order));
        if events.is_empty() && ticked {
            events.push(Event::Tick);
        }
        let mut outputs = Vec::new();
        for event in &events {
            outputs.extend(self.tell(event)?);
        }
        if !events.is_empty() {
            let view = self.view();
            let standing = Standing {
                ended: self.strategy.ended(),
                state: self.strategy.state(&view),
                public: Some((view.public.hash, view.public.height)),
                own: view.own.as_ref().map(|own| (own.hash, own.height)),
            };
            self.report.set(standing);
        }
        Ok(outputs)
    }

    /// What may leave the node.
    fn filtered(&self, output: Output) -> Option<Output> {
        match output {
            Output::Publish(Gossip::Block(block)) if self.hidden.contains(&block.header.hash()) => None,
            Output::Offence { .. } => None,
            Output::Answer { call, .. } if call.0 > OWN_CALLS => None,
            Output::Verdict { id, verdict: Verdict::Reject } => Some(Output::Verdict { id, verdict: Verdict::Ignore }),
            Output::Respond { id, response } => Some(Output::Respond { id, response: self.public_part(response) }),
            other => Some(other),
        }
    }

    fn public_part(&self, response: Response) -> Response {
        match response {
            Response::Headers(headers) => Response::Headers(
                headers.into_iter().take_while(|header| !self.hidden.contains(&header.hash())).collect(),
            ),
            Response::Blocks(blocks) => {
                Response::Blocks(blocks.into_iter().filter(|block| !self.hidden.contains(&block.hash())).collect())
            }
            other => other,
        }
    }

    fn aim(&self) -> Aim {
        self.strategy.aim(&self.view())
    }

    fn content(&self, aim: &Aim, payout: &Script, now: Time) -> Vec<Arc<CheckedTransaction>> {
        let without = match &aim.content {
            Content::Exactly(transactions) => return transactions.clone(),
            Content::Mempool => None,
            Content::MempoolWithout(script) => Some(script),
        };
        if aim.parent != self.core.tip().hash {
            return Vec::new();
        }
        let mut left_out: FxHashSet<Txid> = FxHashSet::default();
        let mut content = Vec::new();
        for entry in self.core.template(payout, now).transactions {
            let transaction = entry.transaction.transaction();
            let hangs_on_one = transaction.inputs.iter().any(|input| left_out.contains(&input.outpoint.txid));
            if hangs_on_one || without.is_some_and(|script| censor::concerns(transaction, script)) {
                left_out.insert(entry.transaction.txid());
            } else {
                content.push(entry.transaction);
            }
        }
        content
    }
}

impl Mind for Attacker {
    fn core(&self) -> &Core {
        &self.core
    }

    fn handle(&mut self, now: Time, input: Input) -> Result<Vec<Output>, StoreError> {
        let ticked = input == Input::Tick;
        let mut outputs = self.think(ticked)?;
        let input = if ticked { self.queued.pop_front().unwrap_or(input) } else { input };
        let submitted = match &input {
            Input::SubmitBlock { block, .. } => {
                let hash = block.hash();
                if self.hidden.contains(&block.header.previous) || self.aim().secret {
                    self.hidden.insert(hash);
                }
                Some(hash)
            }
            _ => None,
        };
        let said = self.core.handle(now, input)?;
        for output in &said {
            if let Output::StoreBlock(block) = output {
                let hash = block.hash();
                if !self.hidden.contains(&hash) {
                    self.noted.push(hash);
                } else if submitted == Some(hash) {
                    self.found.push(hash);
                }
            }
        }
        outputs.extend(said);
        Ok(outputs.into_iter().filter_map(|output| self.filtered(output)).collect())
    }

    fn has_pending(&self) -> bool {
        let waits = !(self.queued.is_empty() && self.noted.is_empty() && self.found.is_empty());
        waits || self.core.has_pending()
    }

    fn template(&self, payout: &Script, now: Time) -> Template {
        let aim = self.aim();
        let content = self.content(&aim, payout, now);
        let template = self.core.template_on(&aim.parent, payout, &content, now);
        // A parent that is not known cannot be aimed at; the honest template always can.
        let mut template = template.unwrap_or_else(|| self.core.template(payout, now));
        if let Some(time_s) = aim.time_s {
            template.block.header.time = time_s.max(template.min_time_s);
        }
        template
    }
}
