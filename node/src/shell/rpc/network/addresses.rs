//! The address book: `getnodeaddresses` and `addpeeraddress`.

use crate::shell::network::KnownAddress;
use crate::shell::rpc::error::{CLIENT_INVALID_IP_OR_SUBNET, RpcError};
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

fn network_of(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "ipv4" } else { "ipv6" }
}

/// `getnodeaddresses ( count network )`.
pub async fn getnodeaddresses(context: Arc<Context>, arguments: Arguments) -> Reply {
    let count = arguments.integer_or(0, 1)?;
    let count = usize::try_from(count).map_err(|_| RpcError::parameter("Address count out of range"))?;
    let network = arguments.optional_text(1)?;
    if let Some(unknown) = network.filter(|network| !matches!(*network, "ipv4" | "ipv6" | "onion" | "i2p" | "cjdns")) {
        return Err(RpcError::parameter(format!("Network not recognized: {unknown}")));
    }
    let known = context.network.known_addresses().await.map_err(|error| RpcError::misc(error.to_string()))?;
    let is_wanted = |known: &KnownAddress| network.is_none_or(|network| network == network_of(known.address.ip()));
    let mut known: Vec<KnownAddress> = known.into_iter().filter(is_wanted).collect();
    known.shuffle(&mut rand::rng());
    known.truncate(if count == 0 { usize::MAX } else { count });
    let describe = |known: &KnownAddress| {
        json!({
            "time": known.heard_s,
            "services": 1,
            "address": known.address.ip().to_string(),
            "port": known.address.port(),
            "network": network_of(known.address.ip()),
            // Ours: libp2p's name for the peer.
            "peerid": known.peer_id,
        })
    };
    Ok(known.iter().map(describe).collect::<Value>())
}

/// `addpeeraddress address port ( tried peerid )`.
pub async fn addpeeraddress(context: Arc<Context>, arguments: Arguments) -> Reply {
    let invalid = || RpcError::new(CLIENT_INVALID_IP_OR_SUBNET, "Invalid IP address");
    let ip: IpAddr = arguments.text(0)?.parse().map_err(|_| invalid())?;
    let port = u16::try_from(arguments.integer(1)?).map_err(|_| RpcError::parameter("port must be 0 to 65535"))?;
    if arguments.boolean_or(2, false)? {
        return Err(RpcError::parameter("tried: an address becomes tried by being dialled; leave it out"));
    }
    let peer = arguments.optional_text(3)?.ok_or_else(|| {
        RpcError::parameter("peerid is needed: libp2p dials an address together with the identity expected there")
    })?;
    let added = context.network.add_address(peer, SocketAddr::new(ip, port)).await;
    let added = added.map_err(|error| RpcError::parameter(error.to_string()))?;
    Ok(if added { json!({"success": true}) } else { json!({"success": false, "error": "failed-adding-to-new"}) })
}

/// `getaddrmaninfo`.
pub async fn getaddrmaninfo(context: Arc<Context>, _: Arguments) -> Reply {
    let known = context.network.known_addresses().await.map_err(|error| RpcError::misc(error.to_string()))?;
    let count = |network: Option<&str>| {
        let of = |known: &&KnownAddress| network.is_none_or(|network| network == network_of(known.address.ip()));
        let (tried, new): (Vec<_>, Vec<_>) = known.iter().filter(of).partition(|known| known.tried);
        json!({"new": new.len(), "tried": tried.len(), "total": new.len() + tried.len()})
    };
    let networks = ["ipv4", "ipv6", "onion", "i2p", "cjdns"];
    let counts = networks.into_iter().map(|network| (network.to_owned(), count(Some(network))));
    Ok(Value::Object(counts.chain([("all_networks".to_owned(), count(None))]).collect()))
}
