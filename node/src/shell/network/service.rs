//! The task that owns the swarm. It turns libp2p's events into the core's inputs and the core's outputs into libp2p's calls.
//!
//! Nothing here waits for the core: inputs that its channel has no room for are queued, and while that queue is full the swarm
//! is not polled, so that peers wait instead of memory growing.

mod commands;
mod events;
mod identity;
mod own_dials;

use self::identity::{Additions, answer_addition};
use super::address_book::AddressBook;
use super::bans::Bans;
use super::behaviour::{self, Behaviour, ChainNames};
use super::bounds::ConnectionBounds;
use super::dialer::Dialer;
use super::gossip::Pending;
use super::handle::Command;
use super::link::Links;
use super::nat::{self, Nat};
use super::patient::Patient;
use super::peers::Peers;
use super::requests::{self, Admitted, Requests};
use super::score::ProtocolViolation;
use super::wire::Limits;
use super::{NetworkConfig, NetworkError, address, address_book, bans, wire};
use crate::core::event::{Acceptance, Input, PeerKey, RequestFailure};
use crate::shell::clock;
use crate::shell::input_queue::{InputSender, QueueError};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use libp2p::gossipsub::MessageAcceptance;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm};
use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

/// Inputs that wait for room in the core's channel before peers are made to wait.
const BACKLOG_INPUTS_MAX: usize = 4_096;
/// Bytes of such inputs, as they came over the wire.
const BACKLOG_BYTES_MAX: usize = 32 << 20;
/// Housekeeping: late verdicts, ended bans, our own dials, the address book.
const HOUSEKEEPING: Duration = Duration::from_millis(500);
/// How often the address book is written, when it changed.
const BOOK_SAVE: Duration = Duration::from_secs(60);
/// A connected peer that has not shown in this time, and six round trips, that it speaks our protocol is dropped. Streams for
/// gossip and identify are opened, agreed on and answered in that time.
const INTRODUCTION_MAX: Duration = Duration::from_secs(10);
/// The same while the round trip is not known: six of them over the slowest link. Peers that are not introduced are the first
/// to give way to others, so that nobody gains a place by silence.
const INTRODUCTION_UNMEASURED_MAX: Duration = Duration::from_secs(6 * 20);
/// How long goodbyes may take.
const GOODBYE_MAX: Duration = Duration::from_millis(300);
/// Far longer than any node runs: what nobody uses is closed by rule, not by idleness.
const IDLE_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// Pings in a row that must fail before a peer counts as gone.
const PINGS_FAILED_MAX: u32 = 2;
/// Names being looked up at once.
const LOOKUPS_MAX: usize = 64;

/// A name that is being looked up: the address on the list, and what it stands for.
type Lookup = Pin<Box<dyn Future<Output = (Multiaddr, bool, io::Result<Vec<Multiaddr>>)> + Send>>;

/// The task's state.
pub struct Service {
    config: NetworkConfig,
    names: ChainNames,
    limits: Limits,
    bounds: ConnectionBounds,
    swarm: Swarm<Patient<Behaviour>>,
    inputs: InputSender,
    /// Inputs that the queue has no room for, with their bytes.
    backlog: VecDeque<(Input, usize)>,
    backlog_bytes: usize,
    commands: mpsc::UnboundedReceiver<Command>,
    peers: Peers,
    pending: Pending,
    requests: Requests,
    dialer: Dialer,
    lookups: FuturesUnordered<Lookup>,
    links: Arc<Links>,
    nat: Nat,
    bans: Bans,
    book: AddressBook,
    book_saved: Instant,
    /// Bytes of peers that are gone: received, sent.
    bytes_before: (u64, u64),
    /// Dials on our own account, by peer.
    own_dials: HashSet<PeerId>,
    /// Peers of other chains that the log has named already.
    strangers: HashMap<PeerId, Instant>,
    /// Callers of `addnode` who wait for the first dial.
    additions: Additions,
    /// Where a node with our own identity was met last.
    twin: Option<identity::Twin>,
    /// Whether there may be connections at all.
    is_active: bool,
    /// Who waits for the end.
    stopping: Option<oneshot::Sender<()>>,
}

