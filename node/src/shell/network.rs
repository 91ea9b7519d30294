//! The peer-to-peer network: libp2p below, the core's [`Input`](crate::core::event::Input)s and [`Output`](crate::core::event::Output)s above.
//!
//! One task owns the swarm (`service`). What peers say is decoded and bounded here (`wire`, `codec`) and reaches the core
//! as `Input`s over a bounded channel; what the core wants done comes through [`NetworkHandle::perform`]. Who is there is
//! kept in `peers`, who was asked for by name in `dialer`, who was met before in `address_book`, who is kept out in `bans` and
//! `connection_policy`, what misbehaviour costs in `score`, and links that misbehave on purpose in `link`.
//!
//! Absent: any judgement of headers, blocks and transactions (the core's), and what to ask whom (the core's `sync`).

pub mod address;
mod address_book;
mod bans;
mod behaviour;
mod bounds;
mod codec;
mod connection_policy;
mod dialer;
mod gossip;
mod handle;
mod handshakes;
mod identity;
mod link;
mod message_bytes;
mod nat;
mod patient;
mod peers;
mod requests;
mod score;
mod service;
mod wire;

pub use bans::{Ban, BanTarget, BanTargetError, Subnet};
pub use handle::{KnownAddress, NetworkHandle, NetworkInfo, PeerInfo};
pub use identity::IdentityError;
pub use link::LinkConditions;

use crate::shell::input_queue::InputSender;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;

/// How to take part in a network.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// The chain spec's id: peers with another cannot even negotiate.
    pub chain_id: [u8; 32],
    /// The chain's name, for people.
    pub chain_name: String,
    /// Bytes of the chain's largest block.
    pub block_bytes_max: usize,
    /// Holds the identity key, the address book and the bans.
    pub datadir: PathBuf,
    /// What peers are told this software is.
    pub agent: String,
    /// Where to listen: `HOST:PORT` (TCP) or multiaddrs; port 0 lets the system choose. May be empty.
    pub listen: Vec<String>,
    /// Where others can dial this node, if that is known: tells peers, and makes it a relay for them with `nat`.
    pub external: Vec<String>,
    /// Peers to stay connected to: `HOST:PORT` (TCP) or multiaddrs.
    pub connect: Vec<String>,
    /// Inbound connections, besides those of peers asked for by name; fewer if `descriptors_max` is too small for so many.
    pub inbound_max: usize,
    /// Peers dialled on the node's own account (needs `discover`).
    pub outbound_max: usize,
    /// File descriptors that connections with peers may take, handshakes and dials included.
    pub descriptors_max: usize,
    /// Whether to look for peers at all. Off, the topology is exactly what `connect` and the peers' own dials make it.
    pub discover: bool,
    /// With `discover`: look on the local network.
    pub mdns: bool,
    /// With `discover`: look with Kademlia.
    pub kad: bool,
    /// Whether to get through address translators: ask peers whether we can be dialled (autonat), be reached through relays and
    /// be one, and punch holes (dcutr).
    pub nat: bool,
    /// How long a request may take, there and back.
    pub request_timeout: Duration,
}
impl NetworkConfig {
    /// The usual settings for a chain: no listener, no peers, discovery off.
    pub fn new(chain_id: [u8; 32], chain_name: impl Into<String>, datadir: impl Into<PathBuf>) -> Self {
        Self {
            chain_id,
            chain_name: chain_name.into(),
            block_bytes_max: 1_000_000,
            datadir: datadir.into(),
            agent: concat!("testoon/", env!("CARGO_PKG_VERSION")).to_owned(),
            listen: Vec::new(),
            external: Vec::new(),
            connect: Vec::new(),
            inbound_max: 117,
            outbound_max: 8,
            descriptors_max: 4_096,
            discover: false,
            mdns: true,
            kad: true,
            nat: false,
            request_timeout: Duration::from_secs(60),
        }
    }
}

/// Why the network cannot start, or cannot do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The identity key is unusable.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Text that is not an address.
    #[error(transparent)]
    Address(#[from] address::AddressError),
    /// Text that names nobody who could be banned.
    #[error(transparent)]
    BanTarget(#[from] BanTargetError),
    /// Listening failed.
    #[error("cannot listen on {address}: {why}")]
    Listen {
        /// The address as it was given.
        address: String,
        /// The system's reason and the remedy.
        why: String,
    },
    /// A file of the data directory is unusable.
    #[error("cannot use {}: {error}; check its owner and mode, or move it away to start without it", path.display())]
    File {
        /// The file that cannot be read or written.
        path: PathBuf,
        /// The system's reason.
        error: std::io::Error,
    },
    /// libp2p could not be set up.
    #[error("cannot set up the network: {0}")]
    Setup(String),
    /// No such peer, ban or entry.
    #[error("{0}")]
    NotFound(String),
    /// It is there already.
    #[error("{0}")]
    Already(String),
    /// The address is this node's own.
    #[error("{0}")]
    Ourselves(String),
    /// Another node has this node's identity.
    #[error("{0}")]
    SameIdentity(String),
    /// Link conditions that no link can have.
    #[error("{0}")]
    Conditions(String),
    /// The network has stopped.
    #[error("the network has stopped")]
    Stopped,
}

/// Starts the network: listens, dials `connect`, and runs until [`NetworkHandle::shutdown`] or until every handle is gone.
///
/// Returns once every listener has its address. Needs a tokio runtime with time and I/O.
///
/// # Errors
/// An address that cannot be read or listened on, an unusable file in the data directory, an unusable identity key.
pub async fn start(config: NetworkConfig, inputs: InputSender) -> Result<NetworkHandle, NetworkError> {
    let (commands, receiver) = mpsc::unbounded_channel();
    let service = service::Service::start(config, inputs, receiver).await?;
    let handle = NetworkHandle::new(commands, service.links(), service.peer_id());
    tokio::spawn(service.run());
    Ok(handle)
}

#[cfg(test)]
mod tests;
