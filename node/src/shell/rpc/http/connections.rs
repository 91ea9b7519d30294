//! The open connections: how many there may be, which one makes room for a new one, and when silence ends one.

use super::limits::Limits;
use crate::shell::clock;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Sleep;

/// All open connections. Cheap to clone.
#[derive(Clone)]
pub struct Connections(Arc<Shared>);

struct Shared {
    connections_max: usize,
    open: Mutex<Open>,
    /// Somebody left.
    left: Notify,
}

#[derive(Default)]
struct Open {
    sessions: BTreeMap<u64, Arc<Session>>,
    next_number: u64,
}

/// One connection, as the requests that come over it see it.
pub struct Session {
    /// The other end.
    pub address: IpAddr,
    /// Requests that are being answered.
    requests: AtomicUsize,
    is_authenticated: AtomicBool,
    silent_since: Mutex<Instant>,
    evicted: Notify,
}

impl Session {
    /// The client has shown a right password.
    pub fn authenticate(&self) {
        self.is_authenticated.store(true, Ordering::Relaxed);
    }
    /// Whether the client has shown a right password.
    pub fn is_authenticated(&self) -> bool {
        self.is_authenticated.load(Ordering::Relaxed)
    }
    /// A request begins; it ends when the returned guard is dropped. Until then the connection does not have to make room.
    pub fn begin_request(self: &Arc<Session>) -> ActiveRequest {
        self.requests.fetch_add(1, Ordering::Relaxed);
        ActiveRequest(Arc::clone(self))
    }
    /// Resolves when the connection has to make room for another one.
    pub async fn evicted(&self) {
        self.evicted.notified().await;
    }
    fn silent_since(&self) -> Instant {
        *self.silent_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered.
pub struct ActiveRequest(Arc<Session>);

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        *self.0.silent_since.lock().unwrap_or_else(PoisonError::into_inner) = clock::instant();
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection's place among the open ones; dropping it gives the place back.
pub struct Place {
    connections: Connections,
    number: u64,
    /// The connection.
    pub session: Arc<Session>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.lock().sessions.remove(&self.number);
        self.connections.0.left.notify_one();
    }
}

impl Connections {
    /// None yet, and never more than the limit.
    pub fn new(limits: &Limits) -> Connections {
        let connections_max = limits.connections_max.max(1);
        Connections(Arc::new(Shared { connections_max, open: Mutex::default(), left: Notify::new() }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a place for a new connection: if all are taken, the connection that has been silent longest goes. Waits while
    /// all are being answered.
    pub async fn admit(&self, address: IpAddr) -> Place {
        loop {
            if let Some(place) = self.try_admit(address) {
                return place;
            }
            self.0.left.notified().await;
        }
    }

    fn try_admit(&self, address: IpAddr) -> Option<Place> {
        let mut open = self.lock();
        if open.sessions.len() >= self.0.connections_max {
            let silent = open.sessions.iter().filter(|(_, session)| session.requests.load(Ordering::Relaxed) == 0);
            let worst = silent.min_by_key(|(_, session)| (session.is_authenticated(), session.silent_since()))?;
            let number = *worst.0;
            // It leaves the list here, so that the next newcomer does not choose it again.
            if let Some(session) = open.sessions.remove(&number) {
                session.evicted.notify_one();
            }
        }
        let number = open.next_number;
        open.next_number += 1;
        let session = Arc::new(Session {
            address,
            requests: AtomicUsize::new(0),
            is_authenticated: AtomicBool::new(false),
            silent_since: Mutex::new(clock::instant()),
            evicted: Notify::new(),
        });
        open.sessions.insert(number, Arc::clone(&session));
        drop(open);
        Some(Place { connections: self.clone(), number, session })
    }
}

/// A TCP connection whose writes fail when the client takes nothing for too long: an answer that is not read must not be
/// kept for ever. Reads need no such bound here: hyper has one for heads, and bodies are read with one.
pub struct Patient {
    stream: TcpStream,
    silence_max: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    /// Gives a client `silence_max` to take what is written.
    pub fn new(stream: TcpStream, silence_max: Duration) -> Patient {
        Patient { stream, silence_max, stalled: None }
    }

    /// Passes on what a write came to, or that it has taken too long.
    fn bounded<T>(&mut self, task: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let silence_max = self.silence_max;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(silence_max)));
        ready!(stalled.as_mut().poll(task));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answer")))
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(task, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(task, buffer);
        self.bounded(task, written)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(task, buffers);
        self.bounded(task, written)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::net::Ipv4Addr;

    fn connections(connections_max: usize) -> Connections {
        Connections::new(&Limits { connections_max, ..Limits::default() })
    }

    fn admit(connections: &Connections) -> Option<Place> {
        connections.admit(Ipv4Addr::LOCALHOST.into()).now_or_never()
    }

    fn is_evicted(place: &Place) -> bool {
        place.session.evicted().now_or_never().is_some()
    }

    #[test]
    fn the_longest_silent_stranger_makes_room_before_anybody_with_a_password() {
        let all = connections(3);
        let (known, stranger, newer) = (admit(&all).unwrap(), admit(&all).unwrap(), admit(&all).unwrap());
        known.session.authenticate();
        let fourth = admit(&all).unwrap();
        assert!(is_evicted(&stranger) && !is_evicted(&known) && !is_evicted(&newer));
        let fifth = admit(&all).unwrap();
        assert!(is_evicted(&newer) && !is_evicted(&known) && !is_evicted(&fourth));
        fourth.session.authenticate();
        fifth.session.authenticate();
        let _sixth = admit(&all).unwrap();
        assert!(is_evicted(&known), "all have a password: the one silent longest");
    }

    #[test]
    fn whoever_is_being_answered_stays_and_a_newcomer_waits_for_a_place() {
        let all = connections(2);
        let (first, second) = (admit(&all).unwrap(), admit(&all).unwrap());
        let (request, _other) = (first.session.begin_request(), second.session.begin_request());
        assert!(admit(&all).is_none(), "nobody is silent");
        drop(request);
        let _third = admit(&all).unwrap();
        assert!(is_evicted(&first) && !is_evicted(&second));
    }

    #[test]
    fn an_end_makes_room() {
        let all = connections(1);
        let first = admit(&all).unwrap();
        let _request = first.session.begin_request();
        assert!(admit(&all).is_none());
        drop(first);
        assert!(admit(&all).is_some());
    }
}
