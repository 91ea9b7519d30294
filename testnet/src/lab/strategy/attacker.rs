//! An attacker: a node's core, wrapped by a [`Strategy`] that decides what its miner works on and what others may see.
//!
//! Honest code holds no attack code. The wrapper speaks to the core as the shell does and filters what comes out: secret
//! blocks are neither announced nor served, and peers who mine what the strategy refuses are not punished for it. A refused
//! block is made invalid in the attacker's own core, as an operator would with `invalidateblock`.

use super::{Action, AttackerView, Command, Content, Event, FreshBlocks, MiningGoal, Strategy, censor};
use chain_spec::merkle::root_from_branch;
use chain_spec::{Amount, Block, BlockHash, CheckedTransaction, Script, Transaction, Txid};
use node::core::Core;
use node::core::event::{Acceptance, BlockOverride, CallId, Input, Output, Time};
use node::core::message::{CompactBlock, Gossip, Response};
use node::core::state_machine::StateMachine;
use node::core::store::{Status, StoreError};
use node::core::summary::Summary;
use node::core::template::Template;
use rustc_hash::FxHashSet;
use std::collections::VecDeque;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

/// Calls the wrapper makes itself are numbered from here, so that no answer to them is taken for a caller's.
const OWN_CALLS: u64 = 1 << 63;

/// What the lab may know of a running strategy; live it is also what the attacker's process writes for the lab to read.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StrategyStatus {
    /// How it ended, if it has.
    pub ended: Option<bool>,
    /// How many attempts it has begun: a strategy may be told to attack again after its end.
    pub runs: u32,
    /// One line for people.
    pub state: String,
    /// Whether the attacker has a branch that the public one does not include, published or not.
    #[serde(default)]
    pub holds_branch: bool,
}

/// Where the lab reads a strategy's status.
#[derive(Clone, Debug, Default)]
pub struct StatusReport {
    status: Arc<Mutex<StrategyStatus>>,
    /// Nobody reads its text, which in thousands of simulated runs would be a good part of the work.
    is_without_text: bool,
}

impl StatusReport {
    /// One that says whether and how the strategy ended, without text for people.
    pub fn without_text() -> StatusReport {
        StatusReport { is_without_text: true, ..StatusReport::default() }
    }

    /// The newest status.
    pub fn status(&self) -> StrategyStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the attacker has a branch that the public one does not include.
    pub fn holds_branch(&self) -> bool {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).holds_branch
    }

    fn set(&self, status: StrategyStatus) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }
}

/// A core with a strategy around it.
pub struct Attacker {
    core: Core,
    strategy: Box<dyn Strategy>,
    commands: Receiver<Command>,
    report: StatusReport,
    hidden: FxHashSet<BlockHash>,
    /// Transactions of hidden blocks. An abandoned block gives them back to the mempool, from where a node tells everybody.
    withheld: FxHashSet<Txid>,
    public: BlockHash,
    own: Option<BlockHash>,
    calls: u64,
    /// Blocks that the core wants stored by what it said last: the store has them only when that has been performed.
    fresh: FreshBlocks,
    /// Inputs the core is still to be given: one a call, because its outputs must be performed in between.
    queued: VecDeque<Input>,
    /// The lab has ended the attack: what was secret is published or given up, and the node mines as everybody does.
    is_stopped: bool,
    /// Payments the lab has commanded.
    runs: u32,
}

impl Attacker {
    /// Wraps a core. Orders are looked for at every input.
    pub fn new(
        mut core: Core,
        strategy: Box<dyn Strategy>,
        commands: Receiver<Command>,
        report: StatusReport,
    ) -> Attacker {
        core.fetch_all_branches();
        let public = core.tip().hash;
        Attacker {
            core,
            strategy,
            commands,
            report,
            hidden: FxHashSet::default(),
            withheld: FxHashSet::default(),
            public,
            own: None,
            calls: 0,
            fresh: FreshBlocks::default(),
            queued: VecDeque::new(),
            is_stopped: false,
            runs: 0,
        }
    }

