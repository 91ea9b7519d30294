//! Peers: headers first from whoever has a better chain, then bodies from several peers in a sliding window, every request
//! with a deadline; gossip of blocks and transactions; answers to what peers ask.
//!
//! [`requests`] keeps account of what was asked; [`headers`] follows peers' header chains, [`presync`] those of little work;
//! [`bodies`] fetches blocks; [`transactions`] fetches mempools and orphans' parents; [`serve`] answers; [`relay`] judges and
//! spreads gossip, [`rebroadcast`] repeats it, [`compact`] puts announced blocks together; [`misbehaviour`] is where a peer is punished.
//!
//! It stands above the [`chainstate`](super::chainstate) and the [`mempool`](super::mempool) and only reads them (through a
//! [`Context`]). What peers deliver is checked as far as that goes and handed back as a [`Delivery`], which `core.rs` carries
//! on to the part that takes it.

mod bodies;
mod compact;
pub(crate) mod headers;
mod misbehaviour;
mod presync;
mod rebroadcast;
mod relay;
mod requests;
mod serve;
mod transactions;

pub(crate) use compact::ReconstructedBlock;
pub(crate) use headers::HeadersDelivery;
pub(crate) use requests::Delivery;
pub(crate) use transactions::TransactionsDelivery;

use super::chain_view::ChainView;
use super::chainstate::Chainstate;
use super::event::{Output, PeerKey, RequestId, Time};
use super::mempool::Mempool;
use chain_spec::{BlockHash, Txid};
use presync::Presync;
use rebroadcast::Unbroadcast;
use relay::Relay;
use requests::{Asked, Outstanding};
use std::collections::{BTreeMap, BTreeSet};

/// How far the active tip may be behind the best header for transactions to make sense, blocks.
const BEHIND_MAX: u32 = 24;
/// Time without progress after which headers without bodies no longer count as being behind, milliseconds.
const BEHIND_PATIENCE_MS: u64 = 30_000;

/// How far below the tip an announced block may be and its body still be fetched, blocks, unless the owner asks for all.
const SIDE_BRANCH_DEPTH_MAX: u32 = 100;

/// What peers' doings are held against, and where the answers go.
pub(crate) struct Context<'a> {
    /// When the input that is being handled arrived.
    pub now: Time,
    /// The chain, read only.
    pub chain: &'a Chainstate,
    /// The mempool, read only.
    pub mempool: &'a Mempool,
    /// How far below the tip side branches' bodies are fetched, blocks.
    pub side_branch_depth_max: u32,
    /// What the shell is to do.
    pub outputs: &'a mut Vec<Output>,
}

impl Context<'_> {
    /// See [`is_behind`].
    fn is_behind(&self) -> bool {
        is_behind(self.chain, self.now)
    }

    /// Whether a block's body is missing here and may matter. Those of side branches near the tip may: the branch can become
    /// the better one, and people watch forks; each cost its maker a proof of work.
    fn wants_body(&self, hash: &BlockHash) -> bool {
        let floor = self.chain.height().saturating_sub(self.side_branch_depth_max);
        let node = self.chain.find(hash);
        node.is_some_and(|node| !node.has_body() && node.is_sound() && node.height >= floor)
    }
}

/// Whether the active chain is still catching up with headers that bodies keep coming for.
pub(crate) fn is_behind(chain: &Chainstate, now: Time) -> bool {
    let is_moving = now.0.saturating_sub(chain.tip_changed_at().0) < BEHIND_PATIENCE_MS;
    is_moving && chain.best_header().height > chain.height().saturating_add(BEHIND_MAX)
}

/// One connected peer.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    /// They dialled us.
    pub inbound: bool,
    /// The header with the most work of the chain they showed us.
    best: Option<BlockHash>,
    /// The header with the most work they are known to have, in whatever way: by `best`, by what they forwarded, asked for or
    /// were given. Says less than `best`: their blocks may be behind.
    pub known: Option<BlockHash>,
    /// Height of `best` when they first answered.
    pub starting_height: Option<u32>,
    /// Our outstanding request for headers.
    headers: Option<RequestId>,
    /// They spoke of a block beyond what is known while headers were under way.
    is_asked_again: bool,
    /// More headers follow once our blocks catch up.
    has_more_headers: bool,
    /// They follow a chain of too little work (yet).
    presync: Option<Presync>,
    /// Our outstanding requests for blocks.
    blocks: BTreeSet<RequestId>,
    /// All our outstanding requests.
    requests: usize,
    /// Time from a request to its answer at best, milliseconds; `None` until one came.
    round_trip_ms: Option<u64>,
    /// Not asked before this.
    back_off_until: Time,
    /// They lied; the shell has been told, and nothing more is asked of them.
    is_distrusted: bool,
    /// They have deleted what is below this height; blocks there are asked of others.
    pub(super) blocks_from_height: u32,
    /// Promised blocks they did not send, in a row, requests.
    empty_answers: u32,
    /// Their mempool was asked for.
    is_mempool_known: bool,
    /// When their last request for our mempool was served.
    mempool_served_at: Option<Time>,
    /// When they last sent a block that was not here yet and passed the checks of its form.
    pub last_block: Option<Time>,
    /// When they last sent a transaction that entered the mempool.
    pub last_transaction: Option<Time>,
}

