//! The block tree: every known header with its height, the work of its branch, and how far it has been judged.
//!
//! Nodes live in one vector, parents before children, and are named by their place in it; passes over descendants are
//! linear. Each node also points far back (Core's skip list), so that an ancestor is found in a logarithmic number of steps.

pub(crate) mod forget;

use crate::core::hash_map::{IdMap, IdState};
use crate::core::store::{IndexEntry, Status};
use chain_spec::retarget::Ancestors;
use chain_spec::rules::spend::BlockContext;
use chain_spec::{BlockHash, CompactTarget, Header, Work};
use std::collections::BTreeMap;

/// A node's position in the tree. Void once headers were forgotten, so it does not leave the chainstate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(u32);

impl NodeId {
    /// The genesis block's.
    pub(crate) const GENESIS: NodeId = NodeId(0);
}

/// One block.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The double SHA-256 of the header.
    pub hash: BlockHash,
    /// The 80 bytes that were mined.
    pub header: Header,
    /// Its parent; genesis is its own.
    pub parent: NodeId,
    skip: NodeId,
    /// Blocks below it.
    pub height: u32,
    /// Work of the branch, itself included.
    pub work: Work,
    /// Median of its time and those of the ten before it, Unix seconds.
    pub median_time_past_s: u32,
    /// Transactions; 0 while the body is not stored.
    pub transactions: u32,
    /// When its branch became complete: lower is earlier, and wins a tie.
    pub sequence: i64,
    /// How far it has been checked.
    pub stage: Stage,
    /// Whether it or an ancestor is invalid.
    pub fault: Fault,
    /// Its undo data was deleted, and its body too unless that came again.
    pub is_pruned: bool,
    /// The body of a pruned block is here again, because an operator had it fetched.
    is_fetched_again: bool,
    is_dirty: bool,
}

/// How far a block has been checked; each stage implies those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Only the header is here.
    Header,
    /// The body is stored.
    Stored,
    /// All bodies from genesis to here are stored.
    Linked,
    /// Its signatures have been checked, and are good.
    SignaturesChecked,
    /// It was connected once; undo data is stored.
    Connected,
}

/// Whether a block may ever be connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// As far as is known.
    None,
    /// No: an ancestor broke a rule, or an operator declared it invalid.
    Ancestor,
    /// No: it broke a rule itself, or an operator declared it invalid.
    Own,
}

impl Node {
    /// Neither it nor an ancestor is invalid.
    pub(crate) fn is_sound(&self) -> bool {
        self.fault == Fault::None
    }
    /// The body is stored.
    pub(crate) fn has_body(&self) -> bool {
        self.was_stored() && (!self.is_pruned || self.is_fetched_again)
    }
    /// The body is stored, or was until it was pruned.
    fn was_stored(&self) -> bool {
        self.stage >= Stage::Stored
    }
    /// All bodies from genesis to here are stored, or were until they were pruned.
    pub(crate) fn is_linked(&self) -> bool {
        self.stage >= Stage::Linked
    }
    /// It was connected once.
    pub(crate) fn is_connected(&self) -> bool {
        self.stage == Stage::Connected
    }
    /// The index's word for it.
    pub(crate) fn status(&self) -> Status {
        match (self.fault, self.stage) {
            (Fault::Own, _) => Status::Invalid,
            (Fault::Ancestor, _) => Status::InvalidAncestor,
            (Fault::None, Stage::Connected) => Status::Valid,
            (Fault::None, Stage::Header) => Status::Header,
            (Fault::None, _) => Status::Stored,
        }
    }
}

/// All headers that are known, as a tree with genesis at its root.
#[derive(Debug)]
pub(crate) struct BlockTree {
    nodes: Vec<Node>,
    by_hash: IdMap<BlockHash, NodeId>,
    /// Blocks whose body is stored but some ancestor's is not, by parent (Core: `m_blocks_unlinked`).
    unlinked: BTreeMap<NodeId, Vec<NodeId>>,
    best_header: NodeId,
    dirty: Vec<NodeId>,
    sequence_next: i64,
    /// Nodes without a body.
    bodiless: usize,
    /// How many nodes without a body, beside the best header chain, are kept.
    headers_aside_max: usize,
    /// How many nodes without a body there may be before it is looked which are needed.
    forget_above: usize,
}