    fn view(&self) -> AttackerView<'_> {
        AttackerView::new(&self.core, &self.fresh, self.public, self.own)
    }

    /// Gives the strategy an event and begins what it wants; what can be done at once is returned.
    fn notify(&mut self, event: &Event) -> Result<Vec<Output>, StoreError> {
        if self.is_stopped {
            return Ok(Vec::new());
        }
        self.runs += u32::from(matches!(event, Event::Command(Command::Pay { .. })));
        let view = AttackerView::new(&self.core, &self.fresh, self.public, self.own);
        let actions = self.strategy.after(event, &view);
        // The miner renews its job by itself at a new tip and after a block of its own. A command or an action can change the
        // goal without either, and this is what else it listens to.
        let renews = !actions.is_empty() || matches!(event, Event::Command(_));
        let mut outputs = if renews { vec![Output::MiningGoalChanged] } else { Vec::new() };
        outputs.extend(self.perform(actions)?);
        if *event == Event::Command(Command::Stop) {
            self.is_stopped = true;
            let actions = self.view().cash_in();
            outputs.extend(self.perform(actions)?);
        }
        Ok(outputs)
    }

    fn perform(&mut self, actions: Vec<Action>) -> Result<Vec<Output>, StoreError> {
        let mut outputs = Vec::new();
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

    /// Announces a branch from its first secret block on.
    fn publish(&mut self, tip: BlockHash) -> Result<Vec<Output>, StoreError> {
        let mut branch = Vec::new();
        let mut at = tip;
        while self.hidden.remove(&at) {
            let fresh = self.fresh.get(&at).map(|checked| Arc::clone(checked.block()));
            let Some(block) = fresh.map_or_else(|| self.core.block(&at), |block| Ok(Some(block)))? else { break };
            at = block.header.previous;
            if !self.withheld.is_empty() {
                for transaction in &block.transactions {
                    self.withheld.remove(&transaction.txid());
                }
            }
            branch.push(Output::Publish(Gossip::Block(Arc::new(CompactBlock::new(&block, 0)))));
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
        self.calls += 1;
        let call = CallId(OWN_CALLS + self.calls);
        self.queued.push_back(Input::OverrideBlock { call, block, change: BlockOverride::Invalidate });
    }

    /// Takes `tip` as the public one if it has more work; whether it did.
    fn consider_public(&mut self, tip: BlockHash) -> bool {
        let Some(candidate) = self.core.summary(&tip).filter(is_sound) else { return false };
        if self.core.summary(&self.public).is_some_and(|public| candidate.work <= public.work) {
            return false;
        }
        self.public = tip;
        let view = self.view();
        if view.own.as_ref().is_some_and(|own| view.contains(&view.public, &own.hash)) {
            self.own = None;
        }
        true
    }

    /// Takes in what the core has stored and what the lab has commanded, and does what the strategy decides.
    fn think(
        &mut self,
        stored: &[BlockHash],
        found: Option<BlockHash>,
        ticked: bool,
    ) -> Result<Vec<Output>, StoreError> {
        // A block that others built on one that has been refused, or that broke a rule, is nobody's tip.
        while let Some(public) = self.core.summary(&self.public).filter(|public| !is_sound(public)) {
            self.public = public.header.previous;
        }
        let mut events = Vec::new();
        for &hash in stored {
            if found == Some(hash) && self.hidden.contains(&hash) {
                self.own = Some(hash);
                events.push(Event::Found(hash));
            } else if found != Some(hash) && !self.is_stopped && !self.strategy.accepts(&hash, &self.view()) {
                self.refuse(hash);
            } else if self.consider_public(hash) {
                events.push(Event::Public(hash));
            }
        }
        events.extend(self.commands.try_iter().map(Event::Command));
        if events.is_empty() && ticked {
            events.push(Event::Tick);
        }
        let mut outputs = Vec::new();
        for event in &events {
            outputs.extend(self.notify(event)?);
        }
        if !events.is_empty() {
            let view = self.view();
            let status = StrategyStatus {
                ended: self.strategy.ended(),
                runs: self.runs,
                state: if self.report.is_without_text { String::new() } else { self.strategy.state(&view) },
                holds_branch: view.own.is_some(),
            };
            self.report.set(status);
        }
        Ok(outputs)
    }

    fn goal(&self) -> MiningGoal {
        let view = self.view();
        if self.is_stopped { MiningGoal::honest(&view) } else { self.strategy.goal(&view) }
    }

    /// Whether a found block was meant to be kept: it stands on a secret one, or is what the strategy's goal is. One
    /// that the miner found for the goal of a moment ago is published like anybody's.
    fn is_secret(&self, block: &Block) -> bool {
        if self.hidden.contains(&block.header.previous) {
            return true;
        }
        let goal = self.goal();
        let is_wanted = match &goal.content {
            Content::Exactly(content) => {
                let found = block.transactions.iter().skip(1);
                found.eq(content.iter().map(|transaction| transaction.transaction().as_ref()))
            }
            Content::Again { transactions, .. } => block.transactions.len() == 1 + transactions.len(),
            Content::Mempool | Content::MempoolWithout(_) => true,
        };
        goal.secret && goal.parent == block.header.previous && is_wanted
    }

    /// What may leave the node.
    fn filtered(&self, output: Output) -> Option<Output> {
        match output {
            Output::Publish(Gossip::Block(block)) if self.hidden.contains(&block.header.hash()) => None,
            Output::Publish(Gossip::Transaction(transaction)) if self.withholds(&transaction) => None,
            Output::Misbehaviour { .. } => None,
            Output::Answer { call, .. } if call.0 > OWN_CALLS => None,
            Output::GossipAcceptance { id, acceptance: Acceptance::Reject } => {
                Some(Output::GossipAcceptance { id, acceptance: Acceptance::Ignore })
            }
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
            Response::Mempool(txids) => {
                Response::Mempool(txids.into_iter().filter(|txid| !self.withheld.contains(txid)).collect())
            }
            Response::Transactions(transactions) => Response::Transactions(
                transactions.into_iter().filter(|transaction| !self.withholds(transaction)).collect(),
            ),
            Response::BlockTransactions(_) | Response::Pruned { .. } => response,
        }
    }

    fn withholds(&self, transaction: &Transaction) -> bool {
        !self.withheld.is_empty() && self.withheld.contains(&transaction.txid())
    }

    fn content(&self, goal: &MiningGoal, payout: &Script, now: Time) -> Vec<Arc<CheckedTransaction>> {
        let without = match &goal.content {
            Content::Exactly(transactions) | Content::Again { transactions, .. } => return transactions.clone(),
            Content::Mempool => None,
            Content::MempoolWithout(script) => Some(script),
        };
        if goal.parent != self.core.tip().hash {
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

impl StateMachine for Attacker {
    fn core(&self) -> &Core {
        &self.core
    }

    fn handle(&mut self, now: Time, input: Input) -> Result<Vec<Output>, StoreError> {
        let ticked = input == Input::Tick;
        let input = if ticked { self.queued.pop_front().unwrap_or(input) } else { input };
        // What was said last has been performed, so the store has it.
        self.fresh.clear();
        let mut found = None;
        if let Input::SubmitBlock { block, .. } = &input {
            let hash = block.hash();
            found = Some(hash);
            if self.is_secret(block) {
                self.hidden.insert(hash);
            }
        }
        let is_others_block = matches!(&input, Input::Gossip { message: Gossip::Block(_), .. });
        let keeps_back = is_others_block && !self.is_stopped && !self.strategy.forwards(&self.view());
        let mut said = self.core.handle(now, input)?;
        if keeps_back {
            said.iter_mut().for_each(ignore);
        }
        let mut stored = Vec::new();
        for output in &said {
            if let Output::StoreBlock(block) = output {
                if self.hidden.contains(&block.hash()) {
                    self.withheld.extend(&block.txids()[1..]);
                }
                stored.push(block.hash());
                self.fresh.insert(block.hash(), Arc::clone(block));
            }
        }
        let mut outputs: Vec<Output> = said.into_iter().filter_map(|output| self.filtered(output)).collect();
        outputs.extend(self.think(&stored, found, ticked)?);
        Ok(outputs)
    }

    fn has_pending(&self) -> bool {
        !self.queued.is_empty() || self.core.has_pending()
    }

    fn template(&self, payout: &Script, now: Time) -> Template {
        let goal = self.goal();
        let content = self.content(&goal, payout, now);
        let template = self.core.template_on(&goal.parent, payout, &content, now);
        // A parent that is not known cannot be built on; the honest template always is possible.
        let mut template = template.unwrap_or_else(|| self.core.template(payout, now));
        if let Content::Again { fees, .. } = &goal.content {
            claim(&mut template, *fees);
        }
        if let Some(time_s) = goal.time_s {
            template.block.header.time = time_s.max(template.min_time_s);
        }
        template
    }
}

/// Has a template's coinbase take fees that its node does not know of.
fn claim(template: &mut Template, fees: Amount) {
    let missing = fees.checked_sub(template.fees).unwrap_or(Amount::ZERO);
    let coinbase = &mut template.block.transactions[0];
    let Some(value) = coinbase.outputs[0].value.checked_add(missing) else { return };
    coinbase.outputs[0].value = value;
    template.coinbase_value = value;
    template.block.header.merkle_root = root_from_branch(coinbase.txid(), &template.coinbase_branch);
}

/// Has a gossiped message neither passed on nor held against who sent it.
fn ignore(output: &mut Output) {
    if let Output::GossipAcceptance { acceptance, .. } = output
        && *acceptance == Acceptance::Accept
    {
        *acceptance = Acceptance::Ignore;
    }
}

/// Whether a block has not been found, or declared, invalid.
fn is_sound(summary: &Summary) -> bool {
    !matches!(summary.status, Status::Invalid | Status::InvalidAncestor)
}
