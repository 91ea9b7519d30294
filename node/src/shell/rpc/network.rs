//! Peers: who is connected, who should be, who must not be, and how links behave on purpose.

use crate::core::event::Time;
use crate::core::view::PeerState;
use crate::core::{Core, Prune};
use crate::shell::clock;
use crate::shell::network::{Ban, BanTarget, LinkConditions, NetworkError, PeerInfo};
use crate::shell::rpc::error::{
    CLIENT_INVALID_IP_OR_SUBNET, CLIENT_NODE_ALREADY_ADDED, CLIENT_NODE_NOT_ADDED, CLIENT_NODE_NOT_CONNECTED,
    MISC_ERROR, RpcError,
};
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::method::warnings::Warnings;
use crate::shell::rpc::method::{Method, Reply};
use crate::shell::rpc::view;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

pub mod addresses;

/// The group's table.
pub const METHODS: &[Method] = &[
    Method::new(
        "addnode",
        &["node:str", "command:str", "v2transport:bool?"],
        "add: stay connected to a peer; remove: no longer; onetry: dial once. HOST:PORT or multiaddr.",
        |c, a| Box::pin(addnode(c, a)),
    ),
    Method::new(
        "addpeeraddress",
        &["address:str", "port:num", "tried:bool?", "peerid:str?"],
        "Puts a peer into the address book: an IP address, a port, and the peer id, without which libp2p dials nobody.",
        |c, a| Box::pin(addresses::addpeeraddress(c, a)),
    ),
    Method::new("clearbanned", &[], "Lifts every ban.", |c, a| Box::pin(clearbanned(c, a))),
    Method::new(
        "disconnectnode",
        &["address:str?", "nodeid:num?"],
        "Disconnects a peer, by address (or peer id) or by the id of getpeerinfo.",
        |c, a| Box::pin(disconnectnode(c, a)),
    ),
    Method::new(
        "getaddednodeinfo",
        &["node:str?"],
        "The peers named by addnode and --connect, and whether they are connected.",
        |c, a| Box::pin(getaddednodeinfo(c, a)),
    ),
    Method::new("getconnectioncount", &[], "How many peers are connected.", |c, a| Box::pin(getconnectioncount(c, a))),
    Method::new("getlinks", &[], "The link conditions that setlink made.", |c, a| Box::pin(getlinks(c, a))),
    Method::new("getnettotals", &[], "Bytes received and sent over all peers since the start.", |c, a| {
        Box::pin(getnettotals(c, a))
    }),
    Method::new("getnetworkinfo", &[], "This node's network: version, connections, addresses, warnings.", |c, a| {
        Box::pin(getnetworkinfo(c, a))
    }),
    Method::new(
        "getaddrmaninfo",
        &[],
        "How many peers of each network the address book holds, dialled with success (tried) or not (new).",
        |c, a| Box::pin(addresses::getaddrmaninfo(c, a)),
    ),
    Method::new(
        "getnodeaddresses",
        &["count:num?", "network:str?"],
        "Peers of the address book, at random: count of them (1; 0 is all), of one network (ipv4, ipv6).",
        |c, a| Box::pin(addresses::getnodeaddresses(c, a)),
    ),
    Method::new("getpeerinfo", &[], "What is known of every connected peer.", |c, a| Box::pin(getpeerinfo(c, a))),
    Method::new("listbanned", &[], "The bans that are in force.", |c, a| Box::pin(listbanned(c, a))),
    Method::new(
        "ping",
        &[],
        "Does nothing: every peer is pinged all the time, and getpeerinfo shows the results.",
        |_, _| Box::pin(async { Ok(Value::Null) }),
    ),
    Method::new(
        "setban",
        &["subnet:str", "command:str", "bantime:num?", "absolute:bool?"],
        "add or remove a ban of an address, a subnet or a peer id; bantime in seconds (a day), or Unix time if absolute.",
        |c, a| Box::pin(setban(c, a)),
    ),
    Method::new(
        "setnetworkactive",
        &["state:bool"],
        "false closes all connections and refuses new ones, true allows them again.",
        |c, a| Box::pin(setnetworkactive(c, a)),
    ),
    Method::new(
        "setlink",
        &["peer:str", "delay_ms:num?", "jitter_ms:num?", "loss:num?", "bandwidth:num?", "blocked:bool?"],
        "Replaces the conditions of the link to a peer id (* is every link without its own); bandwidth in bytes per second, 0 is no limit.",
        |c, a| Box::pin(setlink(c, a)),
    ),
];