impl Peer {
    /// Whether a request may be sent to it now.
    fn may_be_asked(&self, now: Time) -> bool {
        !self.is_distrusted && self.back_off_until <= now
    }
}

/// What is known of peers, asked of them and heard from them.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    peers: BTreeMap<PeerKey, Peer>,
    outstanding: BTreeMap<RequestId, Outstanding>,
    /// Blocks asked for, and in which requests.
    in_flight: BTreeMap<BlockHash, Vec<RequestId>>,
    /// Who sent blocks that are not judged yet.
    sources: BTreeMap<BlockHash, PeerKey>,
    next_request: u64,
    /// Whom to ask next when nothing is heard, and when.
    poll_after: PeerKey,
    poll_at: Time,
    relay: Relay,
    /// Transactions that perhaps nobody else has.
    unbroadcast: BTreeMap<Txid, Unbroadcast>,
    /// Bodies of side branches are fetched however far below the tip they are.
    fetches_all_branches: bool,
}

impl Peers {
    /// From now on, bodies of side branches are fetched however far below the tip they are.
    pub(crate) fn fetch_all_branches(&mut self) {
        self.fetches_all_branches = true;
    }
    /// How far below the tip side branches' bodies are fetched, blocks.
    pub(crate) fn side_branch_depth_max(&self) -> u32 {
        if self.fetches_all_branches { u32::MAX } else { SIDE_BRANCH_DEPTH_MAX }
    }

    /// Whether a block can be put together now.
    pub(crate) fn has_pending(&self) -> bool {
        self.relay.has_pending()
    }
    /// Whether an answer is awaited, or something else waits for time to pass.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.outstanding.is_empty()
            || self.peers.values().any(|peer| peer.back_off_until > Time(0) && !peer.is_distrusted)
            || self.relay.is_waiting()
    }
    /// A connected peer.
    pub(crate) fn peer(&self, peer: PeerKey) -> Option<&Peer> {
        self.peers.get(&peer)
    }
    /// Blocks asked of a peer.
    pub(crate) fn blocks_of(&self, peer: &Peer) -> Vec<BlockHash> {
        let asked = peer.blocks.iter().filter_map(|id| self.outstanding.get(id));
        let hashes = asked.filter_map(|outstanding| match &outstanding.asked {
            Asked::Blocks { hashes, .. } => Some(hashes.clone()),
            _ => None,
        });
        hashes.flatten().collect()
    }

    /// A peer sent a block that was new.
    pub(crate) fn note_delivered_block(&mut self, peer: PeerKey, now: Time) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.last_block = Some(now);
        }
    }
    /// A peer sent a transaction that was new and good.
    pub(crate) fn note_delivered_transaction(&mut self, peer: PeerKey, now: Time) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.last_transaction = Some(now);
        }
    }

    /// A peer came: each side asks the other what it has.
    pub(crate) fn connected(&mut self, peer: PeerKey, inbound: bool, cx: &mut Context<'_>) {
        self.peers.insert(peer, Peer { inbound, ..Peer::default() });
        self.ask_headers(peer, cx);
    }

    /// A peer is gone, and with it every answer it owed.
    pub(crate) fn disconnected(&mut self, peer: PeerKey, cx: &mut Context<'_>) {
        let owed: Vec<RequestId> =
            self.outstanding.iter().filter(|(_, owed)| owed.peer == peer).map(|(id, _)| *id).collect();
        for id in owed {
            if let Some(asked) = self.close_request(id) {
                self.give_up(peer, asked, cx);
            }
        }
        self.peers.remove(&peer);
        self.sources.retain(|_, source| *source != peer);
    }

    /// Deadlines, and questions when nothing is heard.
    pub(crate) fn tick(&mut self, cx: &mut Context<'_>) {
        self.end_back_offs(cx.now);
        self.close_late_requests(cx);
        self.resume_headers(cx);
        self.poll_headers(cx);
        self.ask_mempools(cx);
        self.retry_reconstructions(cx);
        self.ask_others_for_bodies(cx);
        self.release_deferred(cx);
        self.rebroadcast(cx);
    }
}
