//! Links that behave badly on purpose, and the count of what goes over them.
//!
//! Every connection's streams (TCP and QUIC alike) are wrapped ([`LinkMuxer`]) once the peer's identity is known. The wrapper
//! counts bytes both ways and, where [`LinkConditions`] ask for it, holds back what arrives: bytes are read from the peer as
//! they come, stamped with the time they may be seen at, and handed on then. Conditioning the receiving side needs no task of
//! its own and keeps pipelining intact; set conditions at both ends for a link that is slow both ways.
//!
//! A reliable transport turns loss into waiting, and so does this: each 1,400-byte segment is lost with the given probability,
//! and every loss holds the stream back by one retransmission timeout. Handshakes are not conditioned. Partitions
//! ([`LinkConditions::blocked`]) are the service's matter: it closes the connections and refuses new ones.

use futures::{AsyncRead, AsyncWrite, Future};
use libp2p::PeerId;
use libp2p::core::muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent, SubstreamBox};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Bytes one stream may hold back; beyond, the sender waits, as on a real link.
const HELD_BYTES_MAX: usize = 4 << 20;
/// Bytes read at once.
const CHUNK_BYTES: usize = 16 << 10;
/// Bytes of a segment that is lost as a whole (an Ethernet frame's payload, roughly).
const SEGMENT_BYTES: usize = 1_400;
/// The shortest retransmission timeout (Linux: `TCP_RTO_MIN`).
const RETRANSMISSION_TIMEOUT_MS_MIN: u32 = 200;
/// The longest delay that can be asked for, milliseconds; the node's time-outs allow for it ([`super::patient`]).
pub const DELAY_MS_MAX: u32 = 10_000;
/// The most jitter that can be asked for, milliseconds.
pub const JITTER_MS_MAX: u32 = 10_000;
/// Links of peers that are gone are forgotten when this many are known.
const LINKS_KEPT_MAX: usize = 1_024;
/// A segment lost this often in a row gets through anyway.
const RETRANSMISSIONS_MAX: u32 = 10;

/// How a link behaves, for what arrives over it. The default is a perfect link.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkConditions {
    /// Added to every byte's way, milliseconds.
    pub delay_ms: u32,
    /// Up to this much more, at random, milliseconds. Order is kept.
    pub jitter_ms: u32,
    /// Probability that a segment of 1,400 bytes must be sent again, 0 to 1.
    pub loss: f64,
    /// Bytes per second over all streams of the link; 0: no limit.
    pub bandwidth_bytes_per_s: u64,
    /// No connection at all: existing ones are closed, new ones refused, both ways.
    pub blocked: bool,
}
impl LinkConditions {
    /// Why no link can be like this, if so.
    pub fn error(&self) -> Option<String> {
        let LinkConditions { delay_ms, jitter_ms, loss, .. } = *self;
        if delay_ms > DELAY_MS_MAX || jitter_ms > JITTER_MS_MAX {
            return Some(format!(
                "a link delays by {DELAY_MS_MAX} ms and {JITTER_MS_MAX} ms of jitter at most, not {delay_ms} ms and \
                 {jitter_ms} ms: peers over a slower one would be taken for dead"
            ));
        }
        (!(0.0..=1.0).contains(&loss)).then(|| format!("loss {loss} is not between 0 and 1"))
    }
    /// Whether bytes are held back at all.
    fn is_slow(&self) -> bool {
        self.delay_ms > 0 || self.jitter_ms > 0 || self.loss > 0.0 || self.bandwidth_bytes_per_s > 0
    }
    fn retransmission_timeout(&self) -> Duration {
        Duration::from_millis(u64::from(RETRANSMISSION_TIMEOUT_MS_MIN.max(2 * (self.delay_ms + self.jitter_ms))))
    }
    /// How long the unluckiest of a chunk's segments waits for being sent again.
    fn loss_delay(&self, bytes: usize) -> Duration {
        if self.loss <= 0.0 {
            return Duration::ZERO;
        }
        let losses = |_| (0..RETRANSMISSIONS_MAX).take_while(|_| rand::random::<f64>() < self.loss).count();
        let worst = (0..bytes.div_ceil(SEGMENT_BYTES)).map(losses).max().unwrap_or(0);
        self.retransmission_timeout() * u32::try_from(worst).unwrap_or(RETRANSMISSIONS_MAX)
    }
}

