//! What happened to the chain and the mempool since the last look: what `/events` and ZMQ tell.
//!
//! A [`Follower`] compares the core as it is with the core as it was, so nobody is slowed by who listens. What comes and goes between two
//! looks is not told: a transaction that entered the mempool and was dropped again at once, a tip that was left at once.

use super::core_handle::{CoreHandle, Stopped};
use crate::core::Core;
use crate::core::summary::Summary;
use chain_spec::{BlockHash, Txid};
use std::collections::HashSet;
use std::time::Duration;
use tokio::sync::watch;

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Happening {
    /// The chain left a branch; its blocks follow.
    Reorganised {
        /// The tip that was left.
        from: BlockHash,
        /// The new tip.
        to: BlockHash,
        /// The last block that both share, and its height.
        fork: (BlockHash, u32),
        /// Blocks undone.
        depth: usize,
    },
    /// A block was undone.
    Disconnected(Summary),
    /// A block was connected.
    Connected(Summary),
    /// All blocks of this look are told; this is the tip now.
    Tip(Summary),
    /// A transaction entered the mempool.
    Added(Txid),
    /// A transaction left the mempool, mined or not.
    Removed(Txid),
}

/// How the active chain went from one tip to another.
struct Path {
    /// From the old tip down to the fork, the fork not among them.
    disconnected: Vec<Summary>,
    fork: Option<Summary>,
    /// From above the fork up to the new tip.
    connected: Vec<Summary>,
}

/// What has been told so far.
pub struct Follower {
    core: CoreHandle,
    changes: (watch::Receiver<super::core_handle::TipState>, watch::Receiver<u64>),
    tip: BlockHash,
    /// What was in the mempool.
    pooled: HashSet<Txid>,
}

impl Follower {
    /// From now on.
    pub async fn new(core: CoreHandle) -> Result<Follower, Stopped> {
        let changes = (core.tip(), core.mempool_version());
        let (tip, pooled) = core.read(|core: &Core| (core.tip().hash, pooled(core))).await?;
        Ok(Follower { core, changes, tip, pooled })
    }

    /// Waits until something may have happened; for the mempool alone at least so long.
    pub async fn changed(&mut self, mempool_interval: Duration) -> Result<(), Stopped> {
        let (tip, mempool) = &mut self.changes;
        let mempool_changed = async {
            tokio::time::sleep(mempool_interval).await;
            mempool.changed().await
        };
        tokio::select! {
            changed = tip.changed() => changed,
            changed = mempool_changed => changed,
        }
        .map_err(|_| Stopped)
    }

    /// What has happened since the last look, in order.
    pub async fn look(&mut self) -> Result<Vec<Happening>, Stopped> {
        self.changes.0.mark_unchanged();
        self.changes.1.mark_unchanged();
        let from = self.tip;
        let (path, now) = self.core.read(move |core| (path(core, from), pooled(core))).await?;
        let mut happened = Vec::new();
        if let (Some(fork), Some(old)) = (&path.fork, path.disconnected.first()) {
            let to = path.connected.last().unwrap_or(fork).hash;
            let (fork, depth) = ((fork.hash, fork.height), path.disconnected.len());
            happened.push(Happening::Reorganised { from: old.hash, to, fork, depth });
        }
        let tip = path.connected.last().or(path.fork.as_ref().filter(|_| !path.disconnected.is_empty())).cloned();
        happened.extend(path.disconnected.into_iter().map(Happening::Disconnected));
        happened.extend(path.connected.into_iter().map(Happening::Connected));
        if let Some(tip) = tip {
            self.tip = tip.hash;
            happened.push(Happening::Tip(tip));
        }
        let before = std::mem::replace(&mut self.pooled, now);
        happened.extend(before.difference(&self.pooled).map(|txid| Happening::Removed(*txid)));
        happened.extend(self.pooled.difference(&before).map(|txid| Happening::Added(*txid)));
        Ok(happened)
    }
}

fn pooled(core: &Core) -> HashSet<Txid> {
    core.mempool().entries().map(|entry| entry.transaction.txid()).collect()
}

/// The way from a block that was the tip to the present one.
fn path(core: &Core, from: BlockHash) -> Path {
    let (mut disconnected, mut connected) = (Vec::new(), Vec::new());
    let mut fork = core.summary(&from);
    while let Some(block) = fork.take_if(|block| !block.active) {
        fork = core.summary(&block.header.previous);
        disconnected.push(block);
    }
    let mut next = fork.as_ref().and_then(|fork| fork.next);
    while let Some(block) = next.and_then(|hash| core.summary(&hash)) {
        next = block.next;
        connected.push(block);
    }
    Path { disconnected, fork, connected }
}