impl Service {
    /// Loads the files, sets up the swarm and listens.
    pub(super) async fn start(
        config: NetworkConfig,
        inputs: InputSender,
        commands: mpsc::UnboundedReceiver<Command>,
    ) -> Result<Self, NetworkError> {
        let file_error = |name: &str| {
            let path = config.datadir.join(name);
            move |error| NetworkError::File { path, error }
        };
        let key = super::identity::load_or_create(&config.datadir)?;
        let bans = Bans::load(&config.datadir, clock::now().0 / 1_000).map_err(file_error(bans::FILE_NAME))?;
        let book = AddressBook::load(&config.datadir).map_err(file_error(address_book::FILE_NAME))?;
        let bounds = ConnectionBounds::new(&config);
        let names = ChainNames::new(&config.chain_id, &config.chain_name);
        let links = Arc::new(Links::default());
        let (transport, relay_client) = behaviour::transport(&key, Arc::clone(&links), bounds.handshakes, config.nat)?;
        let swarm = Swarm::new(
            transport,
            Patient(behaviour::behaviour(&config, &bounds, &names, &key, relay_client)?),
            key.public().to_peer_id(),
            libp2p::swarm::Config::with_tokio_executor()
                .with_idle_connection_timeout(IDLE_MAX)
                .with_substream_upgrade_protocol_override(libp2p::core::upgrade::Version::V1Lazy),
        );
        let mut dialer = Dialer::default();
        for text in &config.connect {
            dialer.add(&address::parse(text)?, Instant::now());
        }
        let mut service = Self {
            names,
            bounds,
            limits: Limits { block_bytes_max: config.block_bytes_max },
            swarm,
            inputs,
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            commands,
            peers: Peers::default(),
            pending: Pending::default(),
            requests: Requests::default(),
            dialer,
            lookups: FuturesUnordered::new(),
            links,
            nat: Nat::default(),
            bans,
            book,
            book_saved: Instant::now(),
            bytes_before: (0, 0),
            own_dials: HashSet::new(),
            strangers: HashMap::new(),
            additions: Additions::new(),
            twin: None,
            is_active: true,
            stopping: None,
            config,
        };
        service.apply_connection_policy();
        service.listen().await?;
        for text in service.config.external.clone() {
            service.swarm.add_external_address(address::parse(&text)?);
        }
        // Whoever does not listen cannot be dialled; otherwise peers will tell (autonat).
        service.nat.set_private(service.config.nat && service.config.listen.is_empty());
        Ok(service)
    }
    pub(super) fn links(&self) -> Arc<Links> {
        Arc::clone(&self.links)
    }
    pub(super) fn peer_id(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    /// Opens every listener and waits until each has its address.
    async fn listen(&mut self) -> Result<(), NetworkError> {
        let mut waiting = HashMap::new();
        for text in self.config.listen.clone() {
            let address = address::parse(&text)?;
            let refused = |why: String| listen_error(&text, &why);
            let resolved = address::resolve(address).await.map_err(|e| refused(e.to_string()))?;
            for address in resolved {
                port_is_free(&address).map_err(|e| refused(e.to_string()))?;
                let listener = self.swarm.listen_on(address).map_err(|e| refused(transport_reason(&e)))?;
                waiting.insert(listener, text.clone());
            }
        }
        while !waiting.is_empty() {
            match self.swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { listener_id, address } => {
                    waiting.remove(&listener_id);
                    self.on_listening(address);
                }
                SwarmEvent::ListenerClosed { listener_id, reason: Err(error), .. } => {
                    let text = waiting.remove(&listener_id).unwrap_or_default();
                    return Err(listen_error(&text, &error.to_string()));
                }
                other => self.on_swarm_event(other),
            }
        }
        Ok(())
    }