/// The link to one peer: shared by all its connections and streams.
#[derive(Debug, Default)]
pub struct Link {
    conditions: Mutex<LinkConditions>,
    slow: AtomicBool,
    /// When the link has finished carrying what was accepted so far (bandwidth).
    busy_until: Mutex<Option<Instant>>,
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
    /// When a byte came or went last, Unix seconds; 0 is never.
    last_received_s: AtomicU64,
    last_sent_s: AtomicU64,
}
impl Link {
    /// Bytes of all streams so far, below encryption and multiplexing overhead: received, sent.
    pub fn bytes(&self) -> (u64, u64) {
        (self.bytes_received.load(Ordering::Relaxed), self.bytes_sent.load(Ordering::Relaxed))
    }
    /// When a byte came last and when one went last, Unix seconds; 0 is never.
    pub fn last_used_s(&self) -> (u64, u64) {
        (self.last_received_s.load(Ordering::Relaxed), self.last_sent_s.load(Ordering::Relaxed))
    }
    fn set(&self, conditions: LinkConditions) {
        *lock(&self.conditions) = conditions;
        self.slow.store(conditions.is_slow(), Ordering::Release);
    }
    /// When a chunk that arrived now may be seen.
    fn release_at(&self, bytes: usize) -> Instant {
        let now = Instant::now();
        let conditions = *lock(&self.conditions);
        let carried = match conditions.bandwidth_bytes_per_s {
            0 => now,
            bandwidth => {
                let mut busy_until = lock(&self.busy_until);
                let start = busy_until.map_or(now, |until| until.max(now));
                let end = start + Duration::from_secs_f64(bytes as f64 / bandwidth as f64);
                *busy_until = Some(end);
                end
            }
        };
        let jitter_ms = f64::from(conditions.jitter_ms) * rand::random::<f64>();
        let delay = Duration::from_secs_f64((f64::from(conditions.delay_ms) + jitter_ms) / 1e3);
        carried + delay + conditions.loss_delay(bytes)
    }
}
/// No thread panics while it holds one of these locks; if one did, the value is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every peer's link, and the conditions that were asked for.
#[derive(Debug, Default)]
pub struct Links {
    state: Mutex<LinksState>,
}
#[derive(Debug, Default)]
struct LinksState {
    default: LinkConditions,
    set: HashMap<PeerId, LinkConditions>,
    /// Owned by the connections and the service: a peer that was turned away at the policy leaves nothing behind.
    open: HashMap<PeerId, Weak<Link>>,
}
impl Links {
    /// The link to a peer: the one its connections share, or a new one.
    pub fn open(&self, peer: PeerId) -> Arc<Link> {
        let mut state = lock(&self.state);
        if let Some(link) = state.open.get(&peer).and_then(Weak::upgrade) {
            return link;
        }
        if state.open.len() >= LINKS_KEPT_MAX {
            state.open.retain(|_, link| link.strong_count() > 0);
        }
        let link = Arc::new(Link::default());
        link.set(state.conditions(&peer));
        state.open.insert(peer, Arc::downgrade(&link));
        link
    }
    /// The conditions that hold for a peer.
    pub fn conditions(&self, peer: &PeerId) -> LinkConditions {
        lock(&self.state).conditions(peer)
    }
    /// Replaces a peer's conditions, or (`None`) those of every peer without its own. Holds at once.
    pub fn set(&self, peer: Option<PeerId>, conditions: LinkConditions) {
        let mut state = lock(&self.state);
        match peer {
            Some(peer) => drop(state.set.insert(peer, conditions)),
            None => state.default = conditions,
        }
        state.for_each_open(|peer, link| link.set(state.conditions(peer)));
    }
    /// Makes every link perfect again.
    pub fn clear(&self) {
        let mut state = lock(&self.state);
        state.default = LinkConditions::default();
        state.set.clear();
        state.for_each_open(|_, link| link.set(LinkConditions::default()));
    }
    /// What was set: the default first (`None`), then by peer.
    pub fn all(&self) -> Vec<(Option<PeerId>, LinkConditions)> {
        let state = lock(&self.state);
        let mut all: Vec<_> = state.set.iter().map(|(peer, conditions)| (Some(*peer), *conditions)).collect();
        all.sort_by_key(|(peer, _)| *peer);
        all.insert(0, (None, state.default));
        all
    }
}
impl LinksState {
    fn conditions(&self, peer: &PeerId) -> LinkConditions {
        self.set.get(peer).copied().unwrap_or(self.default)
    }
    fn for_each_open(&self, visit: impl Fn(&PeerId, &Link)) {
        let open = self.open.iter().filter_map(|(peer, link)| Some((peer, link.upgrade()?)));
        open.for_each(|(peer, link)| visit(peer, &link));
    }
}

