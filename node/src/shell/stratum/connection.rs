//! Connections: accepted, bounded and served, each by a task that joins a socket and a [`Session`].
//!
//! A connection that asks faster than it may is read no further for a while; one that sends what no miner sends is
//! ended and its address banned. Nobody waits for anybody: a slow reader gets the newest job when it reads, and is
//! dropped if it does not.

use super::bans::{Bans, Offences};
use super::feed::Feed;
use super::lines::{LINE_BYTES_MAX, Line, Lines};
use super::pool::Pool;
use super::protocol::{Refusal, refused};
use super::session::{Session, Step};
use crate::shell::clock;
use serde_json::Value;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, info};

/// Requests a second that a connection may send for long …
const REQUESTS_PER_S: f64 = 100.0;
/// … and at once.
const REQUESTS_AT_ONCE: f64 = 400.0;
/// How long a connection may take until it has a worker.
const LOGIN_MAX: Duration = Duration::from_secs(60);
/// How long a connection may be silent after that.
const SILENCE_MAX: Duration = Duration::from_secs(15 * 60);
/// How long it may take to read what it is sent.
const SEND_MAX: Duration = Duration::from_secs(10);
/// How often difficulties are looked at without a share.
const TICK: Duration = Duration::from_secs(2);
/// Bytes read ahead of a connection.
const READ_AHEAD_BYTES: usize = 1_024;
/// How long to wait after the system refused a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listener's state.
pub struct Listener {
    pool: Pool,
    feed: Feed,
    connections_max: usize,
    connections_per_address_max: usize,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    by_address: HashMap<IpAddr, usize>,
    total: usize,
    bans: Bans,
}

/// A connection's place; given back when dropped.
struct Place {
    listener: Arc<Listener>,
    address: IpAddr,
}

impl Listener {
    /// A listener for so many connections.
    pub fn new(pool: Pool, feed: Feed, connections_max: usize) -> Listener {
        // One address may be a whole classroom behind a router, or a stranger who wants every place.
        let connections_per_address_max = connections_max.div_ceil(2);
        Listener { pool, feed, connections_max, connections_per_address_max, places: Mutex::default() }
    }

    fn places(&self) -> std::sync::MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut places = self.places();
        if places.bans.contains(address, clock::now().0) {
            return None;
        }
        let total = places.total;
        let there = places.by_address.entry(address).or_default();
        if total >= self.connections_max || *there >= self.connections_per_address_max {
            return None;
        }
        *there += 1;
        places.total += 1;
        self.pool.figures().connections.fetch_add(1, Ordering::Relaxed);
        Some(Place { listener: Arc::clone(self), address })
    }

    fn ban(&self, address: IpAddr) {
        let ban_ms = self.pool.config().ban_s.saturating_mul(1_000);
        let now_ms = clock::now().0;
        self.pool.figures().bans.fetch_add(1, Ordering::Relaxed);
        self.places().bans.add(address, now_ms.saturating_add(ban_ms), now_ms);
        info!("stratum: {address} is banned for {} s: too many requests that no miner sends", ban_ms / 1_000);
    }

    /// Serves until `stop` turns true.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                // An error means that the shell is gone, which is a stop as well.
                _ = stop.wait_for(|stopping| *stopping) => break,
                accepted = listener.accept() => accepted,
                Some(_) = tasks.join_next() => continue,
            };
            match accepted {
                Ok((stream, address)) => match self.admit(address.ip()) {
                    Some(place) => drop(tasks.spawn(converse(stream, address, place))),
                    // Closed without a word: whoever is banned knows, and a full pool has no place to say so from.
                    None => debug!("stratum: no place for {address}"),
                },
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
        tasks.shutdown().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.listener.places();
        places.total -= 1;
        if let Some(there) = places.by_address.get_mut(&self.address) {
            *there -= 1;
            if *there == 0 {
                places.by_address.remove(&self.address);
            }
        }
        self.listener.pool.figures().connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How fast a connection may ask.
struct Pace {
    left: f64,
    at: Instant,
}

impl Pace {
    fn new() -> Pace {
        Pace { left: REQUESTS_AT_ONCE, at: Instant::now() }
    }

    /// Takes one request; waits if there is none left.
    async fn take(&mut self) {
        let now = Instant::now();
        let gained = (now - self.at).as_secs_f64() * REQUESTS_PER_S;
        (self.left, self.at) = ((self.left + gained).min(REQUESTS_AT_ONCE) - 1.0, now);
        if self.left < 0.0 {
            tokio::time::sleep(Duration::from_secs_f64(-self.left / REQUESTS_PER_S)).await;
        }
    }
}

/// Serves one connection to its end.
async fn converse(stream: TcpStream, address: SocketAddr, place: Place) {
    // Replies are small and awaited.
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let lines = Lines::new(BufReader::with_capacity(READ_AHEAD_BYTES, reader));
    let session = Session::new(place.listener.pool.clone(), clock::now().0);
    let jobs = place.listener.pool.jobs();
    let mut connection = Connection { lines, writer, session, jobs, place, offences: Offences::default() };
    let ended = connection.run().await;
    debug!("stratum: connection of {address} has ended: {ended:?}");
}

struct Connection {
    lines: Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
    session: Session,
    jobs: watch::Receiver<Option<Arc<super::job::Job>>>,
    place: Place,
    offences: Offences,
}

/// Why a connection ended.
#[derive(Debug)]
enum Ended {
    Closed,
    Silent,
    Slow,
    Banned,
    Stopped,
}

impl Connection {
    async fn run(&mut self) -> Ended {
        let mut pace = Pace::new();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            let silence_max = if self.session.is_ready() { SILENCE_MAX } else { LOGIN_MAX };
            let lines = tokio::select! {
                line = self.lines.next() => {
                    pace.take().await;
                    if self.session.is_ready() || matches!(line, Line::Closed) {
                        heard = Instant::now();
                    }
                    match self.hear(line).await {
                        Ok(lines) => lines,
                        Err(ended) => return ended,
                    }
                }
                changed = self.jobs.changed() => match changed {
                    Ok(()) => self.session.job_changed(clock::now().0),
                    Err(_) => return Ended::Stopped,
                },
                _ = tick.tick() => self.session.tick(clock::now().0),
                () = tokio::time::sleep_until(heard + silence_max) => return Ended::Silent,
            };
            if !self.send(&lines).await {
                return Ended::Slow;
            }
        }
    }

    async fn hear(&mut self, line: Line) -> Result<String, Ended> {
        let now_ms = clock::now().0;
        let step = match line {
            Line::Whole(line) => self.session.answer(&line, now_ms),
            Line::TooLong => {
                let refusal = Refusal::other(format!("a line may have {LINE_BYTES_MAX} bytes"));
                self.send(&refused(&Value::Null, &refusal)).await;
                self.ban();
                return Err(Ended::Banned);
            }
            Line::Closed => return Err(Ended::Closed),
        };
        let Step { lines, solved, is_offence, is_share } = step;
        if let Some(solved) = solved {
            self.place.listener.feed.found(solved).await;
        }
        if is_share {
            self.offences.forgive();
        }
        if is_offence && self.offences.add(now_ms) {
            self.send(&lines).await;
            self.ban();
            return Err(Ended::Banned);
        }
        Ok(lines)
    }

    fn ban(&self) {
        self.place.listener.ban(self.place.address);
    }

    /// Whether the lines were taken in time.
    async fn send(&mut self, lines: &str) -> bool {
        if lines.is_empty() {
            return true;
        }
        matches!(tokio::time::timeout(SEND_MAX, self.writer.write_all(lines.as_bytes())).await, Ok(Ok(())))
    }
}
