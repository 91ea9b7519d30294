//! Which branch of the [`tree`](super::tree) is active, and the candidates to become so.

use super::Limits;
use super::tree::{BlockTree, NodeId};
use crate::core::fork_rule::{Branch, ForkRules, Rivals};
use crate::core::hash_map::IdState;
use chain_spec::{BlockHash, ChainSpec, Work};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Why a branch is not followed that forks off below what was pruned.
const BELOW_PRUNED: &str = "prune: it forks off below the blocks that this node has deleted, so that the coins of that fork \
    cannot be had again; start once with --reindex to download the chain anew and follow it";

/// Headers, the active chain and its rivals.
#[derive(Debug)]
pub(crate) struct Chain {
    /// Every known header.
    pub(super) tree: BlockTree,
    /// The active chain by height.
    active: Vec<NodeId>,
    /// Complete, sound branches with at least the tip's work: the greatest is the next tip.
    candidates: BTreeSet<Candidate>,
    /// Counts down with every `preciousblock`; below every sequence number a block gets by arriving.
    precious_next: i64,
    /// The tip's work when `preciousblock` was last used.
    precious_work: Work,
    fork_rules: ForkRules,
    /// The highest block whose body and undo data were deleted.
    pub(super) pruned_to: Option<u32>,
    /// Draws of the fork rules differ by it.
    seed: u64,
}

/// Most work first, then first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    work: Work,
    sequence: Reverse<i64>,
    id: NodeId,
}

impl Chain {
    /// A chain of genesis alone.
    pub(super) fn new(spec: &ChainSpec, limits: Limits, state: IdState) -> Chain {
        let transactions = spec.genesis.transactions.len() as u32;
        let mut chain = Chain {
            tree: BlockTree::new(spec.genesis.header, transactions, limits.headers_aside_max, state),
            active: vec![NodeId::GENESIS],
            candidates: BTreeSet::new(),
            precious_next: -1,
            precious_work: Work::ZERO,
            fork_rules: limits.fork_rules,
            pruned_to: None,
            seed: limits.seed,
        };
        chain.rebuild_candidates();
        chain
    }

    /// The active tip.
    pub(super) fn tip(&self) -> NodeId {
        self.active[self.active.len() - 1]
    }
    /// The tip's height.
    pub(super) fn height(&self) -> u32 {
        (self.active.len() - 1) as u32
    }
    /// The active block at a height.
    pub(super) fn active_at(&self, height: u32) -> Option<NodeId> {
        self.active.get(height as usize).copied()
    }
    /// Whether a block is in the active chain.
    pub(super) fn is_active(&self, id: NodeId) -> bool {
        self.active_at(self.tree.node(id).height) == Some(id)
    }
    /// The last active block of a branch.
    pub(super) fn fork_from_active(&self, id: NodeId) -> NodeId {
        self.tree.fork(id, self.tip())
    }

    fn candidate(&self, id: NodeId) -> Candidate {
        let node = self.tree.node(id);
        Candidate { work: node.work, sequence: Reverse(node.sequence), id }
    }

    /// Considers a complete branch, if it is sound and not beaten by the tip.
    pub(super) fn add_candidate(&mut self, id: NodeId) {
        if !self.tree.node(id).is_sound() {
            return;
        }
        let (candidate, tip) = (self.candidate(id), self.candidate(self.tip()));
        if candidate >= tip {
            self.candidates.insert(candidate);
        } else if candidate.work == tip.work && !self.fork_rules.is_empty() {
            let wins = self.with_rivals(id, |rivals| self.fork_rules.wins_tie(rivals));
            if wins {
                self.prefer(id);
            }
        }
    }

    /// The branch that should be active: the best one that the fork rules do not refuse.
    pub(super) fn best_candidate(&self) -> NodeId {
        let best = self.candidates.iter().rev().find(|candidate| self.refusing(candidate.id).is_none());
        best.map_or(self.tip(), |candidate| candidate.id)
    }

    /// The branch with more work than the active one that does not replace it, and what keeps it from that.
    pub(super) fn refused(&self) -> Option<(NodeId, &str)> {
        let best = self.candidates.last().filter(|best| best.work > self.tree.node(self.tip()).work)?;
        self.refusing(best.id).map(|rule| (best.id, rule))
    }

