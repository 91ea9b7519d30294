//! Dials on the node's own account, from the address book: peers in different ranges of addresses, the anchors first, and
//! tests of tried peers whose places others wait for.

use super::Service;
use crate::shell::network::address;
use crate::shell::network::address_book::{self, Group};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId};
use std::collections::HashSet;
use tokio::time::Instant;

impl Service {
    /// Fills our own share of connections from the address book.
    pub(super) fn dial_from_book(&mut self, now_s: u64) {
        let outbound = self.peers.iter().filter(|(_, peer)| !peer.inbound()).count();
        let mut wanted = self.bounds.outbound.saturating_sub(outbound + self.own_dials.len());
        let mut groups = self.outbound_groups();
        for (peer, addresses) in self.book.candidates(now_s) {
            if wanted == 0 {
                break;
            }
            let group = addresses.first().and_then(address::ip).map(Group::of);
            // Whoever owns one range of addresses gets one of our connections. On one machine or network all share one.
            let is_taken = group.is_some_and(|group| group != Group::Local && !groups.insert(group));
            if !is_taken && self.dial_on_own_account(peer, addresses, now_s) {
                wanted -= 1;
            }
        }
        if let Some((peer, addresses)) = self.book.next_test(now_s) {
            self.dial_on_own_account(peer, addresses, now_s);
        }
    }
    /// Dials a peer of the book, unless it is connected, being dialled, or this node itself.
    fn dial_on_own_account(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, now_s: u64) -> bool {
        if peer == self.peer_id() || self.peers.get(&peer).is_some() || self.own_dials.contains(&peer) {
            return false;
        }
        self.book.dialled(peer, now_s);
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(addresses)
            .allocate_new_port()
            .build();
        let is_dialled = self.swarm.dial(options).is_ok();
        if is_dialled {
            self.own_dials.insert(peer);
        }
        is_dialled
    }
    /// Ranges of addresses of the peers that this node dialled.
    fn outbound_groups(&self) -> HashSet<Group> {
        let outbound = self.peers.iter().filter_map(|(_, peer)| peer.first().filter(|first| !first.inbound));
        outbound.filter_map(|first| address::ip(&first.address)).map(Group::of).collect()
    }
    /// Notes the anchors and writes the book if it changed.
    pub(super) fn save_book(&mut self) {
        self.book_saved = Instant::now();
        let outbound = self.peers.iter().filter(|(_, peer)| peer.key.is_some() && !peer.inbound());
        let mut outbound: Vec<_> = outbound.map(|(id, peer)| (peer.key, *id)).collect();
        // Keys are given in the order of introduction: the longest connected first.
        outbound.sort_unstable_by_key(|(key, _)| *key);
        self.book.set_anchors(outbound.into_iter().map(|(_, id)| id).collect());
        if let Err(error) = self.book.save() {
            let path = self.config.datadir.join(address_book::FILE_NAME);
            tracing::warn!(
                "cannot write the address book {}: {error}; peers met since are not remembered",
                path.display()
            );
        }
    }
}
