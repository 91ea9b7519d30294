//! Peer addresses as people write them: `HOST:PORT` (TCP) or a multiaddr, with or without `/p2p/ID`.
//!
//! Host names are looked up with the system's resolver ([`resolve`]), so `/etc/hosts` counts and no resolver of our own is needed.

use libp2p::PeerId;
use libp2p::multiaddr::{Multiaddr, Protocol};
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Text that is not a peer's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an address: {why}; write HOST:PORT (TCP) or a multiaddr such as /ip4/127.0.0.1/tcp/9000 or /ip4/127.0.0.1/udp/9000/quic-v1"
)]
pub struct AddressError {
    text: String,
    why: String,
}

/// Reads `HOST:PORT` (IPv4, `[IPv6]` or name; TCP) or a multiaddr over TCP or QUIC.
pub fn parse(text: &str) -> Result<Multiaddr, AddressError> {
    let error = |why: &str| AddressError { text: text.to_owned(), why: why.to_owned() };
    if text.starts_with('/') {
        let address: Multiaddr = text.parse().map_err(|e| error(&format!("{e}")))?;
        let usable = transport_known(&address);
        return if usable { Ok(address) } else { Err(error("only /tcp and /udp/…/quic-v1 are spoken here")) };
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Ok(from_socket(socket));
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(|| error("there is no port"))?;
    let port = port.parse::<u16>().map_err(|_| error("the port is not a number below 65536"))?;
    let name_ok =
        !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_');
    if !name_ok {
        return Err(error("the host is neither an IP address nor a name"));
    }
    Ok(Multiaddr::empty().with(Protocol::Dns(host.into())).with(Protocol::Tcp(port)))
}

fn transport_known(address: &Multiaddr) -> bool {
    let mut parts = address.iter();
    let host = matches!(
        parts.next(),
        Some(Protocol::Ip4(_) | Protocol::Ip6(_) | Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_))
    );
    let transport = match parts.next() {
        Some(Protocol::Tcp(_)) => true,
        Some(Protocol::Udp(_)) => matches!(parts.next(), Some(Protocol::QuicV1)),
        _ => false,
    };
    host && transport
}

/// The TCP multiaddr of a socket address.
pub fn from_socket(socket: SocketAddr) -> Multiaddr {
    Multiaddr::from(socket.ip()).with(Protocol::Tcp(socket.port()))
}
/// The socket address of a TCP or QUIC multiaddr; `None` for names and relayed addresses.
pub fn to_socket(address: &Multiaddr) -> Option<SocketAddr> {
    let ip = ip(address)?;
    match address.iter().nth(1)? {
        Protocol::Tcp(port) | Protocol::Udp(port) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}
/// The IP address a multiaddr starts with.
pub fn ip(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)),
        _ => None,
    }
}
/// As `HOST:PORT` where that says it all (TCP), as a multiaddr otherwise.
pub fn display(address: &Multiaddr) -> String {
    let (address, _) = split_peer(address);
    match (to_socket(&address), address.iter().nth(1)) {
        (Some(socket), Some(Protocol::Tcp(_))) if address.iter().count() == 2 => socket.to_string(),
        _ => address.to_string(),
    }
}
/// The address without its final `/p2p/ID`, and the id.
pub fn split_peer(address: &Multiaddr) -> (Multiaddr, Option<PeerId>) {
    let mut address = address.clone();
    match address.pop() {
        Some(Protocol::P2p(peer)) => (address, Some(peer)),
        Some(other) => {
            address.push(other);
            (address, None)
        }
        None => (address, None),
    }
}
/// Whether the address is this machine's loopback.
pub fn is_loopback(address: &Multiaddr) -> bool {
    ip(address).is_some_and(|ip| ip.is_loopback())
}

/// Whether an address belongs to one place of the internet: not loopback, private, link-local, shared, or reserved.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            !(ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || ip.is_multicast()
                || ip.is_broadcast()
                || is_shared
                || a == 0
                || a >= 240)
        }
        // Global unicast, without 6to4 and Teredo, whose addresses are other people's IPv4 addresses.
        IpAddr::V6(ip) => {
            let [first, second, ..] = ip.segments();
            first & 0xe000 == 0x2000 && first != 0x2002 && (first, second) != (0x2001, 0)
        }
    }
}

/// The addresses a name stands for (the address itself where it is no name).
///
/// # Errors
/// The resolver's error, or `NotFound` where the name has no address of the wanted family.
pub async fn resolve(address: Multiaddr) -> io::Result<Vec<Multiaddr>> {
    let (name, wanted): (String, fn(&IpAddr) -> bool) = match address.iter().next() {
        Some(Protocol::Dns(name)) => (name.into_owned(), |_| true),
        Some(Protocol::Dns4(name)) => (name.into_owned(), IpAddr::is_ipv4),
        Some(Protocol::Dns6(name)) => (name.into_owned(), IpAddr::is_ipv6),
        _ => return Ok(vec![address]),
    };
    let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
    let rest: Vec<Protocol<'_>> = address.iter().skip(1).collect();
    let mut resolved: Vec<Multiaddr> = Vec::new();
    for socket in found.filter(|socket| wanted(&socket.ip())) {
        let address = rest.iter().cloned().fold(Multiaddr::from(socket.ip()), Multiaddr::with);
        if !resolved.contains(&address) {
            resolved.push(address);
        }
    }
    if resolved.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("`{name}` has no address")));
    }
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_writing_are_read_and_shown() {
        for (text, multiaddr, shown) in [
            ("127.0.0.1:9000", "/ip4/127.0.0.1/tcp/9000", "127.0.0.1:9000"),
            ("[::1]:9000", "/ip6/::1/tcp/9000", "[::1]:9000"),
            ("node-1.example.org:9000", "/dns/node-1.example.org/tcp/9000", "/dns/node-1.example.org/tcp/9000"),
            ("/ip4/127.0.0.1/udp/9/quic-v1", "/ip4/127.0.0.1/udp/9/quic-v1", "/ip4/127.0.0.1/udp/9/quic-v1"),
        ] {
            let address = parse(text).expect(text);
            assert_eq!(address.to_string(), multiaddr);
            assert_eq!(display(&address), shown);
        }
    }

    #[test]
    fn what_is_no_address_is_named_with_the_remedy() {
        for text in [
            "",
            "localhost",
            "host:",
            "host:99999",
            ":9000",
            "a b:1",
            "/ip4/1.2.3.4",
            "/ip4/1.2.3.4/udp/1",
            "/foo",
            "::1:9000x",
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(&format!("`{text}`")) && error.contains("HOST:PORT"), "{error}");
        }
    }

    #[test]
    fn a_peer_id_is_split_off() {
        let peer = PeerId::random();
        let address = parse(&format!("/ip4/127.0.0.1/tcp/1/p2p/{peer}")).expect("address");
        let (bare, named) = split_peer(&address);
        assert_eq!((bare.to_string().as_str(), named), ("/ip4/127.0.0.1/tcp/1", Some(peer)));
        assert_eq!(display(&address), "127.0.0.1:1");
        assert_eq!(split_peer(&bare), (bare.clone(), None));
    }

    #[tokio::test]
    async fn names_are_looked_up_by_the_system() {
        let found = resolve(parse("localhost:9000").expect("address")).await.expect("localhost is known everywhere");
        assert!(found.iter().all(is_loopback) && !found.is_empty(), "{found:?}");
    }
}
