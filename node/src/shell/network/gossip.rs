//! Gossiped messages that wait for the core's verdict. gossipsub keeps a message for a few heartbeats only, so every one is
//! reported in that time: by the core, or as `Ignore` when the core is late, the list is full, or the node stops.

use crate::core::event::GossipId;
use libp2p::PeerId;
use libp2p::gossipsub::MessageId;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// Messages that may wait at once.
pub const PENDING_MESSAGES_MAX: usize = 32_768;
/// Longest wait for a verdict: a little less than gossipsub keeps the message for.
pub const VERDICT_WAIT_MAX: Duration = Duration::from_millis(
    super::behaviour::HEARTBEAT.as_millis() as u64 * (super::behaviour::GOSSIP_HISTORY_HEARTBEATS as u64 - 1) - 500,
);

/// A message that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// gossipsub's name for it.
    pub message: MessageId,
    /// Who forwarded it.
    pub source: PeerId,
}
/// All that wait.
#[derive(Debug, Default)]
pub struct Pending {
    waiting: HashMap<GossipId, Waiting>,
    order: VecDeque<(Instant, GossipId)>,
    next_id: u64,
}
impl Pending {
    /// Remembers a message; gives it back when the list is full.
    pub fn insert(&mut self, waiting: Waiting, now: Instant) -> Result<GossipId, Waiting> {
        if self.waiting.len() >= PENDING_MESSAGES_MAX {
            return Err(waiting);
        }
        let id = GossipId(self.next_id);
        self.next_id += 1;
        self.waiting.insert(id, waiting);
        self.order.push_back((now, id));
        Ok(id)
    }
    /// The message a verdict is about; `None` when it was reported already.
    pub fn take(&mut self, id: GossipId) -> Option<Waiting> {
        let taken = self.waiting.remove(&id);
        while self.order.front().is_some_and(|(_, id)| !self.waiting.contains_key(id)) {
            self.order.pop_front();
        }
        taken
    }
    /// Messages that have waited too long.
    pub fn expire(&mut self, now: Instant) -> Vec<Waiting> {
        let mut expired = Vec::new();
        while let Some((since, id)) = self.order.front().copied() {
            if now.saturating_duration_since(since) < VERDICT_WAIT_MAX {
                break;
            }
            self.order.pop_front();
            expired.extend(self.waiting.remove(&id));
        }
        expired
    }
    /// Everything, for the end.
    pub fn drain(&mut self) -> Vec<Waiting> {
        self.order.clear();
        self.waiting.drain().map(|(_, waiting)| waiting).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(n: u8) -> Waiting {
        Waiting { message: MessageId::from(vec![n]), source: PeerId::random() }
    }

    #[test]
    fn late_messages_are_given_up_once_and_in_order() {
        let mut pending = Pending::default();
        let now = Instant::now();
        let (a, b) = (waiting(1), waiting(2));
        let first = pending.insert(a.clone(), now).expect("room");
        let second = pending.insert(b.clone(), now + Duration::from_secs(1)).expect("room");
        assert!(pending.expire(now + VERDICT_WAIT_MAX - Duration::from_millis(1)).is_empty());
        assert_eq!(pending.expire(now + VERDICT_WAIT_MAX), vec![a]);
        assert_eq!(pending.take(first), None);
        assert_eq!(pending.take(second), Some(b));
        assert!(pending.order.is_empty());
    }

    #[test]
    fn a_full_list_takes_no_more_until_a_verdict_comes() {
        let mut pending = Pending::default();
        let now = Instant::now();
        let ids: Vec<_> = (0..PENDING_MESSAGES_MAX).map(|_| pending.insert(waiting(3), now).expect("room")).collect();
        assert!(pending.insert(waiting(4), now).is_err());
        assert!(pending.take(ids[7]).is_some());
        assert!(pending.insert(waiting(4), now).is_ok());
        assert_eq!(pending.drain().len(), PENDING_MESSAGES_MAX);
    }
}
