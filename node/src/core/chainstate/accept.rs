//! Letting headers and bodies into the block tree. Signatures and coins are judged later, in [`connect`](super::connect).

use super::Chainstate;
use super::tree::NodeId;
use crate::core::effects::{ChainEvent, Effects};
use crate::core::event::{Accepted, Output, Time};
use crate::core::rejection::{Answer, Rejection, RejectionKind};
use crate::core::store::Status;
use chain_spec::rules::RuleError;
use chain_spec::rules::block::{BlockError, check_block};
use chain_spec::rules::header::{HeaderError, check_header, check_proof_of_work};
use chain_spec::rules::spend::check_block_in_context;
use chain_spec::{Block, BlockHash, CheckedBlock, Header};
use std::collections::VecDeque;
use std::sync::Arc;

/// Why a body that a peer sent was not stored.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It is not the body that the header commits to, which says nothing about the block (CVE-2012-2459).
    Mutated,
    /// The block breaks this rule, and is remembered as invalid.
    Invalid(&'static str),
}

impl Chainstate {
    /// Lets a header into the tree, or finds it there.
    pub(crate) fn accept_header(&mut self, header: &Header, now: Time) -> Answer<()> {
        self.insert_header(header, now).map(drop)
    }

    /// Proof of work comes first: what costs nothing to make is looked at last.
    fn insert_header(&mut self, header: &Header, now: Time) -> Answer<NodeId> {
        let hash = header.hash();
        if let Some(known) = self.chain.tree.find(&hash) {
            let is_sound = self.chain.tree.node(known).is_sound();
            return if is_sound { Ok(known) } else { Err(known_invalid(&hash)) };
        }
        check_proof_of_work(header, &self.spec).map_err(|error| header_rejection(&hash, &error))?;
        let Some(parent) = self.chain.tree.find(&header.previous) else {
            let parent = header.previous;
            let detail = format!("block {hash}: its parent {parent} is not known; submit that first");
            return Err(Rejection::new(RejectionKind::ParentUnknown(parent), "prev-blk-not-found", detail));
        };
        if !self.chain.tree.node(parent).is_sound() {
            return Err(parent_invalid(&hash, &header.previous));
        }
        check_header(header, &self.spec, &self.chain.tree.branch(parent), now.0 / 1_000)
            .map_err(|error| header_rejection(&hash, &error))?;
        Ok(self.chain.tree.insert_hashed(*header, hash, parent))
    }

    /// Lets a peer's linked headers in, and the blocks that waited for them; the last header that got in, and why the next did
    /// not.
    pub(crate) fn accept_headers(
        &mut self,
        headers: &[Header],
        now: Time,
        effects: &mut Effects,
    ) -> (Option<BlockHash>, Option<Rejection>) {
        let mut last = None;
        for header in headers {
            match self.insert_header(header, now) {
                Ok(id) => {
                    let hash = self.chain.tree.node(id).hash;
                    last = Some(hash);
                    self.adopt_orphans(hash, now, effects);
                }
                Err(rejection) => return (last, Some(rejection)),
            }
        }
        (last, None)
    }

    /// Takes the body of a known header, and the blocks that waited for it. False for a body that is here already, or whose
    /// block is invalid: it is not looked at.
    pub(crate) fn accept_body(
        &mut self,
        block: Arc<Block>,
        now: Time,
        effects: &mut Effects,
    ) -> Result<bool, BodyError> {
        let hash = block.header.hash();
        let Some(id) = self.chain.tree.find(&hash) else { return Ok(false) };
        let node = self.chain.tree.node(id);
        if node.has_body() || !node.is_sound() {
            return Ok(false);
        }
        match check_block(block, &self.spec) {
            Ok(body) => {
                self.store_body(id, Arc::new(body), effects);
                self.adopt_orphans(hash, now, effects);
                Ok(true)
            }
            Err(error) if error.is_mutation() => Err(BodyError::Mutated),
            Err(error) => {
                self.fail_block(id, &error, effects);
                Err(BodyError::Invalid(error.reason()))
            }
        }
    }

    /// Stores a body below a known header, and makes the branches it completes candidates. One that breaks a rule where it
    /// stands makes the block invalid instead.
    fn store_body(&mut self, id: NodeId, body: Arc<CheckedBlock>, effects: &mut Effects) {
        if self.chain.tree.node(id).has_body() {
            return;
        }
        if let Err(error) = check_block_in_context(&body, &self.spec, self.chain.tree.context(id)) {
            return self.fail_block(id, &error, effects);
        }
        effects.outputs.push(Output::StoreBlock(body.clone()));
        let transactions = body.block().transactions.len() as u32;
        self.bodies.insert(body);
        for linked in self.chain.tree.set_body(id, transactions) {
            self.chain.add_candidate(linked);
        }
    }