/// Turns the lowest set bit off.
fn invert_lowest_one(n: u32) -> u32 {
    n & n.wrapping_sub(1)
}

/// Where the skip pointer of a block at `height` points: far back, and to a height many others point to as well.
fn skip_height(height: u32) -> u32 {
    match height {
        0 | 1 => 0,
        odd if odd & 1 == 1 => invert_lowest_one(invert_lowest_one(odd - 1)) + 1,
        even => invert_lowest_one(even),
    }
}

impl BlockTree {
    /// A tree of genesis alone.
    pub(crate) fn new(genesis: Header, transactions: u32, headers_aside_max: usize, state: IdState) -> BlockTree {
        let hash = genesis.hash();
        let node = Node {
            hash,
            header: genesis,
            parent: NodeId::GENESIS,
            skip: NodeId::GENESIS,
            height: 0,
            work: work_of(&genesis),
            median_time_past_s: genesis.time,
            transactions,
            sequence: 0,
            stage: Stage::Connected,
            fault: Fault::None,
            is_pruned: false,
            is_fetched_again: false,
            is_dirty: false,
        };
        let mut by_hash = IdMap::with_hasher(state);
        by_hash.insert(hash, NodeId::GENESIS);
        let mut tree = BlockTree {
            nodes: vec![node],
            by_hash,
            unlinked: BTreeMap::new(),
            best_header: NodeId::GENESIS,
            dirty: Vec::new(),
            sequence_next: 1,
            bodiless: 0,
            headers_aside_max,
            forget_above: headers_aside_max / 2,
        };
        tree.touch(NodeId::GENESIS);
        tree
    }