    /// What keeps a candidate from replacing the tip: a fork rule, unless the tip is invalid; or that the blocks to be undone,
    /// or those to be connected, were pruned.
    fn refusing(&self, id: NodeId) -> Option<&str> {
        if self.pruned_to > Some(self.tree.node(self.fork_from_active(id)).height) && id != self.tip() {
            return Some(BELOW_PRUNED);
        }
        if self.fork_rules.is_empty() || id == self.tip() || !self.tree.node(self.tip()).is_sound() {
            return None;
        }
        self.with_rivals(id, |rivals| self.fork_rules.refusing(rivals))
    }

    /// Puts the active branch and a rival before a fork rule.
    fn with_rivals<T>(&self, rival: NodeId, ask: impl FnOnce(&Rivals<'_>) -> T) -> T {
        let fork = self.tree.node(self.fork_from_active(rival));
        let branch = |id| {
            let tip = self.tree.node(id);
            let work = tip.work.saturating_sub(fork.work);
            Branch { tip: tip.hash, tip_time_s: tip.header.time, height: tip.height, work }
        };
        let rival_height = self.tree.node(rival).height;
        let rival_at = |height| {
            let id = (height <= rival_height).then(|| self.tree.ancestor(rival, height))?;
            Some(self.tree.node(id).hash)
        };
        ask(&Rivals {
            fork_height: fork.height,
            fork_time_s: fork.header.time,
            active: branch(self.tip()),
            rival: branch(rival),
            rival_at: &rival_at,
            seed: self.seed,
        })
    }

    /// Considers every block again: after an override or a failure, weaker branches may be the best there are.
    pub(super) fn rebuild_candidates(&mut self) {
        let is_tip_sound = self.tree.node(self.tip()).is_sound();
        let floor = self.candidate(self.tip());
        let fit = |candidate: &Candidate| !is_tip_sound || *candidate >= floor;
        let ids = self.tree.iter().filter(|(_, node)| node.is_linked() && node.is_sound()).map(|(id, _)| id);
        self.candidates = ids.map(|id| self.candidate(id)).filter(fit).collect();
    }

    /// Moves the tip: the active chain is cut above `fork`, then `path` is appended.
    pub(super) fn set_active(&mut self, fork: NodeId, path: &[NodeId]) {
        self.active.truncate(self.tree.node(fork).height as usize + 1);
        self.active.extend_from_slice(path);
        let tip = self.candidate(self.tip());
        self.candidates = self.candidates.split_off(&tip);
        self.candidates.insert(tip);
    }

    /// Where the active chain starts over when a store is opened: `tip` and its ancestors.
    pub(super) fn reset_active(&mut self, tip: NodeId) {
        self.active = vec![NodeId::GENESIS];
        let path = self.tree.path(NodeId::GENESIS, tip);
        self.active.extend(path);
        self.rebuild_candidates();
    }

    /// Lets a block win ties against every block of equal work (Core: `PreciousBlock`).
    pub(super) fn prefer(&mut self, id: NodeId) {
        let (node, tip) = (self.tree.node(id), self.tree.node(self.tip()));
        if node.work < tip.work {
            return;
        }
        if tip.work > self.precious_work {
            self.precious_next = -1;
        }
        self.precious_work = tip.work;
        let stale = self.candidate(id);
        self.candidates.remove(&stale);
        self.tree.node_mut(id).sequence = self.precious_next;
        self.precious_next = self.precious_next.saturating_sub(1);
        if self.tree.node(id).is_linked() {
            self.add_candidate(id);
        }
    }

    /// Drops headers that nobody shows a block for, when they are too many; whose they were. No [`NodeId`] may be kept across.
    pub(super) fn forget_headers(&mut self) -> Vec<BlockHash> {
        let Some(forgotten) = self.tree.forget_headers() else { return Vec::new() };
        self.active = self.active.iter().filter_map(|id| forgotten.place(*id)).collect();
        self.rebuild_candidates();
        forgotten.hashes
    }
}