    /// Lets in the blocks that waited for `parent`, and those that waited for them.
    fn adopt_orphans(&mut self, parent: BlockHash, now: Time, effects: &mut Effects) {
        let mut parents = VecDeque::from([parent]);
        while let Some(parent) = parents.pop_front() {
            for block in self.orphans.take_children(&parent) {
                if let Ok(id) = self.insert_header(block.header(), now) {
                    parents.push_back(block.hash());
                    self.store_body(id, block, effects);
                }
            }
        }
    }

    /// Remembers that a block broke a rule.
    pub(super) fn fail_block(&mut self, id: NodeId, error: &dyn RuleError, effects: &mut Effects) {
        let hash = self.chain.tree.node(id).hash;
        tracing::warn!(block = %hash, reason = error.reason(), "invalid block: {error}");
        self.chain.tree.set_failed(id);
        self.chain.rebuild_candidates();
        let rejection = Rejection::rule(error).about(format_args!("block {hash}"));
        effects.events.push(ChainEvent::BlockInvalid { hash, rule: error.reason(), rejection });
    }

    /// Takes a block from somebody local: stored, to be judged when the chain moves. As in Core, a body that breaks a rule by
    /// itself is refused before its place is looked at, and nothing is remembered of it.
    pub(crate) fn submit_block(&mut self, block: Arc<Block>, now: Time, effects: &mut Effects) -> Answer<()> {
        let hash = block.header.hash();
        match self.chain.tree.find(&hash).map(|known| self.chain.tree.node(known).status()) {
            Some(Status::Valid) => return Err(duplicate(&hash)),
            Some(Status::Invalid | Status::InvalidAncestor) => return Err(known_invalid(&hash)),
            Some(Status::Header | Status::Stored) | None => {}
        }
        check_proof_of_work(&block.header, &self.spec).map_err(|error| header_rejection(&hash, &error))?;
        let body = match check_block(block, &self.spec) {
            Ok(checked) => Arc::new(checked),
            Err(error) => return Err(body_rejection(&hash, &error)),
        };
        let id = match self.insert_header(body.header(), now) {
            Ok(id) => id,
            Err(rejection) => {
                if matches!(rejection.kind, RejectionKind::ParentUnknown(_)) {
                    self.orphans.insert(body);
                }
                return Err(rejection);
            }
        };
        if self.chain.tree.node(id).has_body() {
            return Err(duplicate(&hash));
        }
        self.store_body(id, body, effects);
        self.adopt_orphans(hash, now, effects);
        Ok(())
    }

    /// Takes a header from somebody local.
    pub(crate) fn submit_header(&mut self, header: &Header, now: Time, effects: &mut Effects) -> Answer<()> {
        let id = self.insert_header(header, now)?;
        self.adopt_orphans(self.chain.tree.node(id).hash, now, effects);
        Ok(())
    }

    /// What has become of a known block; `invalid` are the blocks found invalid in this call, and why.
    pub(crate) fn outcome(&self, hash: &BlockHash, invalid: &[(BlockHash, Rejection)]) -> Option<Answer<Accepted>> {
        let id = self.chain.tree.find(hash)?;
        let node = self.chain.tree.node(id);
        if self.chain.is_active(id) {
            return Some(Ok(Accepted::Active));
        }
        Some(match invalid.iter().find(|(failed, _)| failed == hash) {
            Some((_, rejection)) => Err(rejection.clone()),
            None if !node.is_sound() => Err(parent_invalid(hash, &node.header.previous)),
            None => Ok(Accepted::Inconclusive),
        })
    }
}

fn duplicate(hash: &BlockHash) -> Rejection {
    Rejection::new(RejectionKind::Duplicate, "duplicate", format!("block {hash} is already known"))
}

fn known_invalid(hash: &BlockHash) -> Rejection {
    Rejection::new(RejectionKind::KnownInvalid, "duplicate-invalid", format!("block {hash} is known to be invalid"))
}

fn parent_invalid(hash: &BlockHash, parent: &BlockHash) -> Rejection {
    let detail = format!("block {hash}: its parent {parent} is invalid");
    Rejection::new(RejectionKind::ParentInvalid, "bad-prevblk", detail)
}

/// A header ahead of the clock is nobody's fault: time heals it.
fn header_rejection(hash: &BlockHash, error: &HeaderError) -> Rejection {
    let rejection = Rejection::rule(error).about(format_args!("block {hash}"));
    if error.is_temporary() { Rejection { kind: RejectionKind::Policy, ..rejection } } else { rejection }
}

fn body_rejection(hash: &BlockHash, error: &BlockError) -> Rejection {
    Rejection::rule(error).about(format_args!("block {hash}"))
}
