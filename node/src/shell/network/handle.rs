//! What the rest of the node holds of the network: a handle to the task that owns it.

use super::bans::{Ban, BanTarget};
use super::link::{LinkConditions, Links};
use super::message_bytes::ByMessage;
use super::{NetworkError, address};
use crate::core::event::{Output, PeerKey, Time};
use libp2p::{Multiaddr, PeerId};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// One connected peer, for `getpeerinfo`.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerInfo {
    /// The core's name for it (Core's `id`).
    pub key: PeerKey,
    /// libp2p's name for it.
    pub peer_id: String,
    /// The other end: `HOST:PORT` for TCP, a multiaddr otherwise.
    pub address: String,
    /// It dialled us.
    pub inbound: bool,
    /// It was asked for by name.
    pub explicit: bool,
    /// When the first connection was made.
    pub connected_since: Time,
    /// Bytes of all streams, without encryption and multiplexing.
    pub bytes_sent: u64,
    /// See `bytes_sent`.
    pub bytes_received: u64,
    /// When a byte came last, Unix seconds; 0 is never.
    pub last_received_s: u64,
    /// When a byte went last, Unix seconds; 0 is never.
    pub last_sent_s: u64,
    /// Last round trip, milliseconds.
    pub ping_ms: Option<f64>,
    /// Shortest round trip, milliseconds.
    pub ping_min_ms: Option<f64>,
    /// 0 for a good peer, minus its offence points otherwise: it is disconnected at −50 and kept out at −100.
    pub score: f64,
    /// gossipsub's score.
    pub gossip_score: f64,
    /// Offences so far, this connection or earlier.
    pub offences: u32,
    /// Its software, as it says.
    pub agent: String,
    /// Connections with it.
    pub connections: usize,
    /// How the link behaves on purpose.
    pub link: LinkConditions,
    /// Bytes by message, those of none as `*other*`.
    pub received_by_message: ByMessage,
    /// See `received_by_message`.
    pub sent_by_message: ByMessage,
    /// Why it is not connected, and what to do, in whole sentences; none for a peer.
    pub warning: Option<String>,
}
impl PeerInfo {
    /// Nothing but a key: whoever has it was met and is not connected.
    pub(super) fn unconnected(key: PeerKey) -> PeerInfo {
        PeerInfo {
            key,
            peer_id: String::new(),
            address: String::new(),
            inbound: false,
            explicit: false,
            connected_since: Time(0),
            bytes_sent: 0,
            bytes_received: 0,
            last_received_s: 0,
            last_sent_s: 0,
            ping_ms: None,
            ping_min_ms: None,
            score: 0.0,
            gossip_score: 0.0,
            offences: 0,
            agent: String::new(),
            connections: 0,
            link: LinkConditions::default(),
            received_by_message: ByMessage::default(),
            sent_by_message: ByMessage::default(),
            warning: None,
        }
    }
}
/// A peer of the address book, for `getnodeaddresses`.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownAddress {
    /// libp2p's name for it.
    pub peer_id: String,
    /// Where it was reached or is said to listen.
    pub address: SocketAddr,
    /// When it was heard of last, Unix seconds.
    pub heard_s: u64,
    /// This node has dialled it with success.
    pub tried: bool,
}
/// The node's own side, for `getnetworkinfo`.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkInfo {
    /// Whether there may be connections (`setnetworkactive`).
    pub is_active: bool,
    /// Our name.
    pub peer_id: String,
    /// Where we listen, with real ports and `/p2p/ID`.
    pub listen: Vec<Multiaddr>,
    /// What peers are told this software is.
    pub agent: String,
    /// Connected peers.
    pub peers: usize,
    /// Of these, who dialled us.
    pub peers_inbound: usize,
    /// Bytes over all peers since the start.
    pub bytes_sent: u64,
    /// Bytes over all peers since the start.
    pub bytes_received: u64,
    /// Peers in the address book.
    pub known_peers: usize,
    /// What the operator should know, in whole sentences; empty if all is well.
    pub warnings: Vec<String>,
    /// Bytes of answers to peers' requests that are reserved or on their way.
    pub answer_bytes: usize,
    /// Requests of peers that wait for room for their answers.
    pub requests_waiting: usize,
    /// Requests of peers whose answers are being made or are on their way.
    pub requests_answering: usize,
    /// Addresses to stay connected to, and whether they are.
    pub explicit: Vec<(String, bool)>,
}