    /// Runs until it is told to stop, or until nobody holds a handle or takes inputs any more.
    pub(super) async fn run(mut self) {
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let inputs = self.inputs.clone();
        while self.stopping.is_none() {
            let redial = self.dialer.next_due().filter(|_| self.is_active);
            let waiting_bytes = self.backlog.front().map_or(0, |(_, bytes)| *bytes);
            let takes_events = self.backlog.len() < BACKLOG_INPUTS_MAX && self.backlog_bytes < BACKLOG_BYTES_MAX;
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.on_commands(command),
                    None => break,
                },
                slot = inputs.reserve(waiting_bytes), if !self.backlog.is_empty() => match (slot, self.backlog.pop_front()) {
                    (Some(slot), Some((input, bytes))) => {
                        self.backlog_bytes -= bytes;
                        slot.send(input);
                    }
                    _ => break,
                },
                event = self.swarm.select_next_some(), if takes_events => self.on_swarm_event(event),
                Some((address, listed, found)) = self.lookups.next(), if !self.lookups.is_empty() => {
                    self.on_lookup(&address, listed, found);
                }
                () = tokio::time::sleep_until(redial.unwrap_or_else(Instant::now)), if redial.is_some() => self.redial(),
                _ = housekeeping.tick() => self.on_housekeeping(),
            }
        }
        self.stop().await;
    }

    /// Reports what gossip still waits for, saves the book, and closes every connection in order.
    async fn stop(mut self) {
        for waiting in self.pending.drain() {
            self.report(&waiting.message, &waiting.source, Acceptance::Ignore);
        }
        self.save_book();
        let connected: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in connected {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let goodbye = async {
            while self.swarm.network_info().num_peers() > 0 {
                self.swarm.select_next_some().await;
            }
        };
        if tokio::time::timeout(GOODBYE_MAX, goodbye).await.is_err() {
            tracing::debug!("some peers did not say goodbye in time");
        }
        if let Some(waiting) = self.stopping.take() {
            drop(self.swarm);
            let _ = waiting.send(());
        }
    }

    /// Hands an input to the core, after those that wait already.
    fn input(&mut self, input: Input) {
        let bytes = wire::input_bytes(&input);
        let waits = match self.backlog.is_empty() {
            true => match self.inputs.try_send(input, bytes) {
                // A core that takes no inputs any more is stopping, and this task with it.
                Ok(()) | Err(QueueError::Closed) => return,
                Err(QueueError::Full(input)) => input,
            },
            false => input,
        };
        self.backlog_bytes += bytes;
        self.backlog.push_back((waits, bytes));
    }
    /// Hands the core every request for whose answer there is room.
    fn admit_requests(&mut self) {
        while let Some(Admitted { peer, id, request }) = self.requests.admit() {
            self.input(Input::Request { peer, id, request });
        }
    }
    /// Disconnects peers that keep others waiting by not taking their answers.
    fn drop_untaken(&mut self) {
        let patience = |peer: &PeerId| {
            let round_trip = self.peers.get(peer).and_then(|peer| peer.ping).unwrap_or_default();
            requests::ANSWER_UNTAKEN_MAX + 4 * round_trip
        };
        for peer in self.requests.untaken(Instant::now(), patience) {
            self.on_violation(peer, ProtocolViolation::AnswerUntaken);
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }
    fn request_failed(&mut self, peer: PeerKey, id: crate::core::event::RequestId, failure: RequestFailure) {
        self.input(Input::RequestFailed { peer, id, failure });
    }
    fn report(&mut self, message: &libp2p::gossipsub::MessageId, source: &PeerId, acceptance: Acceptance) {
        let answer = match acceptance {
            Acceptance::Accept => MessageAcceptance::Accept,
            Acceptance::Ignore => MessageAcceptance::Ignore,
            Acceptance::Reject => MessageAcceptance::Reject,
        };
        let kept = self.swarm.behaviour_mut().gossip.report_message_validation_result(message, source, answer);
        if !kept && acceptance == Acceptance::Accept {
            tracing::debug!(%message, "the answer came too late to forward the message");
        }
    }

    /// Dials what is due.
    fn redial(&mut self) {
        let now = Instant::now();
        for address in self.dialer.take_due(now) {
            self.look_up(address, true);
        }
    }
    fn look_up(&mut self, address: Multiaddr, listed: bool) {
        if self.lookups.len() >= LOOKUPS_MAX {
            let error = io::Error::other("too many names are being looked up");
            return self.on_lookup(&address.clone(), listed, Err(error));
        }
        self.lookups.push(Box::pin(async move {
            let found = address::resolve(address.clone()).await;
            (address, listed, found)
        }));
    }
    fn on_lookup(&mut self, address: &Multiaddr, listed: bool, found: io::Result<Vec<Multiaddr>>) {
        let now = Instant::now();
        let entry = self.dialer.get(address).filter(|_| listed);
        if listed && entry.is_none() {
            return; // taken off the list meanwhile
        }
        if listed && found.as_ref().is_ok_and(|found| found.iter().any(|address| self.is_own_address(address))) {
            return self.on_ourselves(|entry| entry.address == *address);
        }
        let (wanted, turn) = entry.map_or((None, 0), |entry| (entry.wanted.or(entry.last), entry.failures as usize));
        let strict = entry.and_then(|entry| entry.wanted);
        let connected = wanted.filter(|peer| self.peers.get(peer).is_some());
        let result = match (connected, found) {
            (Some(peer), _) if listed => return self.dialer.already_connected(address, peer, now),
            (_, Err(error)) => Err(error.to_string()),
            (_, Ok(found)) if found.is_empty() => Err("no address".to_owned()),
            (_, Ok(found)) => self.dial(found[turn % found.len()].clone(), strict),
        };
        match result {
            Ok(connection) if listed => self.dialer.dialling(address, connection),
            Ok(_) => {}
            Err(why) => {
                tracing::debug!(address = %address::display(address), %why, "cannot dial");
                if listed {
                    answer_addition(&mut self.additions, address, Ok(()));
                    self.dialer.failed(|entry| entry.address == *address, now);
                }
            }
        }
    }
    /// Dials one address from a fresh port: a fixed one could still be held by a dead connection to the same place.
    fn dial(&mut self, address: Multiaddr, wanted: Option<PeerId>) -> Result<libp2p::swarm::ConnectionId, String> {
        let (bare, named) = address::split_peer(&address);
        let options = match wanted.or(named) {
            Some(peer) => DialOpts::peer_id(peer)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .addresses(vec![bare])
                .allocate_new_port()
                .build(),
            None => DialOpts::unknown_peer_id().address(bare).allocate_new_port().build(),
        };
        let connection = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => Ok(connection),
            Err(error) => Err(dial_reason(&error)),
        }
    }

    fn on_housekeeping(&mut self) {
        let now = Instant::now();
        for waiting in self.pending.expire(now) {
            tracing::debug!(message = %waiting.message, "no acceptance in time; not forwarded");
            self.report(&waiting.message, &waiting.source, Acceptance::Ignore);
        }
        let now_s = clock::now().0 / 1_000;
        if self.bans.expire(now_s) {
            self.apply_connection_policy();
        }
        self.drop_untaken();
        self.expire_additions();
        self.strangers.retain(|_, since| now.saturating_duration_since(*since) < Duration::from_secs(600));
        self.drop_strangers();
        if self.config.discover && self.is_active {
            self.dial_from_book(now_s);
        }
        if now.saturating_duration_since(self.book_saved) >= BOOK_SAVE {
            self.save_book();
        }
    }
    /// Peers that never said who they are.
    fn drop_strangers(&mut self) {
        let now_ms = clock::now().0;
        let late = self.peers.iter().filter(|(_, peer)| {
            let connected_ms = now_ms.saturating_sub(peer.connected_since.0);
            peer.key.is_none() && u128::from(connected_ms) > introduction_max(peer.ping).as_millis()
        });
        let late: Vec<PeerId> = late.map(|(id, _)| *id).collect();
        for id in late {
            tracing::debug!(peer = %id, "never said which protocols it speaks; disconnected");
            let _ = self.swarm.disconnect_peer_id(id);
        }
    }
    /// Tells the policy who is kept out, and disconnects whoever is connected though kept out.
    fn apply_connection_policy(&mut self) {
        let mut refused: HashSet<PeerId> = HashSet::new();
        let mut ranges = Vec::new();
        for ban in self.bans.list() {
            match ban.subject {
                bans::BanTarget::Peer(peer) => {
                    refused.insert(peer);
                }
                bans::BanTarget::Subnet(range) => ranges.push(range),
            }
        }
        let mut allowed = None;
        for (peer, conditions) in self.links.all() {
            match (peer, conditions.blocked) {
                (None, true) => allowed = Some(HashSet::new()),
                (Some(peer), true) => {
                    refused.insert(peer);
                }
                (Some(peer), false) => allowed.iter_mut().for_each(|allowed| allowed.extend([peer])),
                (None, false) => {}
            }
        }
        let allowed = if self.is_active { allowed } else { Some(HashSet::new()) };
        self.swarm.behaviour_mut().policy.set(refused, allowed, ranges);
        let policy = &self.swarm.behaviour().policy;
        let met = self.peers.iter().filter(|(id, peer)| {
            let ip = peer.first().and_then(|connection| address::ip(&connection.address));
            policy.refuses(id) || self.bans.meets(id, ip)
        });
        let met: Vec<PeerId> = met.map(|(id, _)| *id).collect();
        for id in met {
            let _ = self.swarm.disconnect_peer_id(id);
        }
    }
}