/// How long a ban lasts when nothing is said, seconds (Core's).
const BAN_TIME_DEFAULT_S: u64 = 24 * 60 * 60;
/// What our software is called to clients: BIP14's form.
const USER_AGENT: &str = concat!("/Testoon:", env!("CARGO_PKG_VERSION"), "/");
/// The peer protocol's version; there has been one.
const PROTOCOL_VERSION: u32 = 1;

/// The version of Core whose RPC this one follows, as Core counts (31.0). Clients ask for it before they use a method, and
/// some refuse to talk to an older one (ElectrumX 2 wants 31). This software's own version is in
/// [`USER_AGENT`].
const CORE_VERSION: u32 = 31_00_00;

/// A network error with the code that fits the call.
fn refused(error: &NetworkError, not_found: i32) -> RpcError {
    let code = match error {
        NetworkError::NotFound(_) => not_found,
        NetworkError::Already(_) => CLIENT_NODE_ALREADY_ADDED,
        NetworkError::Address(_) | NetworkError::BanTarget(_) => CLIENT_INVALID_IP_OR_SUBNET,
        _ => MISC_ERROR,
    };
    RpcError::new(code, error.to_string())
}

async fn addnode(context: Arc<Context>, arguments: Arguments) -> Reply {
    let (node, network) = (arguments.text(0)?, &context.network);
    let done = match arguments.text(1)? {
        "add" => network.add_node(node).await,
        "remove" => network.remove_node(node).await,
        "onetry" => network.try_node_once(node).await,
        other => return Err(RpcError::misc(format!("'{other}' is not a command: add, remove or onetry"))),
    };
    done.map(|()| Value::Null).map_err(|error| refused(&error, CLIENT_NODE_NOT_ADDED))
}

async fn disconnectnode(context: Arc<Context>, arguments: Arguments) -> Reply {
    let by_id = arguments.get(1).map(|_| arguments.integer(1)).transpose()?;
    let node = match (arguments.optional_text(0)?.filter(|text| !text.is_empty()), by_id) {
        (Some(address), None) => address.to_owned(),
        (None, Some(id)) => id.to_string(),
        _ => return Err(RpcError::parameter("Only one of address and nodeid should be provided.")),
    };
    let done = context.network.disconnect_node(&node).await;
    done.map(|()| Value::Null).map_err(|error| refused(&error, CLIENT_NODE_NOT_CONNECTED))
}

async fn getaddednodeinfo(context: Arc<Context>, arguments: Arguments) -> Reply {
    let wanted = arguments.optional_text(0)?;
    let info = context.network.info().await.map_err(|error| refused(&error, CLIENT_NODE_NOT_ADDED))?;
    let mut nodes =
        info.explicit.iter().filter(|(address, _)| wanted.is_none_or(|wanted| wanted == address)).peekable();
    if wanted.is_some() && nodes.peek().is_none() {
        return Err(RpcError::new(CLIENT_NODE_NOT_ADDED, "Error: Node has not been added."));
    }
    let views = nodes.map(|(address, connected)| {
        let addresses = if *connected { json!([{"address": address, "connected": "outbound"}]) } else { json!([]) };
        json!({"addednode": address, "connected": connected, "addresses": addresses})
    });
    Ok(views.collect())
}

async fn getconnectioncount(context: Arc<Context>, _: Arguments) -> Reply {
    Ok(json!(context.network.peers().await.len()))
}

