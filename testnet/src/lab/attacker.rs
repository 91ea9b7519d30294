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
}

impl Attacker {
    /// Wraps a core. Orders are looked for at every input.
    pub fn new(core: Core, strategy: Box<dyn Strategy>, orders: Receiver<Order>, report: Report) -> Attacker {
        let public = core.tip().hash;
        Attacker { core, strategy, orders, report, hidden: FxHashSet::default(), public, own: None, calls: 0 }
    }

    fn view(&self) -> View<'_> {
        let public = self.core.summary(&self.public).unwrap_or_else(|| self.core.tip());
        View { core: &self.core, public, own: self.own.and_then(|own| self.core.summary(&own)) }
    }

    /// Gives the strategy an event, carries out what it wants, and returns what the core said to that.
    fn tell(&mut self, event: &Event, now: Time) -> Result<Vec<Output>, StoreError> {
        let public = self.core.summary(&self.public).unwrap_or_else(|| self.core.tip());
        let own = self.own.and_then(|own| self.core.summary(&own));
        let actions = self.strategy.after(event, &View { core: &self.core, public, own });
        let mut outputs = Vec::new();
        for action in actions {
            match action {
                Action::Publish(tip) => outputs.extend(self.publish(tip)?),
                Action::Abandon => outputs.extend(self.abandon(now)?),
                Action::Submit(transaction) => {
                    let call = self.own_call();
                    outputs.extend(self.core.handle(now, Input::SubmitTransaction { call, transaction })?);
                }
            }
        }
        if !outputs.is_empty() {
            // The miner's glue renews its job when the mempool changes; here its aim has.
            outputs.push(Output::MempoolChanged);
        }
        Ok(outputs)
    }

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

    fn abandon(&mut self, now: Time) -> Result<Vec<Output>, StoreError> {
        let Some(mut first) = self.own.take() else { return Ok(Vec::new()) };
        // Back to the first block of the branch, so that the whole of it leaves the core's active chain.
        while let Some(summary) = self.core.summary(&first) {
            match self.hidden.contains(&summary.header.previous) {
                true => first = summary.header.previous,
                false => break,
            }
        }
        match self.hidden.contains(&first) {
            true => self.steer(first, Steer::Invalidate, now),
            false => Ok(Vec::new()),
        }
    }

    fn steer(&mut self, block: BlockHash, steer: Steer, now: Time) -> Result<Vec<Output>, StoreError> {
        let call = self.own_call();
        self.core.handle(now, Input::Steer { call, block, steer })
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

    /// Blocks that others made and the core has just stored: refused, or candidates for the public tip.
    fn heed(&mut self, outputs: &[Output], now: Time) -> Result<(Vec<Event>, Vec<Output>), StoreError> {
        let (mut events, mut more) = (Vec::new(), Vec::new());
        for output in outputs {
            let Output::StoreBlock(block) = output else { continue };
            let hash = block.hash();
            if self.hidden.contains(&hash) {
                continue;
            }
            if !self.strategy.accepts(&hash, &self.view()) {
                more.extend(self.steer(hash, Steer::Invalidate, now)?);
            } else if self.consider_public(hash) {
                events.push(Event::Public(hash));
            }
        }
        Ok((events, more))
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
        let mut events = Vec::new();
        let found = match &input {
            Input::SubmitBlock { block, .. } => {
                let hash = block.hash();
                if self.hidden.contains(&block.header.previous) || self.aim().secret {
                    self.hidden.insert(hash);
                }
                Some(hash)
            }
            Input::Tick => {
                events.push(Event::Tick);
                None
            }
            _ => None,
        };
        let mut outputs = self.core.handle(now, input)?;
        let (public, more) = self.heed(&outputs, now)?;
        outputs.extend(more);
        events.extend(public);
        if let Some(hash) = found.filter(|hash| self.hidden.contains(hash) && self.core.summary(hash).is_some()) {
            self.own = Some(hash);
            events.push(Event::Found(hash));
        }
        events.extend(self.orders.try_iter().map(Event::Order));
        for event in &events {
            outputs.extend(self.tell(event, now)?);
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
        Ok(outputs.into_iter().filter_map(|output| self.filtered(output)).collect())
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
