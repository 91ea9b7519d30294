//! Letting headers and bodies into the block tree. Signatures and coins are judged later, in [`connect`](super::connect).

use super::tree::NodeId;
use crate::core::Core;
use crate::core::event::{Accepted, Output, Rejection, Time};
use crate::core::store::{Status, StoreError};
use chain_spec::rules::RuleError;
use chain_spec::rules::block::{BlockError, check_block};
use chain_spec::rules::header::{HeaderError, check_header, check_proof_of_work};
use chain_spec::rules::spend::check_block_in_context;
use chain_spec::{Block, BlockHash, CheckedBlock, Header};
use std::collections::VecDeque;
use std::sync::Arc;

/// Why a header is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HeaderFailure {
    /// The parent is not known: nobody's fault, and the header may be fine.
    ParentUnknown(BlockHash),
    /// The parent, or one of its ancestors, is invalid.
    ParentInvalid(BlockHash),
    /// The header is known and its block invalid.
    KnownInvalid,
    /// It breaks a rule by itself or in its place.
    Rule(HeaderError),
}

impl HeaderFailure {
    /// Core's reject string.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            HeaderFailure::ParentUnknown(_) => "prev-blk-not-found",
            HeaderFailure::ParentInvalid(_) => "bad-prevblk",
            HeaderFailure::KnownInvalid => "duplicate-invalid",
            HeaderFailure::Rule(error) => error.reason(),
        }
    }
    /// For somebody local.
    pub(crate) fn rejected(&self, hash: &BlockHash) -> Rejection {
        let detail = match self {
            HeaderFailure::ParentUnknown(parent) => {
                format!("block {hash}: its parent {parent} is not known; submit that first")
            }
            HeaderFailure::ParentInvalid(parent) => format!("block {hash}: its parent {parent} is invalid"),
            HeaderFailure::KnownInvalid => format!("block {hash} is known to be invalid"),
            HeaderFailure::Rule(error) => format!("block {hash}: {error}"),
        };
        let reason = match self {
            HeaderFailure::Rule(error) => error.reject_string(),
            _ => self.reason().into(),
        };
        Rejection { reason, detail }
    }
    /// Whether only a dishonest peer sends this. An invalid parent may be our operator's wish, and time heals a clock.
    pub(crate) fn is_offence(&self) -> bool {
        matches!(self, HeaderFailure::Rule(error) if !error.is_temporary())
    }
}

impl Core {
    /// Lets a header into the tree, or finds it there. Proof of work comes first: what costs nothing to make is looked at last.
    pub(crate) fn accept_header(&mut self, header: &Header, now: Time) -> Result<NodeId, HeaderFailure> {
        let hash = header.hash();
        if let Some(known) = self.chain.tree.find(&hash) {
            let node = self.chain.tree.node(known);
            return if node.is_sound() { Ok(known) } else { Err(HeaderFailure::KnownInvalid) };
        }
        check_proof_of_work(header, &self.spec).map_err(HeaderFailure::Rule)?;
        let Some(parent) = self.chain.tree.find(&header.previous) else {
            return Err(HeaderFailure::ParentUnknown(header.previous));
        };
        if !self.chain.tree.node(parent).is_sound() {
            return Err(HeaderFailure::ParentInvalid(header.previous));
        }
        check_header(header, &self.spec, &self.chain.tree.branch(parent), now.0 / 1_000)
            .map_err(HeaderFailure::Rule)?;
        Ok(self.chain.tree.insert(*header, parent))
    }

    /// Checks a body's context-free rules. One that breaks them and belongs to the header makes the block invalid for good;
    /// a mutated one says nothing about it (CVE-2012-2459).
    pub(crate) fn check_body(&mut self, id: NodeId, block: Arc<Block>) -> Result<Arc<CheckedBlock>, BlockError> {
        match check_block(block, &self.spec) {
            Ok(checked) => Ok(Arc::new(checked)),
            Err(error) => {
                if !error.is_mutation() {
                    self.fail_block(id, &error);
                }
                Err(error)
            }
        }
    }

