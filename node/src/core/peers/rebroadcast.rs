//! Transactions that perhaps nobody else has: told again until another peer shows that it knows them (Core: the unbroadcast
//! set).
//!
//! Gossip tells everybody who listens at that moment. Who connects a moment later, or whose neighbour just restarted, hears
//! nothing. So what was submitted here, and what came with one peer's mempool, is told again at growing intervals, as long as it
//! waits in the pool.

use super::{Context, Peers};
use crate::core::event::{Output, PeerKey, Time};
use crate::core::message::Gossip;
use chain_spec::Txid;

/// Transactions told again, transactions; what is more than that was told once.
const UNBROADCAST_MAX: usize = 5_000;
/// Time until a transaction is told again, seconds, one try after another; the last repeats. Gossip takes a message for known
/// for two minutes, so the third falls after that.
const RETELL_AFTER_S: [u64; 4] = [5, 30, 150, 600];
/// Times a transaction is told again.
const TRIES_MAX: usize = 12;

/// When a transaction is told again.
#[derive(Debug)]
pub(super) struct Unbroadcast {
    /// The peer it came from, whose knowing it says nothing; `None` if it was submitted here.
    from: Option<PeerKey>,
    tell_at: Time,
    tries: usize,
}

impl Unbroadcast {
    fn wait(&mut self, now: Time) {
        let after_s = RETELL_AFTER_S[self.tries.min(RETELL_AFTER_S.len() - 1)];
        self.tell_at = Time(now.0.saturating_add(after_s * 1_000));
    }
}

impl Peers {
    /// Tells a pooled transaction again later. Submitting it again starts over.
    pub(crate) fn note_unbroadcast(&mut self, txid: Txid, from: Option<PeerKey>, now: Time) {
        if self.unbroadcast.len() >= UNBROADCAST_MAX || (from.is_some() && self.unbroadcast.contains_key(&txid)) {
            return;
        }
        let mut unbroadcast = Unbroadcast { from, tell_at: now, tries: 0 };
        unbroadcast.wait(now);
        self.unbroadcast.insert(txid, unbroadcast);
    }

    /// A peer has shown that it knows a transaction.
    pub(super) fn seen_elsewhere(&mut self, txid: &Txid, peer: PeerKey) {
        if self.unbroadcast.get(txid).is_some_and(|unbroadcast| unbroadcast.from != Some(peer)) {
            self.unbroadcast.remove(txid);
        }
    }

    /// Tells what is due, and lets go of what has left the pool or was told often enough.
    pub(super) fn rebroadcast(&mut self, cx: &mut Context<'_>) {
        let is_alone = self.peers.is_empty();
        self.unbroadcast.retain(|txid, unbroadcast| {
            let Some(entry) = cx.mempool.pool().get(txid) else { return false };
            if unbroadcast.tell_at <= cx.now && !is_alone {
                cx.outputs.push(Output::Publish(Gossip::Transaction(entry.transaction.transaction().clone())));
                unbroadcast.tries += 1;
                unbroadcast.wait(cx.now);
            }
            unbroadcast.tries < TRIES_MAX
        });
    }
}