/// What the rest of the node asks of the network's task.
#[derive(Debug)]
pub(super) enum Command {
    Perform(Output),
    Peers(oneshot::Sender<Vec<PeerInfo>>),
    Info(oneshot::Sender<NetworkInfo>),
    Add(Multiaddr, oneshot::Sender<Result<(), NetworkError>>),
    Remove(Multiaddr, oneshot::Sender<Result<(), NetworkError>>),
    TryOnce(Multiaddr),
    Disconnect(Target, oneshot::Sender<Result<(), NetworkError>>),
    Ban(Ban, oneshot::Sender<Result<(), NetworkError>>),
    Unban(BanTarget, oneshot::Sender<Result<(), NetworkError>>),
    Bans(oneshot::Sender<Vec<Ban>>),
    ClearBans(oneshot::Sender<Result<(), NetworkError>>),
    LinksChanged(oneshot::Sender<()>),
    SetActive(bool, oneshot::Sender<()>),
    Addresses(oneshot::Sender<Vec<KnownAddress>>),
    AddAddress(PeerId, Multiaddr, oneshot::Sender<bool>),
    Shutdown(oneshot::Sender<()>),
}
/// Which peer to disconnect.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Key(PeerKey),
    Peer(PeerId),
    Address(Multiaddr),
}