async fn getnettotals(context: Arc<Context>, _: Arguments) -> Reply {
    let info = context.network.info().await.map_err(|error| refused(&error, MISC_ERROR))?;
    Ok(json!({
        "totalbytesrecv": info.bytes_received,
        "totalbytessent": info.bytes_sent,
        "timemillis": clock::now().0,
        // Nothing is limited, so there is nothing left of a cycle either (as Core without -maxuploadtarget).
        "uploadtarget": {
            "timeframe": 24 * 60 * 60,
            "target": 0,
            "target_reached": false,
            "serve_historical_blocks": true,
            "bytes_left_in_cycle": 0,
            "time_left_in_cycle": 0,
        },
    }))
}

async fn getnetworkinfo(context: Arc<Context>, _: Arguments) -> Reply {
    let info = context.network.info().await.map_err(|error| refused(&error, MISC_ERROR))?;
    let read = |core: &Core| (core.config().fee_rate_min, core.config().prune, Warnings::of(core));
    let (relay_fee, prune, warnings) = context.core.read(read).await?;
    let warnings = [warnings.list(&context), info.warnings].concat();
    let (services, service_names) = services(prune);
    let reachable = |name: &str| json!({"name": name, "limited": false, "reachable": true, "proxy": "", "proxy_randomize_credentials": false});
    Ok(json!({
        "version": CORE_VERSION,
        "subversion": USER_AGENT,
        "protocolversion": PROTOCOL_VERSION,
        "localservices": format!("{services:016x}"),
        "localservicesnames": service_names,
        "localrelay": true,
        "timeoffset": 0,
        "networkactive": info.is_active,
        "connections": info.peers,
        "connections_in": info.peers_inbound,
        "connections_out": info.peers.saturating_sub(info.peers_inbound),
        "networks": [reachable("ipv4"), reachable("ipv6")],
        "relayfee": view::fee_rate(relay_fee),
        "incrementalfee": view::fee_rate(relay_fee),
        "localaddresses": Value::Array(Vec::new()),
        "warnings": warnings,
        // Ours: libp2p's name for this node and where to dial it.
        "peerid": info.peer_id,
        "listen": info.listen.iter().map(|address| json!(address.to_string())).collect::<Value>(),
        "known_peers": info.known_peers,
    }))
}

