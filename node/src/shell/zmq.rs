//! ZMQ notifications as Core has them (doc/zmq.md): a PUB socket sends messages of three parts, the topic, its content, and a
//! number of four bytes, little-endian, that counts the messages of the topic, so that a subscriber notices what it missed.
//!
//! | topic | content | sent |
//! |---|---|---|
//! | `hashblock`, `rawblock` | the new tip's hash, or its bytes | when the tip changes and the node is not catching up |
//! | `hashtx`, `rawtx` | a transaction's id, or its bytes | when it enters the mempool, and when a block with it is connected or disconnected |
//! | `sequence` | a hash and `C` (block connected) or `D` (disconnected); an id, `A` (entered the mempool) or `R` (left it, unless it was mined), and eight bytes of the mempool's sequence number | for each |
//!
//! Hashes are in the order in which they are printed. The messages are made beside the core from what a
//! [`Follower`] sees; a subscriber that is too slow loses messages beyond [`HIGH_WATER_MARK`], and nothing waits for it. Absent:
//! `ipc://` addresses and Core's `-zmqpub…hwm`: the library has one bound of its own.

use super::clock;
use super::core_handle::{CoreHandle, Stopped};
use super::follow::{Follower, Happening};
use crate::core::Core;
use chain_spec::{BlockHash, Encode, Transaction, Txid};
use std::collections::HashSet;
use std::time::Duration;
use tokio::sync::watch;
use zeromq::{PubSocket, Socket as _, SocketSend as _, ZmqMessage};

/// Messages that wait for one subscriber; further ones are lost to it. The library's own bound.
pub const HIGH_WATER_MARK: u32 = 100_000;
/// The mempool is not looked at more often than this.
const MEMPOOL_INTERVAL: Duration = Duration::from_millis(10);

/// What can be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// The hash of a new tip.
    HashBlock,
    /// The id of a transaction.
    HashTx,
    /// The bytes of a new tip.
    RawBlock,
    /// The bytes of a transaction.
    RawTx,
    /// Every change of the chain and the mempool.
    Sequence,
}

impl Topic {
    /// All of them.
    pub const ALL: [Topic; 5] = [Topic::HashBlock, Topic::HashTx, Topic::RawBlock, Topic::RawTx, Topic::Sequence];

    /// As in a message's first part.
    pub fn name(self) -> &'static str {
        match self {
            Topic::HashBlock => "hashblock",
            Topic::HashTx => "hashtx",
            Topic::RawBlock => "rawblock",
            Topic::RawTx => "rawtx",
            Topic::Sequence => "sequence",
        }
    }
}

/// One topic at one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What is published.
    pub topic: Topic,
    /// `tcp://HOST:PORT`; port 0 picks a free one.
    pub address: String,
}

/// An address cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot publish over ZMQ at {address}: {error}; choose another address with --zmqpub{topic}")]
pub struct ZmqError {
    address: String,
    topic: &'static str,
    error: zeromq::ZmqError,
}

/// A bound socket and the topics that go over it.
struct Publisher {
    asked: String,
    bound: String,
    topics: Vec<Topic>,
    socket: PubSocket,
}

/// Binds every address once and publishes until the node stops; the endpoints, each with the port that it got.
pub async fn start(
    endpoints: Vec<Endpoint>,
    core: CoreHandle,
    stop: watch::Receiver<bool>,
) -> Result<Vec<Endpoint>, ZmqError> {
    let mut publishers: Vec<Publisher> = Vec::new();
    let mut bound = Vec::with_capacity(endpoints.len());
    for Endpoint { topic, address } in endpoints {
        let place = publishers.iter().position(|publisher| publisher.asked == address);
        let publisher = match place {
            Some(place) => &mut publishers[place],
            None => {
                let mut socket = PubSocket::new();
                let got = socket.bind(&address).await;
                let failed = |error| ZmqError { address: address.clone(), topic: topic.name(), error };
                let bound = got.map_err(failed)?.to_string();
                publishers.push(Publisher { asked: address.clone(), bound, topics: Vec::new(), socket });
                let last = publishers.len() - 1;
                &mut publishers[last]
            }
        };
        publisher.topics.push(topic);
        bound.push(Endpoint { topic, address: publisher.bound.clone() });
    }
    if !publishers.is_empty() {
        tokio::spawn(async move {
            let mut teller = Teller { core: core.clone(), publishers, sent: [0; 5], mempool_sequence: 0 };
            // It ends with the node; there is nobody to be told why.
            let _ = teller.run(stop).await;
        });
    }
    Ok(bound)
}

/// Makes messages of what happens.
struct Teller {
    core: CoreHandle,
    publishers: Vec<Publisher>,
    /// Messages sent, by topic.
    sent: [u32; 5],
    /// Transactions that entered or left the mempool since the node started, and blocks (Core: `m_sequence_number`).
    mempool_sequence: u64,
}

