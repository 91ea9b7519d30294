//! What goes into [`Core::handle`](super::Core::handle) and what comes out. Plain values: tests compare them with `==`.

use super::message::{Gossip, Request, Response};
use super::store::Commit;
use chain_spec::{Block, BlockHash, BlockUndo, CheckedBlock, CheckedTransaction, Transaction, Txid};
use std::borrow::Cow;
use std::sync::Arc;

/// Milliseconds since the Unix epoch. The simulator's clock starts at the spec's genesis time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

/// A connected peer, numbered by the shell; never reused while the process lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub u64);
/// A gossiped message that waits for a [`Acceptance`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GossipId(pub u64);
/// A peer's request that waits for [`Output::Respond`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InboundId(pub u64);
/// One of our requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);
/// Somebody local (RPC, miner) who waits for [`Output::Answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Time passed; sent at least every 100 ms while anything is pending, and every second otherwise.
    Tick,
    /// A peer is connected and speaks our protocol on our network.
    PeerConnected {
        /** who */
        peer: PeerKey,
        /** they dialled us */
        inbound: bool,
    },
    /// A peer is gone; its requests have failed.
    PeerDisconnected {
        /** who */
        peer: PeerKey,
    },
    /// A peer forwarded a gossiped message. Every one gets exactly one [`Output::GossipAcceptance`], in this call or a later one.
    Gossip {
        /** who forwarded it */
        peer: PeerKey,
        /** to answer with */
        id: GossipId,
        /** what */
        message: Gossip,
    },
    /// A peer asks. Every request gets exactly one [`Output::Respond`] in the same call.
    Request {
        /** who */
        peer: PeerKey,
        /** to answer with */
        id: InboundId,
        /** what */
        request: Request,
    },
    /// A peer answers our request.
    Response {
        /** who */
        peer: PeerKey,
        /** which */
        id: RequestId,
        /** what */
        response: Response,
    },
    /// Our request will not be answered (refused, undecodable, connection lost).
    RequestFailed {
        /** who */
        peer: PeerKey,
        /** which */
        id: RequestId,
        /** why */
        failure: RequestFailure,
    },
    /// Somebody local submits a transaction (`sendrawtransaction`).
    SubmitTransaction {
        /** to answer with */
        call: CallId,
        /** what */
        transaction: Arc<Transaction>,
    },
    /// Somebody local submits several transactions (a batch): as if each came alone, in this order, but signatures are checked
    /// on all cores.
    SubmitTransactions {
        /** each with what to answer it with */
        submissions: Vec<(CallId, Arc<Transaction>)>,
    },
    /// Somebody local submits a block (`submitblock`, `generatetoaddress`, the miner).
    SubmitBlock {
        /** to answer with */
        call: CallId,
        /** what */
        block: Arc<Block>,
    },
    /// Somebody local submits a header (`submitheader`).
    SubmitHeader {
        /** to answer with */
        call: CallId,
        /** what */
        header: chain_spec::Header,
    },
    /// `invalidateblock`, `reconsiderblock`, `preciousblock`.
    OverrideBlock {
        /// To answer with.
        call: CallId,
        /// Which block.
        block: BlockHash,
        /// What is to be thought of it.
        change: BlockOverride,
    },
    /// The node is stopping: flush everything.
    Stop,
}
/// Why a request of ours failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFailure {
    /** the connection is gone */
    Disconnected,
    /** no answer in time */
    Timeout,
    /** the answer could not be decoded or was too large */
    Malformed,
    /** the peer does not speak the protocol */
    Unsupported,
}
/// An operator's wish about a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockOverride {
    /** treat as invalid */
    Invalidate,
    /** forget that it was */
    Reconsider,
    /** prefer on a tie */
    Precious,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Append a block to the block files. Readable through [`Store`](super::store::Store) from the next call on; survives kill -9 once performed.
    StoreBlock(Arc<CheckedBlock>),
    /// Append a block's undo data. It exists only for blocks that were fully validated.
    StoreUndo(BlockHash, Arc<BlockUndo>),
    /// One atomic commit: coins, their tip, header index.
    Commit(Commit),
    /// Keep a locally submitted transaction across kill -9 until it is forgotten.
    StoreTransaction(Arc<CheckedTransaction>),
    /// Locally submitted transactions that left the mempool (mined deep enough, conflicted, replaced).
    ForgetTransactions(Vec<Txid>),
    /// Gossip to everybody on the network.
    Publish(Gossip),
    /// Whether to forward a gossiped message, and what it says about the peer.
    GossipAcceptance {
        /** which */
        id: GossipId,
        /** what */
        acceptance: Acceptance,
    },
    /// Ask a peer.
    Request {
        /** who */
        peer: PeerKey,
        /** which */
        id: RequestId,
        /** what */
        request: Request,
    },
    /// Answer a peer.
    Respond {
        /** which */
        id: InboundId,
        /** what */
        response: Response,
    },
    /// A peer broke a rule or a promise: lower its score, drop or ban it as the shell's policy says.
    Misbehaviour {
        /** who */
        peer: PeerKey,
        /** what it did */
        misbehaviour: Misbehaviour,
    },
    /// Answer somebody local.
    Answer {
        /** who */
        call: CallId,
        /** accepted, or why not */
        result: Result<Accepted, Rejection>,
    },
    /// The active tip changed: wake waiters, renew templates.
    TipChanged {
        /** new tip */
        tip: BlockHash,
        /** its height */
        height: u32,
        /** blocks undone to get there; 0 when the old tip was extended */
        reorganised: u32,
    },
    /// The mempool changed: templates may be renewed.
    MempoolChanged,
    /// What to mine changed for another reason than the tip or the mempool, such as a strategy's new goal: miners drop
    /// their job and ask for a template at once.
    MiningGoalChanged,
}
impl Output {
    /// Whether it is performed by the store.
    pub fn is_for_store(&self) -> bool {
        matches!(
            self,
            Output::StoreBlock(_)
                | Output::StoreUndo(..)
                | Output::Commit(_)
                | Output::StoreTransaction(_)
                | Output::ForgetTransactions(_)
        )
    }
}
/// What gossip does with a message (gossipsub's `MessageAcceptance`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /** forward it */
    Accept,
    /** do not forward, nobody's fault */
    Ignore,
    /** breaks a rule: do not forward, lower the sender's score */
    Reject,
}
/// What a peer did wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// A header, block or transaction broke a consensus rule (the reject reason).
    BrokeRule(&'static str),
    /// It answered with something that was not asked for, or not what it promised.
    BadAnswer(&'static str),
    /// It did not answer in time.
    Stalled,
    /// More than a named bound allows.
    Flood(&'static str),
}
/// What became of a submission that is fine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// A transaction entered the mempool.
    Transaction(Txid),
    /// A block was stored and judged: it is in the active chain.
    Active,
    /// A block or header was stored; its branch has less (or equal, later seen) work, or its body's ancestors are missing (BIP22 `inconclusive`).
    Inconclusive,
    /// The operator's wish was carried out.
    Overridden,
}
/// Why a submission is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Core's reject string: `duplicate`, `bad-version(0x00000001)`, `txn-mempool-conflict`, …
    pub reason: Cow<'static, str>,
    /// The whole sentence, with names and numbers.
    pub detail: String,
}
