//! Where a node that runs already is reached, and who may call it: the fields of a network file for `testoon attach`.

use super::{Lines, NodeTable};
use std::path::PathBuf;
use toml::Spanned;

/// How a running node is reached. Of `password` and `cookie` at most one is there; with neither, the password comes from the
/// environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeAddress {
    /// JSON-RPC, `http://HOST:PORT`.
    pub rpc: String,
    /// The user of `password`.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<String>,
    /// The node's cookie file instead, relative to the network file.
    pub cookie: Option<PathBuf>,
    /// Where the other nodes dial it, `HOST:PORT`; without it the host of `rpc` and the chain's port.
    pub p2p: Option<String>,
    /// The words of the wallet that its blocks pay.
    pub words: Option<String>,
}

/// A node's address; none if its table has no field of one.
pub(super) fn read(lines: &Lines<'_>, spanned: &Spanned<NodeTable>) -> Result<Option<NodeAddress>, String> {
    let table = spanned.get_ref();
    let name = table.name.get_ref();
    let wrong = |what: String| Err(lines.error(spanned.span(), what));
    let Some(rpc) = &table.rpc else {
        let others = [
            ("user", table.user.is_some()),
            ("password", table.password.is_some()),
            ("cookie", table.cookie.is_some()),
            ("p2p", table.p2p.is_some()),
            ("words", table.words.is_some()),
        ];
        return match others.iter().find(|(_, is_there)| *is_there) {
            Some((field, _)) => {
                wrong(format!("{name}: {field} belongs to a node that runs already; give its rpc, too"))
            }
            None => Ok(None),
        };
    };
    if table.count.is_some() {
        return wrong(format!("{name}: count and rpc exclude each other; write one [[node]] a node"));
    }
    if table.password.is_some() && table.cookie.is_some() {
        return wrong(format!("{name}: give either a password or a cookie, not both"));
    }
    let url = rpc.get_ref();
    let host_and_port = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
    if !is_host_and_port(host_and_port) {
        return Err(lines.error(rpc.span(), format!("rpc: {url:?} is not an address; write http://HOST:PORT")));
    }
    if let Some(p2p) = table.p2p.as_ref().filter(|p2p| !is_host_and_port(p2p.get_ref())) {
        let text = p2p.get_ref();
        return Err(lines.error(p2p.span(), format!("p2p: {text:?} is not an address; write HOST:PORT")));
    }
    Ok(Some(NodeAddress {
        rpc: format!("http://{host_and_port}"),
        user: table.user.clone(),
        password: table.password.clone(),
        cookie: table.cookie.clone(),
        p2p: table.p2p.as_ref().map(|p2p| p2p.get_ref().clone()),
        words: table.words.clone(),
    }))
}

/// Whether a text is a host (a name, an IPv4 address, or an IPv6 address in brackets) with a port behind it.
fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_name = |host: &str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    let is_ipv6 = |host: &str| {
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
    };
    port.parse::<u16>().is_ok_and(|port| port > 0) && (is_name(host) || is_ipv6(host))
}

#[cfg(test)]
mod tests {
    use super::super::NetworkFile;

    fn file(node: &str) -> Result<NetworkFile, String> {
        NetworkFile::parse(&format!("[[node]]\nname = \"a\"\n{node}"))
    }

    #[test]
    fn addresses_are_read() {
        let read = file("rpc = \"127.0.0.1:18600\"\nuser = \"u\"\npassword = \"p\"\np2p = \"node0:29733\"\n").unwrap();
        let address = &read.addresses["a"];
        assert_eq!((address.rpc.as_str(), address.p2p.as_deref()), ("http://127.0.0.1:18600", Some("node0:29733")));
        for rpc in [
            "http://node-0.pods:1",
            "http://[::1]:18443/",
            "https",
            "http://:80",
            "a:0",
            "a:65536",
            "a",
            "http://a b:1",
        ] {
            let is_right = rpc.contains("pods") || rpc.contains('[');
            assert_eq!(file(&format!("rpc = {rpc:?}\n")).is_ok(), is_right, "{rpc}");
        }
        assert!(file("").unwrap().addresses.is_empty());
    }

    #[test]
    fn what_is_wrong_with_an_address_is_named_with_its_line() {
        for (node, expected) in [
            ("password = \"p\"\n", "line 1: a: password belongs to a node that runs already"),
            ("words = \"w\"\n", "line 1: a: words belongs to"),
            ("rpc = \"a:1\"\ncount = 2\n", "line 1: a: count and rpc exclude each other"),
            ("rpc = \"a:1\"\npassword = \"p\"\ncookie = \"c\"\n", "line 1: a: give either a password or a cookie"),
            ("rpc = \"a\"\n", "line 3: rpc: \"a\" is not an address"),
            ("rpc = \"a:1\"\np2p = \"b\"\n", "line 4: p2p: \"b\" is not an address"),
        ] {
            let error = file(node).unwrap_err();
            assert!(error.starts_with(expected), "{node:?}: {error}");
        }
    }
}