    /// The block behind an id of this tree.
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }
    /// Nodes whose body is stored.
    pub(crate) fn bodies(&self) -> usize {
        self.nodes.len() - self.bodiless
    }
    /// Where a block stands, as the rules ask about it.
    pub(crate) fn context(&self, id: NodeId) -> BlockContext {
        let node = self.node(id);
        let median_time_past_s = self.node(node.parent).median_time_past_s;
        BlockContext { height: node.height, median_time_past_s, block_time_s: node.header.time }
    }
    /// A node, to be changed; its index entry will be written again.
    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        self.touch(id);
        &mut self.nodes[id.0 as usize]
    }
    /// The node of a hash.
    pub(crate) fn find(&self, hash: &BlockHash) -> Option<NodeId> {
        self.by_hash.get(hash).copied()
    }
    /// All nodes, parents before children.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(place, node)| (NodeId(place as u32), node))
    }
    /// The sound header with the most work, first seen on a tie.
    pub(crate) fn best_header(&self) -> NodeId {
        self.best_header
    }

    /// Notes that a block was checked further.
    pub(crate) fn set_stage(&mut self, id: NodeId, stage: Stage) {
        let node = self.node_mut(id);
        node.stage = node.stage.max(stage);
    }

    /// Changes when a branch counts as complete, which no index entry says.
    pub(crate) fn set_sequence(&mut self, id: NodeId, sequence: i64) {
        self.nodes[id.0 as usize].sequence = sequence;
    }

    /// Renumbers complete branches in this order, before any that comes later.
    pub(crate) fn restart_sequence(&mut self, order: impl Iterator<Item = NodeId>) {
        self.sequence_next = 1;
        for id in order {
            self.nodes[id.0 as usize].sequence = self.sequence_next;
            self.sequence_next += 1;
        }
    }

    /// Has a node's index entry written with the next commit.
    pub(crate) fn touch(&mut self, id: NodeId) {
        let node = &mut self.nodes[id.0 as usize];
        if !node.is_dirty {
            node.is_dirty = true;
            self.dirty.push(id);
        }
    }
    /// Entries changed since they were last taken.
    pub(crate) fn dirty_len(&self) -> usize {
        self.dirty.len()
    }
    /// Takes the index entries that changed, parents before children.
    pub(crate) fn take_dirty(&mut self) -> Vec<IndexEntry> {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        dirty
            .into_iter()
            .map(|id| {
                let node = &mut self.nodes[id.0 as usize];
                node.is_dirty = false;
                let (header, height, transactions) = (node.header, node.height, node.transactions);
                IndexEntry { header, height, transactions, status: node.status(), is_pruned: node.is_pruned }
            })
            .collect()
    }

    /// Adds a header that has passed its rules below a known parent. A known one is left as it is.
    pub(crate) fn insert(&mut self, header: Header, parent: NodeId) -> NodeId {
        self.insert_hashed(header, header.hash(), parent)
    }

    /// The same for who knows the header's hash: to hash is much of what a header costs.
    pub(crate) fn insert_hashed(&mut self, header: Header, hash: BlockHash, parent: NodeId) -> NodeId {
        if let Some(known) = self.find(&hash) {
            return known;
        }
        let above = self.node(parent);
        let (height, work) = (above.height + 1, above.work.saturating_add(work_of(&header)));
        let fault = if above.is_sound() { Fault::None } else { Fault::Ancestor };
        let skip = self.ancestor(parent, skip_height(height));
        let median_time_past_s = self.median_time_past_below(header.time, parent);
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node {
            hash,
            header,
            parent,
            skip,
            height,
            work,
            median_time_past_s,
            transactions: 0,
            sequence: i64::MAX,
            stage: Stage::Header,
            fault,
            is_pruned: false,
            is_fetched_again: false,
            is_dirty: false,
        });
        self.by_hash.insert(hash, id);
        self.bodiless += 1;
        self.touch(id);
        if fault == Fault::None && work > self.node(self.best_header).work {
            self.best_header = id;
        }
        id
    }

    fn median_time_past_below(&self, time: u32, parent: NodeId) -> u32 {
        let mut times = [time; 11];
        let mut count = 1;
        let mut at = parent;
        while count < times.len() {
            let node = self.node(at);
            times[count] = node.header.time;
            count += 1;
            if node.height == 0 {
                break;
            }
            at = node.parent;
        }
        let times = &mut times[..count];
        times.sort_unstable();
        times[count / 2]
    }

    /// The ancestor at `height`, or the node itself if it is not above that.
    pub(crate) fn ancestor(&self, from: NodeId, height: u32) -> NodeId {
        let mut at = from;
        loop {
            let node = self.node(at);
            if node.height <= height {
                return at;
            }
            // The parent's skip pointer may lead lower without overshooting; then one step pays.
            let skip = skip_height(node.height);
            let skip_of_parent = skip_height(node.height - 1);
            let take_skip =
                skip == height || (skip > height && !(skip_of_parent + 2 < skip && skip_of_parent >= height));
            at = if take_skip { node.skip } else { node.parent };
        }
    }

    /// The last block two branches share.
    pub(crate) fn fork(&self, a: NodeId, b: NodeId) -> NodeId {
        let height = self.node(a).height.min(self.node(b).height);
        let (mut a, mut b) = (self.ancestor(a, height), self.ancestor(b, height));
        while a != b {
            let (x, y) = (self.node(a), self.node(b));
            // Equal heights have equal skip heights, so both jump alike.
            (a, b) = if x.skip == y.skip { (x.parent, y.parent) } else { (x.skip, y.skip) };
        }
        a
    }

    /// The blocks above `below` up to `to`, lowest first; `below` must be an ancestor of `to`.
    pub(crate) fn path(&self, below: NodeId, to: NodeId) -> Vec<NodeId> {
        let mut path = Vec::with_capacity((self.node(to).height - self.node(below).height) as usize);
        let mut at = to;
        while at != below {
            path.push(at);
            at = self.node(at).parent;
        }
        path.reverse();
        path
    }

    /// What the header rules may ask of the branch that ends in `parent`.
    pub(crate) fn branch(&self, parent: NodeId) -> Branch<'_> {
        Branch { tree: self, parent }
    }

    /// Hashes from `from` back to genesis, dense first, then ever sparser (Core: `GetLocator`).
    pub(crate) fn locator(&self, from: NodeId) -> Vec<BlockHash> {
        let mut locator = Vec::with_capacity(32);
        let (mut at, mut step) = (from, 1);
        loop {
            let node = self.node(at);
            locator.push(node.hash);
            if node.height == 0 {
                return locator;
            }
            if locator.len() > 10 {
                step *= 2;
            }
            at = self.ancestor(at, node.height.saturating_sub(step));
        }
    }

    /// Notes that a body is stored. Returns the blocks whose branch is thereby complete, parents before children.
    pub(crate) fn set_body(&mut self, id: NodeId, transactions: u32) -> Vec<NodeId> {
        if self.node(id).is_pruned {
            // The branch was complete before, and stays where it was among its equals.
            self.nodes[id.0 as usize].is_fetched_again = true;
            return Vec::new();
        }
        self.bodiless -= usize::from(!self.node(id).was_stored());
        let node = self.node_mut(id);
        (node.transactions, node.stage) = (transactions, node.stage.max(Stage::Stored));
        let parent = node.parent;
        if !self.node(parent).is_linked() {
            self.unlinked.entry(parent).or_default().push(id);
            return Vec::new();
        }
        let mut linked = vec![id];
        let mut next = 0;
        while next < linked.len() {
            let at = linked[next];
            next += 1;
            let sequence = self.sequence_next;
            self.sequence_next += 1;
            let node = &mut self.nodes[at.0 as usize];
            (node.stage, node.sequence) = (node.stage.max(Stage::Linked), sequence);
            linked.extend(self.unlinked.remove(&at).unwrap_or_default());
        }
        linked
    }

    /// Notes that a block's body and undo data are deleted.
    pub(crate) fn set_pruned(&mut self, id: NodeId) {
        let node = self.node_mut(id);
        (node.is_pruned, node.is_fetched_again) = (true, false);
    }

    /// Marks a block invalid, and its descendants as having an invalid ancestor.
    pub(crate) fn set_failed(&mut self, id: NodeId) {
        self.node_mut(id).fault = Fault::Own;
        self.inherit_failures();
    }

    /// Forgets that a block, its ancestors and its descendants were ever called invalid (Core: `ResetBlockFailureFlags`).
    pub(crate) fn clear_failed(&mut self, id: NodeId) {
        let height = self.node(id).height;
        for place in 0..self.nodes.len() {
            let at = NodeId(place as u32);
            let node = self.node(at);
            let is_relative = self.ancestor(at, height) == id || self.ancestor(id, node.height) == at;
            if node.fault == Fault::Own && is_relative {
                self.node_mut(at).fault = Fault::None;
            }
        }
        self.inherit_failures();
    }

    /// Recomputes who has an invalid ancestor, and with it the best header.
    fn inherit_failures(&mut self) {
        let mut best = NodeId::GENESIS;
        for place in 1..self.nodes.len() {
            let at = NodeId(place as u32);
            let node = self.node(at);
            let inherited = if self.node(node.parent).is_sound() { Fault::None } else { Fault::Ancestor };
            if node.fault != Fault::Own && node.fault != inherited {
                self.node_mut(at).fault = inherited;
            }
            if self.node(at).is_sound() && self.node(at).work > self.node(best).work {
                best = at;
            }
        }
        // First seen: a header of equal work that comes later in the vector never displaces the best one.
        if self.node(self.best_header).work != self.node(best).work || !self.node(self.best_header).is_sound() {
            self.best_header = best;
        }
    }

    /// Nodes without children, in the order they came.
    pub(crate) fn leaves(&self) -> Vec<NodeId> {
        let mut is_parent = vec![false; self.nodes.len()];
        for node in &self.nodes[1..] {
            is_parent[node.parent.0 as usize] = true;
        }
        (0..self.nodes.len()).filter(|place| !is_parent[*place]).map(|place| NodeId(place as u32)).collect()
    }
}

/// The expected hashes behind one header. A target that cannot be read has none; such a header is never inserted.
pub(crate) fn work_of(header: &Header) -> Work {
    header.bits.to_target().map_or(Work::ZERO, |target| target.work())
}

/// A branch as the header rules see it.
pub(crate) struct Branch<'a> {
    tree: &'a BlockTree,
    parent: NodeId,
}

impl Ancestors for Branch<'_> {
    fn height(&self) -> u32 {
        self.tree.node(self.parent).height
    }
    fn at(&self, height: u32) -> (u32, CompactTarget) {
        let header = &self.tree.node(self.tree.ancestor(self.parent, height)).header;
        (header.time, header.bits)
    }
    fn version(&self, height: u32) -> i32 {
        self.tree.node(self.tree.ancestor(self.parent, height)).header.version
    }
}
