//! What goes into [`Core::handle`](super::Core::handle) and what comes out. Plain values: tests compare them with `==`.

use super::message::{Gossip, Request, Response};
use super::rejection::Answer;
use super::store::Commit;
use chain_spec::{Amount, Block, BlockHash, BlockUndo, CheckedBlock, CheckedTransaction, Transaction, Txid};
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
        /// The number that the shell gave to the connection.
        peer: PeerKey,
        /// They dialled us.
        inbound: bool,
    },
    /// A peer is gone; its requests have failed.
    PeerDisconnected {
        /// Who is gone.
        peer: PeerKey,
    },
    /// A peer forwarded a gossiped message. Every one gets exactly one [`Output::GossipAcceptance`], in this call or a later one.
    Gossip {
        /// Who forwarded it; not necessarily who made it.
        peer: PeerKey,
        /// To answer with.
        id: GossipId,
        /// A whole transaction, or a compact block.
        message: Gossip,
    },
    /// A peer asks. Every request gets exactly one [`Output::Respond`] in the same call.
    Request {
        /// Who forwarded it; not necessarily who made it.
        peer: PeerKey,
        /// To answer with.
        id: InboundId,
        /// What is asked for.
        request: Request,
    },
    /// A peer answers our request.
    Response {
        /// Who asks.
        peer: PeerKey,
        /// Names the request.
        id: RequestId,
        /// What it sent, decoded but not judged.
        response: Response,
    },
    /// Our request will not be answered (refused, undecodable, connection lost).
    RequestFailed {
        /// Who was asked.
        peer: PeerKey,
        /// Names the request.
        id: RequestId,
        /// What went wrong.
        failure: RequestFailure,
    },
    /// Somebody local submits transactions (`sendrawtransaction`, alone or in a batch): each is judged once, in this order, as
    /// if it came alone, but signatures are checked on all cores. Every one gets its own [`Output::Answer`].
    Submit {
        /// The transactions, each with its submitter's limits.
        transactions: Vec<Submission>,
    },
    /// Somebody local submits a block (`submitblock`, `generatetoaddress`, the miner).
    SubmitBlock {
        /// To answer with.
        call: CallId,
        /// Header and transactions.
        block: Arc<Block>,
    },
    /// Somebody local submits a header (`submitheader`).
    SubmitHeader {
        /// To answer with.
        call: CallId,
        /// The 80 bytes, read.
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
    /// Somebody local submits transactions that belong together (`submitpackage`): parents first, their child last. Where the
    /// mempool demands more than the least fee rate, what they pay together counts. Every one gets its own [`Output::Answer`].
    SubmitPackage {
        /// The transactions, each with its submitter's limits.
        transactions: Vec<Submission>,
    },
    /// An operator has a transaction treated as if it paid another fee (`prioritisetransaction`).
    Prioritise {
        /// To answer with.
        call: CallId,
        /// Which transaction, pooled or not.
        txid: Txid,
        /// Added to what was asked for before, units.
        fee_delta: i64,
    },
    /// An operator has one peer asked for a block whose header is known (`getblockfrompeer`).
    FetchBlock {
        /// To answer with.
        call: CallId,
        /// Whom to ask.
        peer: PeerKey,
        /// Which block.
        block: BlockHash,
    },
    /// An operator has old blocks deleted (`pruneblockchain`).
    Prune {
        /// To answer with.
        call: CallId,
        /// The last height whose blocks may go.
        height: u32,
    },
    /// The node is stopping: flush everything.
    Stop,
}
/// Why a request of ours failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFailure {
    /// The connection is gone.
    Disconnected,
    /// No answer came in time.
    Timeout,
    /// The answer could not be decoded or was too large.
    Malformed,
    /// The peer does not speak the protocol.
    Unsupported,
}
/// What an operator overrides about a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockOverride {
    /// Treat it as invalid (`invalidateblock`).
    Invalidate,
    /// Forget that it, its ancestors and descendants were called invalid (`reconsiderblock`).
    Reconsider,
    /// Prefer it to branches of equal work (`preciousblock`).
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
        /// Names the message.
        id: GossipId,
        /// Whether it is forwarded.
        acceptance: Acceptance,
    },
    /// Ask a peer.
    Request {
        /// Who is to be asked.
        peer: PeerKey,
        /// Names the request.
        id: RequestId,
        /// What is asked for.
        request: Request,
    },
    /// Answer a peer.
    Respond {
        /// Names the request.
        id: InboundId,
        /// What is sent; the shell encodes it.
        response: Response,
    },
    /// A peer broke a rule or a promise: lower its score, drop or ban it as the shell's policy says.
    Misbehaviour {
        /// Who misbehaved.
        peer: PeerKey,
        /// What it did.
        misbehaviour: Misbehaviour,
    },
    /// Answer somebody local.
    Answer {
        /// Names the call.
        call: CallId,
        /// Accepted, or why not.
        result: Answer<Accepted>,
    },
    /// The active tip changed: wake waiters, renew templates.
    TipChanged {
        /// The new tip.
        tip: BlockHash,
        /// Height of the new tip.
        height: u32,
        /// Blocks undone to get there; 0 when the old tip was extended.
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
    /// Forward it.
    Accept,
    /// Do not forward it; nobody is at fault.
    Ignore,
    /// Do not forward it and lower the sender's score: it breaks a rule.
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
    /// What is thought of a block was overridden, and the chain has followed.
    Overridden,
    /// A transaction of a package is in the mempool.
    Packaged(PackageMember),
    /// A transaction's fee is looked at differently from now on.
    Prioritised,
    /// A peer was asked; whether it answers is its own affair.
    Requested,
    /// What could be deleted of the old blocks was.
    Pruned,
}
/// What became of an accepted transaction of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackageMember {
    /// Its id.
    pub txid: Txid,
    /// Its bytes.
    pub size: usize,
    /// What it leaves to the miner.
    pub fee: Amount,
    /// Fees and bytes of those it was accepted together with, itself included; `None` if it was accepted for itself.
    pub together: Option<(Amount, usize)>,
    /// It was in the mempool before.
    pub was_pooled: bool,
}
/// A transaction that somebody local submits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// To answer with.
    pub call: CallId,
    /// The transaction, not judged yet.
    pub transaction: Arc<Transaction>,
    /// What its submitter allows.
    pub limits: SubmissionLimits,
}
/// What a submitter allows, so that a slip of the keyboard costs little. By default anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubmissionLimits {
    /// Highest fee, units per 1,000 bytes (Core: `maxfeerate`).
    pub fee_rate_max: Option<Amount>,
    /// Highest value of an output that nobody can spend (Core: `maxburnamount`).
    pub burn_max: Option<Amount>,
}