/// Core's service bits for what this node serves: every block, or the newest 288 (BIP159).
fn services(prune: Prune) -> (u64, [&'static str; 1]) {
    match prune {
        Prune::Off => (1, ["NETWORK"]),
        Prune::Manual | Prune::Target(_) => (1 << 10, ["NETWORK_LIMITED"]),
    }
}

async fn getpeerinfo(context: Arc<Context>, _: Arguments) -> Reply {
    let peers = context.network.peers().await;
    let info = context.network.info().await.map_err(|error| refused(&error, MISC_ERROR))?;
    let listen: Vec<SocketAddr> =
        info.listen.iter().filter_map(|address| socket_address(&address.to_string())).collect();
    let fee_rate_min = context.core.read(|core| core.config().fee_rate_min).await?;
    let keys = peers.iter().map(|peer| peer.key).collect::<Vec<_>>();
    let states = context.core.read(move |core| keys.into_iter().map(|key| core.peer(key)).collect::<Vec<_>>()).await?;
    Ok(peers.iter().zip(&states).map(|(peer, state)| describe(peer, state.as_ref(), &listen, fee_rate_min)).collect())
}

/// `HOST:PORT` of a TCP address as the network writes it, or of a multiaddr such as `/ip4/127.0.0.1/udp/1/quic-v1`.
fn socket_address(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let mut parts = text.split('/').skip(1);
    let (_, host, _, port) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Some(SocketAddr::new(host.parse().ok()?, port.parse().ok()?))
}

/// The end of a connection on this side. libp2p tells it for no connection, so it is the address that this node listens on,
/// of the same family as the peer's if there is one.
fn bound_address(peer: Option<SocketAddr>, listen: &[SocketAddr]) -> String {
    let same_family = listen.iter().find(|address| peer.is_some_and(|peer| peer.is_ipv4() == address.is_ipv4()));
    let unknown = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    same_family.or(listen.first()).copied().unwrap_or(unknown).to_string()
}

fn describe(peer: &PeerInfo, state: Option<&PeerState>, listen: &[SocketAddr], fee_rate_min: u64) -> Value {
    let address = socket_address(&peer.address);
    let height = |height: Option<u32>| height.map_or(-1, i64::from);
    let seconds = |time: Option<Time>| time.map_or(0, |time| time.0 / 1_000);
    let mut view = json!({
        "id": peer.key.0,
        "addr": address.map_or_else(|| peer.address.clone(), |address| address.to_string()),
        "addrbind": bound_address(address, listen),
        "network": if address.is_some_and(|address| address.is_ipv6()) { "ipv6" } else { "ipv4" },
        "services": "0000000000000001",
        "servicesnames": ["NETWORK"],
        "relaytxes": true,
        "lastsend": peer.last_sent_s,
        "lastrecv": peer.last_received_s,
        "last_transaction": seconds(state.and_then(|state| state.last_transaction)),
        "last_block": seconds(state.and_then(|state| state.last_block)),
        "bytessent": peer.bytes_sent,
        "bytesrecv": peer.bytes_received,
        "conntime": peer.connected_since.0 / 1_000,
        "timeoffset": 0,
        "version": PROTOCOL_VERSION,
        "subver": peer.agent,
        "inbound": peer.inbound,
        "bip152_hb_to": true,
        "bip152_hb_from": true,
        "startingheight": height(state.and_then(|state| state.starting_height)),
        "presynced_headers": -1,
        "synced_headers": height(state.and_then(|state| state.best_header.map(|(_, height)| height))),
        "synced_blocks": height(state.and_then(|state| state.common_height)),
        "inflight": state.map(|state| state.in_flight.clone()).unwrap_or_default(),
        "addr_relay_enabled": false,
        "addr_processed": 0,
        "addr_rate_limited": 0,
        "permissions": Value::Array(Vec::new()),
        // Peers tell one another no fee filter; this node takes what pays its own.
        "minfeefilter": view::fee_rate(fee_rate_min),
        "bytessent_per_msg": peer.sent_by_message,
        "bytesrecv_per_msg": peer.received_by_message,
        // Inventories are not announced; gossip is sent as it comes.
        "inv_to_send": 0,
        "last_inv_sequence": 0,
        "connection_type": connection_type(peer),
        // Core's word for an encrypted transport, here TCP with noise or QUIC: clients know no others than its v1 and v2.
        "transport_protocol_type": "v2",
        "session_id": "",
    });
    // Ours.
    view["peerid"] = json!(peer.peer_id);
    view["multiaddr"] = json!(peer.address);
    view["score"] = json!(peer.score);
    view["gossip_score"] = json!(peer.gossip_score);
    view["offences"] = json!(peer.offences);
    // Only of a node that was met and cannot be a peer, because it has this node's identity.
    if let Some(warning) = &peer.warning {
        view["warning"] = json!(warning);
    }
    // Core leaves these out until there has been a round trip; seconds.
    if let Some(ping_ms) = peer.ping_ms {
        view["pingtime"] = json!(ping_ms / 1_000.0);
    }
    if let Some(ping_ms) = peer.ping_min_ms {
        view["minping"] = json!(ping_ms / 1_000.0);
    }
    view
}

/// Core's word for how the connection came about.
fn connection_type(peer: &PeerInfo) -> &'static str {
    match (peer.inbound, peer.explicit) {
        (true, _) => "inbound",
        (false, true) => "manual",
        (false, false) => "outbound-full-relay",
    }
}

