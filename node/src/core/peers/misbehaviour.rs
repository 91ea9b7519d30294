//! Where a peer is punished: it is reported to the shell, which keeps the score, and left alone for a while or for good.

use super::{Context, Peers};
use crate::core::event::{Misbehaviour, Output, PeerKey, Time};
use chain_spec::BlockHash;

/// Time a peer that did not answer is left alone, milliseconds.
pub(super) const BACK_OFF_AFTER_STALL_MS: u64 = 30_000;

impl Peers {
    /// Reports a peer that broke a rule or a promise, and asks nothing more of it.
    pub(crate) fn misbehaved(&mut self, peer: PeerKey, misbehaviour: Misbehaviour, cx: &mut Context<'_>) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.is_distrusted = true;
        }
        cx.outputs.push(Output::Misbehaviour { peer, misbehaviour });
    }

    /// Reports whoever sent a block that was found invalid.
    pub(crate) fn block_invalid(&mut self, hash: &BlockHash, rule: &'static str, cx: &mut Context<'_>) {
        if let Some(peer) = self.sources.remove(hash) {
            self.misbehaved(peer, Misbehaviour::BrokeRule(rule), cx);
        }
    }

    /// Reports a peer that did not answer in time, and leaves it alone for a while.
    pub(super) fn stalled(&mut self, peer: PeerKey, cx: &mut Context<'_>) {
        self.back_off(peer, BACK_OFF_AFTER_STALL_MS, cx.now);
        cx.outputs.push(Output::Misbehaviour { peer, misbehaviour: Misbehaviour::Stalled });
    }

    /// Asks nothing of a peer for a while.
    pub(super) fn back_off(&mut self, peer: PeerKey, time_ms: u64, now: Time) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.back_off_until = Time(now.0.saturating_add(time_ms));
        }
    }

    /// Peers that were left alone for long enough may be asked again.
    pub(super) fn end_back_offs(&mut self, now: Time) {
        for peer in self.peers.values_mut().filter(|peer| peer.back_off_until <= now) {
            peer.back_off_until = Time(0);
        }
    }
}