/// The network, for the rest of the node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct NetworkHandle {
    commands: mpsc::UnboundedSender<Command>,
    links: Arc<Links>,
    peer_id: PeerId,
}
impl NetworkHandle {
    pub(super) fn new(commands: mpsc::UnboundedSender<Command>, links: Arc<Links>, peer_id: PeerId) -> Self {
        Self { commands, links, peer_id }
    }
    /// Carries out `Publish`, `GossipAcceptance`, `Request`, `Respond` or `Misbehaviour`, in the order given; others are not the network's.
    /// Never blocks: the core's inputs are bounded, and what it asks for follows from them.
    pub fn perform(&self, output: Output) {
        // A network that has stopped carries nothing out; the node is stopping then.
        let _ = self.commands.send(Command::Perform(output));
    }
    /// Connected peers of our chain, the longest connected first.
    pub async fn peers(&self) -> Vec<PeerInfo> {
        self.ask(Command::Peers).await.unwrap_or_default()
    }
    /// The node's own side.
    pub async fn info(&self) -> Result<NetworkInfo, NetworkError> {
        self.ask(Command::Info).await
    }
    /// Our libp2p name.
    pub fn peer_id(&self) -> String {
        self.peer_id.to_string()
    }
    /// Stays connected to a peer from now on (`addnode … add`). Waits up to a second to learn who answers there; a peer that
    /// does not answer yet is no error.
    ///
    /// # Errors
    /// The address cannot be read or is on the list already, or this node itself or one with its identity answers there.
    pub async fn add_node(&self, text: &str) -> Result<(), NetworkError> {
        let address = address::parse(text)?;
        self.ask(|answer| Command::Add(address, answer)).await?
    }
    /// No longer stays connected to a peer (`addnode … remove`); its connection is left alone.
    pub async fn remove_node(&self, text: &str) -> Result<(), NetworkError> {
        let address = address::parse(text)?;
        self.ask(|answer| Command::Remove(address, answer)).await?
    }
    /// Dials a peer once (`addnode … onetry`).
    pub async fn try_node_once(&self, text: &str) -> Result<(), NetworkError> {
        let address = address::parse(text)?;
        self.commands.send(Command::TryOnce(address)).map_err(|_| NetworkError::Stopped)
    }
    /// Disconnects a peer named by address, peer id or node id (`disconnectnode`).
    pub async fn disconnect_node(&self, text: &str) -> Result<(), NetworkError> {
        let target = match (text.parse::<u64>(), text.parse::<PeerId>()) {
            (Ok(key), _) => Target::Key(PeerKey(key)),
            (_, Ok(peer)) => Target::Peer(peer),
            _ => Target::Address(address::parse(text)?),
        };
        self.ask(|answer| Command::Disconnect(target, answer)).await?
    }
    /// Keeps out a peer id, an address or a range until a time (Unix seconds); whoever it meets is disconnected.
    pub async fn set_ban(&self, subject: &str, until_s: u64, reason: &str) -> Result<(), NetworkError> {
        let created_s = crate::shell::clock::now().0 / 1_000;
        let ban = Ban { subject: subject.parse()?, created_s, until_s, reason: reason.to_owned() };
        self.ask(|answer| Command::Ban(ban, answer)).await?
    }
    /// Lifts a ban (`setban … remove`).
    pub async fn remove_ban(&self, subject: &str) -> Result<(), NetworkError> {
        let subject = subject.parse()?;
        self.ask(|answer| Command::Unban(subject, answer)).await?
    }
    /// Who is kept out.
    pub async fn list_banned(&self) -> Vec<Ban> {
        self.ask(Command::Bans).await.unwrap_or_default()
    }
    /// Lifts every ban and forgives every offence.
    pub async fn clear_banned(&self) -> Result<(), NetworkError> {
        self.ask(Command::ClearBans).await?
    }
    /// Replaces the conditions of the link to a peer (`*`: of every link without its own). They hold for what arrives from
    /// the peer, at once; `blocked` closes the connection and refuses new ones until it is lifted, and then dials at once.
    pub async fn set_link(&self, peer: &str, conditions: LinkConditions) -> Result<(), NetworkError> {
        let peer = match peer {
            "*" => None,
            text => Some(
                text.parse::<PeerId>()
                    .map_err(|e| NetworkError::NotFound(format!("`{text}` is not a peer id: {e}")))?,
            ),
        };
        if let Some(error) = conditions.error() {
            return Err(NetworkError::Conditions(error));
        }
        self.links.set(peer, conditions);
        self.ask(Command::LinksChanged).await
    }
    /// Allows connections, or closes all and refuses new ones until it is called again (`setnetworkactive`).
    pub async fn set_active(&self, active: bool) -> Result<(), NetworkError> {
        self.ask(|answer| Command::SetActive(active, answer)).await
    }
    /// The peers of the address book that have an IP address, in no order.
    pub async fn known_addresses(&self) -> Result<Vec<KnownAddress>, NetworkError> {
        self.ask(Command::Addresses).await
    }
    /// Puts a peer into the address book (`addpeeraddress`); false if its place there is taken.
    ///
    /// # Errors
    /// The peer id cannot be read.
    pub async fn add_address(&self, peer: &str, socket: SocketAddr) -> Result<bool, NetworkError> {
        let id = peer.parse().map_err(|error| NetworkError::NotFound(format!("`{peer}` is not a peer id: {error}")))?;
        self.ask(|answer| Command::AddAddress(id, address::from_socket(socket), answer)).await
    }
    /// Makes every link perfect again.
    pub async fn clear_links(&self) -> Result<(), NetworkError> {
        self.links.clear();
        self.ask(Command::LinksChanged).await
    }
    /// The conditions that were set: of every link (`None`), then by peer id.
    pub fn links(&self) -> Vec<(Option<String>, LinkConditions)> {
        let name = |peer: Option<PeerId>| peer.map(|peer| peer.to_string());
        self.links.all().into_iter().map(|(peer, conditions)| (name(peer), conditions)).collect()
    }
    /// Says goodbye to every peer, saves the address book and ends the task. Returns when that is done.
    pub async fn shutdown(&self) {
        // An error means that it has ended already.
        let _ = self.ask(Command::Shutdown).await;
    }
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, NetworkError> {
        let (sender, receiver) = oneshot::channel();
        self.commands.send(command(sender)).map_err(|_| NetworkError::Stopped)?;
        receiver.await.map_err(|_| NetworkError::Stopped)
    }
}