/// A connection whose streams are counted and conditioned.
pub struct LinkMuxer {
    inner: StreamMuxerBox,
    link: Arc<Link>,
}
impl LinkMuxer {
    /// Wraps a connection to the peer at the other end of `link`.
    pub fn new(inner: StreamMuxerBox, link: Arc<Link>) -> Self {
        Self { inner, link }
    }
    fn wrap(&self, inner: SubstreamBox) -> LinkStream {
        LinkStream { inner, link: Arc::clone(&self.link), held: None }
    }
}
impl StreamMuxer for LinkMuxer {
    type Substream = LinkStream;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<LinkStream>> {
        let stream = ready!(Pin::new(&mut self.inner).poll_inbound(cx))?;
        Poll::Ready(Ok(self.wrap(stream)))
    }
    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<LinkStream>> {
        let stream = ready!(Pin::new(&mut self.inner).poll_outbound(cx))?;
        Poll::Ready(Ok(self.wrap(stream)))
    }
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

/// One stream of a [`LinkMuxer`].
pub struct LinkStream {
    inner: SubstreamBox,
    link: Arc<Link>,
    /// What has arrived and may not be seen yet; absent while the link is perfect.
    held: Option<Box<Held>>,
}
struct Held {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    scratch: Vec<u8>,
    alarm: Pin<Box<Sleep>>,
}
struct Chunk {
    release_at: Instant,
    /// Empty: the end of the stream.
    bytes: Vec<u8>,
    read: usize,
}
impl LinkStream {
    /// Takes in what has arrived.
    fn fill(&mut self, held: &mut Held, cx: &mut Context<'_>) -> io::Result<()> {
        while held.bytes < HELD_BYTES_MAX && !held.ended() {
            let Poll::Ready(count) = Pin::new(&mut self.inner).poll_read(cx, &mut held.scratch)? else { break };
            let bytes = held.scratch[..count].to_vec();
            held.bytes += count;
            let after = held.chunks.back().map(|chunk| chunk.release_at);
            let release_at = self.link.release_at(count).max(after.unwrap_or_else(Instant::now));
            held.chunks.push_back(Chunk { release_at, bytes, read: 0 });
        }
        Ok(())
    }
    fn poll_held(&mut self, held: &mut Held, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        self.fill(held, cx)?;
        let Some(chunk) = held.chunks.front_mut() else { return Poll::Pending };
        if chunk.release_at > Instant::now() {
            held.alarm.as_mut().reset(chunk.release_at);
            ready!(held.alarm.as_mut().poll(cx));
        }
        let count = out.len().min(chunk.bytes.len() - chunk.read);
        out[..count].copy_from_slice(&chunk.bytes[chunk.read..chunk.read + count]);
        chunk.read += count;
        held.bytes -= count;
        if chunk.read == chunk.bytes.len() && !chunk.bytes.is_empty() {
            held.chunks.pop_front();
        }
        Poll::Ready(Ok(count))
    }
}
impl Held {
    fn new() -> Self {
        let alarm = Box::pin(tokio::time::sleep(Duration::ZERO));
        Self { chunks: VecDeque::new(), bytes: 0, scratch: vec![0; CHUNK_BYTES], alarm }
    }
    fn ended(&self) -> bool {
        self.chunks.back().is_some_and(|chunk| chunk.bytes.is_empty())
    }
}
impl AsyncRead for LinkStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        let slow = self.link.slow.load(Ordering::Acquire);
        if out.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let count = match self.held.take() {
            None if !slow => ready!(Pin::new(&mut self.inner).poll_read(cx, out))?,
            held => {
                let mut held = held.unwrap_or_else(|| Box::new(Held::new()));
                let result = self.poll_held(&mut held, cx, out);
                if slow || !held.chunks.is_empty() {
                    self.held = Some(held);
                } else if result.is_pending() {
                    // The link is perfect again and nothing is held: `fill` has left the waker with the inner stream.
                    return Poll::Pending;
                }
                ready!(result)?
            }
        };
        self.link.bytes_received.fetch_add(count as u64, Ordering::Relaxed);
        self.link.last_received_s.store(crate::shell::clock::now_s(), Ordering::Relaxed);
        Poll::Ready(Ok(count))
    }
}
impl AsyncWrite for LinkStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.inner).poll_write(cx, data))?;
        self.link.bytes_sent.fetch_add(count as u64, Ordering::Relaxed);
        self.link.last_sent_s.store(crate::shell::clock::now_s(), Ordering::Relaxed);
        Poll::Ready(Ok(count))
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_a_wait_of_whole_retransmission_timeouts() {
        let link = |loss| LinkConditions { loss, delay_ms: 150, ..LinkConditions::default() };
        assert_eq!(link(0.0).loss_delay(1_000_000), Duration::ZERO);
        assert_eq!(link(1.0).loss_delay(1), Duration::from_millis(300) * RETRANSMISSIONS_MAX);
        let one_in_twenty: u32 = (0..2_000).map(|_| u32::from(link(0.05).loss_delay(1) > Duration::ZERO)).sum();
        assert!((40..=180).contains(&one_in_twenty), "5 % of 2,000 segments, seen: {one_in_twenty}");
    }

    #[test]
    fn conditions_hold_for_open_links_at_once_and_outlive_connections() {
        let links = Links::default();
        let (a, b) = (PeerId::random(), PeerId::random());
        let slow = LinkConditions { delay_ms: 5, ..LinkConditions::default() };
        let open = links.open(a);
        links.set(Some(a), slow);
        assert!(open.slow.load(Ordering::Relaxed));
        drop(open);
        let (a, b) = (links.open(a), links.open(b));
        assert!(a.slow.load(Ordering::Relaxed) && !b.slow.load(Ordering::Relaxed));
        links.set(None, slow);
        assert!(b.slow.load(Ordering::Relaxed));
        links.clear();
        assert!(!a.slow.load(Ordering::Relaxed) && !b.slow.load(Ordering::Relaxed));
    }

    #[test]
    fn peers_that_come_and_go_leave_nothing_behind() {
        let links = Links::default();
        let stays = PeerId::random();
        let link = links.open(stays);
        for _ in 0..3 * LINKS_KEPT_MAX {
            links.open(PeerId::random());
        }
        assert!(lock(&links.state).open.len() <= LINKS_KEPT_MAX);
        assert!(Arc::ptr_eq(&link, &links.open(stays)));
    }

    #[tokio::test]
    async fn bandwidth_is_shared_by_all_streams_of_a_link() {
        let link = Link::default();
        link.set(LinkConditions { bandwidth_bytes_per_s: 1_000, ..LinkConditions::default() });
        let now = Instant::now();
        let first = link.release_at(1_000) - now;
        let second = link.release_at(500) - now;
        assert!(first >= Duration::from_millis(999) && second >= Duration::from_millis(1_499), "{first:?} {second:?}");
    }
}