async fn setban(context: Arc<Context>, arguments: Arguments) -> Reply {
    let (subject, network) = (arguments.text(0)?, &context.network);
    let done = match arguments.text(1)? {
        "add" => {
            let parsed =
                subject.parse::<BanTarget>().map_err(|error| refused(&error.into(), CLIENT_INVALID_IP_OR_SUBNET))?;
            if network.list_banned().await.iter().any(|ban| ban.subject == parsed && ban.until_s > clock::now_s()) {
                return Err(RpcError::new(CLIENT_NODE_ALREADY_ADDED, "Error: IP/Subnet already banned"));
            }
            let time = u64::try_from(arguments.integer_or(2, 0)?)
                .map_err(|_| RpcError::parameter("bantime must not be negative"))?;
            let now_s = clock::now_s();
            let until_s = match (arguments.boolean_or(3, false)?, time) {
                (true, until_s) if until_s <= now_s => {
                    return Err(RpcError::parameter("Error: Absolute timestamp is in the past"));
                }
                (true, until_s) => until_s,
                (false, 0) => now_s + BAN_TIME_DEFAULT_S,
                (false, time) => now_s.saturating_add(time),
            };
            network.set_ban(subject, until_s, "manually added").await
        }
        "remove" => network.remove_ban(subject).await,
        other => return Err(RpcError::misc(format!("'{other}' is not a command: add or remove"))),
    };
    done.map(|()| Value::Null).map_err(|error| refused(&error, CLIENT_INVALID_IP_OR_SUBNET))
}

async fn listbanned(context: Arc<Context>, _: Arguments) -> Reply {
    let now_s = clock::now_s();
    let describe = |ban: &Ban| {
        json!({
            "address": ban.subject.to_string(),
            "ban_created": ban.created_s,
            "banned_until": ban.until_s,
            "ban_duration": ban.until_s.saturating_sub(ban.created_s),
            "time_remaining": ban.until_s.saturating_sub(now_s),
            "ban_reason": ban.reason,
        })
    };
    Ok(context.network.list_banned().await.iter().map(describe).collect())
}

async fn clearbanned(context: Arc<Context>, _: Arguments) -> Reply {
    let done = context.network.clear_banned().await;
    done.map(|()| Value::Null).map_err(|error| refused(&error, MISC_ERROR))
}

async fn setnetworkactive(context: Arc<Context>, arguments: Arguments) -> Reply {
    let state = arguments.boolean_or(0, true)?;
    context.network.set_active(state).await.map_err(|error| refused(&error, MISC_ERROR))?;
    Ok(json!(state))
}

async fn setlink(context: Arc<Context>, arguments: Arguments) -> Reply {
    let conditions = LinkConditions {
        delay_ms: arguments.bounded_or(1, 0, u32::MAX)?,
        jitter_ms: arguments.bounded_or(2, 0, u32::MAX)?,
        loss: arguments.number(3)?.unwrap_or(0.0),
        bandwidth_bytes_per_s: u64::try_from(arguments.integer_or(4, 0)?)
            .map_err(|_| RpcError::parameter("bandwidth must be 0 (no limit) or bytes per second"))?,
        blocked: arguments.boolean_or(5, false)?,
    };
    let done = context.network.set_link(arguments.text(0)?, conditions).await;
    done.map(|()| Value::Null).map_err(|error| refused(&error, crate::shell::rpc::error::INVALID_PARAMETER))
}

async fn getlinks(context: Arc<Context>, _: Arguments) -> Reply {
    let describe = |(peer, conditions): (Option<String>, LinkConditions)| {
        json!({
            "peer": peer.unwrap_or_else(|| "*".into()),
            "delay_ms": conditions.delay_ms,
            "jitter_ms": conditions.jitter_ms,
            "loss": conditions.loss,
            "bandwidth": conditions.bandwidth_bytes_per_s,
            "blocked": conditions.blocked,
        })
    };
    Ok(context.network.links().into_iter().map(describe).collect())
}