impl Teller {
    async fn run(&mut self, mut stop: watch::Receiver<bool>) -> Result<(), Stopped> {
        let mut follower = Follower::new(self.core.clone()).await?;
        loop {
            tokio::select! {
                changed = follower.changed(MEMPOOL_INTERVAL) => changed?,
                _ = stop.wait_for(|stopping| *stopping) => return Err(Stopped),
            }
            let happened = follower.look().await?;
            self.tell(happened).await?;
        }
    }

    async fn tell(&mut self, happened: Vec<Happening>) -> Result<(), Stopped> {
        let mut mined: HashSet<Txid> = HashSet::new();
        for happening in happened {
            match happening {
                Happening::Reorganised { .. } => {}
                Happening::Connected(block) => mined.extend(self.tell_block(block.hash, b'C').await?),
                Happening::Disconnected(block) => drop(self.tell_block(block.hash, b'D').await?),
                Happening::Tip(block) => self.tell_tip(block.hash).await?,
                Happening::Added(txid) => {
                    self.tell_sequence(*txid.as_bytes(), b'A', true).await;
                    self.tell_pooled(txid).await?;
                }
                Happening::Removed(txid) if !mined.contains(&txid) => {
                    self.tell_sequence(*txid.as_bytes(), b'R', true).await;
                }
                Happening::Removed(_) => {}
            }
        }
        Ok(())
    }

    fn wants(&self, topics: &[Topic]) -> bool {
        self.publishers.iter().any(|publisher| publisher.topics.iter().any(|topic| topics.contains(topic)))
    }

    /// A block and its transactions; their ids.
    async fn tell_block(&mut self, hash: BlockHash, label: u8) -> Result<Vec<Txid>, Stopped> {
        let read = move |core: &Core| core.block(&hash);
        // One that cannot be read, or was pruned meanwhile, is told by its hash alone.
        let block = self.core.read(read).await?.ok().flatten();
        let mut txids = Vec::new();
        for transaction in block.iter().flat_map(|block| &block.transactions) {
            txids.push(transaction.txid());
            self.tell_transaction(transaction).await;
        }
        self.tell_sequence(*hash.as_bytes(), label, false).await;
        Ok(txids)
    }

    async fn tell_tip(&mut self, hash: BlockHash) -> Result<(), Stopped> {
        if !self.wants(&[Topic::HashBlock, Topic::RawBlock]) {
            return Ok(());
        }
        let read = move |core: &Core| (core.progress(clock::now()).initial_block_download, core.block(&hash));
        let (is_behind, block) = self.core.read(read).await?;
        if is_behind {
            return Ok(());
        }
        self.send(Topic::HashBlock, reversed(*hash.as_bytes())).await;
        if let Ok(Some(block)) = block {
            self.send(Topic::RawBlock, block.to_bytes()).await;
        }
        Ok(())
    }

    async fn tell_pooled(&mut self, txid: Txid) -> Result<(), Stopped> {
        let read = move |core: &Core| core.mempool().get(&txid).map(|entry| entry.transaction.transaction().clone());
        if let Some(transaction) = self.core.read(read).await? {
            self.tell_transaction(&transaction).await;
        }
        Ok(())
    }

    async fn tell_transaction(&mut self, transaction: &Transaction) {
        self.send(Topic::HashTx, reversed(*transaction.txid().as_bytes())).await;
        if self.wants(&[Topic::RawTx]) {
            self.send(Topic::RawTx, transaction.to_bytes()).await;
        }
    }

    async fn tell_sequence(&mut self, hash: [u8; 32], label: u8, is_pooled: bool) {
        let mut content = reversed(hash);
        content.push(label);
        self.mempool_sequence += 1;
        if is_pooled {
            content.extend(self.mempool_sequence.to_le_bytes());
        }
        self.send(Topic::Sequence, content).await;
    }

    async fn send(&mut self, topic: Topic, content: Vec<u8>) {
        let number = &mut self.sent[topic as usize];
        let counted = *number;
        *number = number.wrapping_add(1);
        for publisher in self.publishers.iter_mut().filter(|publisher| publisher.topics.contains(&topic)) {
            let mut message = ZmqMessage::from(topic.name());
            message.push_back(content.clone().into());
            message.push_back(counted.to_le_bytes().to_vec().into());
            if let Err(error) = publisher.socket.send(message).await {
                tracing::debug!(%error, topic = topic.name(), "a ZMQ message was not sent");
            }
        }
    }
}

/// Bytes in the order in which a hash is printed.
fn reversed(mut hash: [u8; 32]) -> Vec<u8> {
    hash.reverse();
    hash.to_vec()
}
