//! The classroom: the page on the local network, for students who look through a node's eyes and place orders with the shop.
//!
//! A second address ([`super::PageOptions::class`]) whose readers need a token, which the QR code on the teacher's page holds. They see
//! everything and change nothing, but for one thing: a small payment from alice to the shop. [`super::guard`] checks the token,
//! [`super::api`] has the routes.

use qrcode::{Color, EcLevel, QrCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// Who pays for an order, by account.
pub const PAYER: &str = "alice";
/// Who is paid, by account.
pub const PAYEE: &str = "shop";
/// What an order costs, coins.
pub const PRICE: &str = "0.01";
/// Orders that may be under way at one time.
pub const ORDERS_MAX: usize = 2;

/// What a student asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {}

/// The address that students open, and its token.
#[derive(Clone, Debug)]
pub struct Classroom {
    /// With the token.
    pub url: String,
}

impl Classroom {
    /// For a listener's own address.
    pub fn new(address: SocketAddr, token: &str) -> Classroom {
        let ip = if address.ip().is_unspecified() { own_address() } else { address.ip() };
        Classroom { url: format!("http://{}/?class={token}", SocketAddr::new(ip, address.port())) }
    }

    /// The address and its QR code, row by row, dark modules as 1.
    ///
    /// # Errors
    /// It does not fit into a code.
    pub fn describe(&self) -> Result<Value, String> {
        let code = QrCode::with_error_correction_level(&self.url, EcLevel::M).map_err(|error| error.to_string())?;
        let dark = |colour: &Color| if *colour == Color::Dark { '1' } else { '0' };
        let modules = code.to_colors();
        let rows: Vec<String> = modules.chunks(code.width()).map(|row| row.iter().map(dark).collect()).collect();
        Ok(json!({ "url": self.url, "rows": rows, "order": { "from": PAYER, "to": PAYEE, "amount": PRICE } }))
    }
}

/// This machine's address on its network: the one that a datagram would leave by. None is sent.
fn own_address() -> IpAddr {
    // A documentation address (RFC 5737): connecting a datagram socket only looks up the route.
    let routed = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
        .and_then(|socket| socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).and_then(|()| socket.local_addr()));
    routed.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_holds_the_address_with_its_token() {
        let classroom = Classroom::new("127.0.0.1:8481".parse().unwrap(), "00ff");
        assert_eq!(classroom.url, "http://127.0.0.1:8481/?class=00ff");
        let described = classroom.describe().unwrap();
        let rows = described["rows"].as_array().unwrap();
        assert!(rows.len() >= 21 && rows.iter().all(|row| row.as_str().unwrap().len() == rows.len()));
        // The finder pattern in the corner (ISO/IEC 18004, 6.3.3).
        assert!(rows[0].as_str().unwrap().starts_with("11111110"));
        assert!(rows[1].as_str().unwrap().starts_with("10000010"));
        let everywhere = Classroom::new("0.0.0.0:8481".parse().unwrap(), "00ff");
        assert!(!everywhere.url.contains("0.0.0.0"), "{}", everywhere.url);
    }
}