    /// Stores a body below a known header, and makes the branches it completes candidates. One that breaks a rule where it
    /// stands makes the block invalid instead.
    pub(crate) fn accept_body(&mut self, id: NodeId, body: Arc<CheckedBlock>) {
        if self.chain.tree.node(id).has_body() {
            return;
        }
        if let Err(error) = check_block_in_context(&body, &self.spec, self.chain.tree.place(id)) {
            return self.fail_block(id, &error);
        }
        self.outputs.push(Output::StoreBlock(body.clone()));
        let transactions = body.block().transactions.len() as u32;
        self.chain.bodies.insert(body);
        for linked in self.chain.tree.set_body(id, transactions) {
            self.chain.add_candidate(linked);
        }
    }

    /// Lets in the blocks that waited for `parent`, and those that waited for them.
    pub(crate) fn adopt_orphans(&mut self, parent: BlockHash, now: Time) {
        let mut parents = VecDeque::from([parent]);
        while let Some(parent) = parents.pop_front() {
            for block in self.orphan_blocks.take_children(&parent) {
                if let Ok(id) = self.accept_header(block.header(), now) {
                    parents.push_back(block.hash());
                    self.accept_body(id, block);
                }
            }
        }
    }

    /// Remembers that a block broke a rule, and tells whoever waits in this call.
    pub(crate) fn fail_block(&mut self, id: NodeId, error: &dyn RuleError) {
        let hash = self.chain.tree.node(id).hash;
        tracing::warn!(block = %hash, reason = error.reason(), "invalid block: {error}");
        self.chain.tree.set_failed(id);
        self.chain.rebuild_candidates();
        let rejected = Rejection { reason: error.reject_string(), detail: format!("block {hash}: {error}") };
        self.failures.push((hash, error.reason(), rejected));
    }

    /// A block from somebody local: stored, judged, and answered. As in Core, a body that breaks a rule by itself is refused
    /// before its place is looked at, and nothing is remembered of it.
    pub(crate) fn submit_block(
        &mut self,
        block: Arc<Block>,
        now: Time,
    ) -> Result<Result<Accepted, Rejection>, StoreError> {
        let hash = block.header.hash();
        let duplicate = |reason: &'static str| Rejection {
            reason: reason.into(),
            detail: format!("block {hash} is already known"),
        };
        match self.chain.tree.find(&hash).map(|known| self.chain.tree.node(known).status()) {
            Some(Status::Valid) => return Ok(Err(duplicate("duplicate"))),
            Some(Status::Invalid | Status::InvalidAncestor) => return Ok(Err(duplicate("duplicate-invalid"))),
            Some(Status::Header | Status::Stored) | None => {}
        }
        if let Err(error) = check_proof_of_work(&block.header, &self.spec) {
            return Ok(Err(HeaderFailure::Rule(error).rejected(&hash)));
        }
        let body = match check_block(block, &self.spec) {
            Ok(checked) => Arc::new(checked),
            Err(error) => {
                let detail = format!("block {hash}: {error}");
                return Ok(Err(Rejection { reason: error.reject_string(), detail }));
            }
        };
        let id = match self.accept_header(body.header(), now) {
            Ok(id) => id,
            Err(failure) => {
                if matches!(failure, HeaderFailure::ParentUnknown(_)) {
                    self.orphan_blocks.insert(body);
                }
                return Ok(Err(failure.rejected(&hash)));
            }
        };
        if self.chain.tree.node(id).has_body() {
            return Ok(Err(duplicate("duplicate")));
        }
        self.accept_body(id, body);
        self.adopt_orphans(hash, now);
        self.activate(now, None)?;
        Ok(self.outcome(id))
    }

    /// What became of a submitted block; why it is invalid, if that was found in this call.
    pub(crate) fn outcome(&self, id: NodeId) -> Result<Accepted, Rejection> {
        let node = self.chain.tree.node(id);
        if self.chain.is_active(id) {
            return Ok(Accepted::Active);
        }
        match self.failures.iter().find(|(hash, ..)| *hash == node.hash) {
            Some((.., rejected)) => Err(rejected.clone()),
            None if !node.is_sound() => Err(HeaderFailure::ParentInvalid(node.header.previous).rejected(&node.hash)),
            None => Ok(Accepted::Inconclusive),
        }
    }

    /// A header from somebody local.
    pub(crate) fn submit_header(&mut self, header: &Header, now: Time) -> Result<Accepted, Rejection> {
        match self.accept_header(header, now) {
            Ok(_) => {
                self.adopt_orphans(header.hash(), now);
                Ok(Accepted::Inconclusive)
            }
            Err(failure) => Err(failure.rejected(&header.hash())),
        }
    }
}