/// How long a peer with this round trip may take to introduce itself.
fn introduction_max(round_trip: Option<Duration>) -> Duration {
    let measured = |round_trip: Duration| INTRODUCTION_MAX + 6 * round_trip;
    round_trip.map_or(INTRODUCTION_UNMEASURED_MAX, measured)
}
/// libp2p listens with `SO_REUSEPORT`, under which two nodes would silently share a port: an exclusive bind tells.
fn port_is_free(address: &Multiaddr) -> io::Result<()> {
    let tcp = matches!(address.iter().nth(1), Some(libp2p::multiaddr::Protocol::Tcp(port)) if port != 0);
    match address::to_socket(address).filter(|_| tcp && !nat::is_relayed(address)) {
        Some(socket) => std::net::TcpListener::bind(socket).map(drop),
        None => Ok(()),
    }
}
fn listen_error(text: &str, why: &str) -> NetworkError {
    let remedy = if why.contains("in use") {
        "; another program, perhaps another node, has this port: stop it or choose another with --p2p-listen"
    } else {
        "; choose another address with --p2p-listen"
    };
    NetworkError::Listen { address: text.to_owned(), why: format!("{why}{remedy}") }
}
fn transport_reason(error: &libp2p::TransportError<io::Error>) -> String {
    match error {
        libp2p::TransportError::Other(error) => error.to_string(),
        other => other.to_string(),
    }
}
fn dial_reason(error: &DialError) -> String {
    match error {
        DialError::Transport(tried) => tried
            .iter()
            .map(|(address, error)| format!("{}: {}", address::display(address), transport_reason(error)))
            .collect::<Vec<_>>()
            .join("; "),
        DialError::Denied { cause } => format!("refused by this node: {cause:?}"),
        other => other.to_string(),
    }
}
