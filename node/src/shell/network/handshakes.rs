//! Inbound connections in their handshake. Their number is bounded, and at the bound the one that has waited longest gives way:
//! strangers who connect and stay silent cannot keep newcomers out, for an honest handshake takes milliseconds.
//!
//! [`behaviour::transport`](super::behaviour::transport) puts this around everything a node listens with. Connections whose
//! handshake is done are the [`connection_policy`](super::connection_policy)'s; how long a handshake may take is the transport's own timeout.

use futures::future::{AbortHandle, Abortable};
use libp2p::core::transport::{Boxed, DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::{Multiaddr, Transport};
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// A transport whose inbound handshakes are bounded.
pub struct Handshakes<O> {
    inner: Boxed<O>,
    running: Running,
}

/// The handshakes that run, in the order they began.
#[derive(Clone, Debug, Default)]
struct Running {
    state: Arc<Mutex<State>>,
    handshakes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    by_age: BTreeMap<u64, AbortHandle>,
    begun: u64,
}

/// One handshake's place, given up when dropped.
struct Place {
    running: Running,
    number: u64,
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing here panics while it holds the lock; if it did, the value would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more; at the bound the oldest is told to end.
    fn begin(&self, handle: AbortHandle) -> Place {
        let mut state = self.lock();
        if state.by_age.len() >= self.handshakes_max
            && let Some((_, oldest)) = state.by_age.pop_first()
        {
            oldest.abort();
        }
        let number = state.begun;
        state.begun += 1;
        state.by_age.insert(number, handle);
        Place { running: self.clone(), number }
    }

    /// A handshake that ends with an error when it has to give way.
    async fn run<O>(self, handshake: impl Future<Output = io::Result<O>>) -> io::Result<O> {
        let (handle, registration) = AbortHandle::new_pair();
        let _place = self.begin(handle);
        let gave_way = || io::Error::new(io::ErrorKind::TimedOut, "slower than too many handshakes that began later");
        Abortable::new(handshake, registration).await.unwrap_or_else(|_| Err(gave_way()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.running.lock().by_age.remove(&self.number);
    }
}

impl<O> Handshakes<O> {
    /// Bounds the handshakes of `inner`.
    pub fn new(inner: Boxed<O>, handshakes_max: usize) -> Self {
        Self { inner, running: Running { handshakes_max, ..Running::default() } }
    }
}

impl<O: Send + 'static> Transport for Handshakes<O> {
    type Output = O;
    type Error = io::Error;
    type ListenerUpgrade = Pin<Box<dyn Future<Output = io::Result<O>> + Send>>;
    type Dial = <Boxed<O> as Transport>::Dial;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }
    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }
    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        self.inner.dial(address, options)
    }
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let running = self.running.clone();
        let polled = Pin::new(&mut self.inner).poll(cx);
        polled.map(|event| event.map_upgrade(|handshake| Box::pin(running.run(handshake)) as Self::ListenerUpgrade))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn the_oldest_gives_way_and_whoever_ends_leaves_its_place() {
        const HANDSHAKES_MAX: usize = 20;
        let running = Running { handshakes_max: HANDSHAKES_MAX, ..Running::default() };
        let mut silent: Vec<_> = (0..HANDSHAKES_MAX)
            .map(|_| Box::pin(running.clone().run(std::future::pending::<io::Result<()>>())))
            .collect();
        assert!(silent.iter_mut().all(|handshake| handshake.now_or_never().is_none()));
        let done = running.clone().run(async { Ok(7) }).now_or_never().expect("done at once");
        assert_eq!(done.expect("a newcomer gets through"), 7);
        let gone = silent[0].as_mut().now_or_never().expect("the oldest has ended");
        assert_eq!(gone.expect_err("gave way").kind(), io::ErrorKind::TimedOut);
        assert!(silent[1].as_mut().now_or_never().is_none(), "the others go on");
        drop(silent);
        assert!(running.lock().by_age.is_empty(), "nothing is left behind");
    }
}
