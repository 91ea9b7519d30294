//! What a misbehaviour costs. Points add up, fade by half every ten minutes, and survive restarts in the address book
//! ([`super::address_book`]). At [`DISCONNECT_POINTS`] the peer is disconnected, at [`BAN_POINTS`] it is kept out for a time.
//!
//! Peers that were asked for by name are disconnected but not kept out. Peers on a loopback address are kept out by peer id
//! only and briefly: on one machine all nodes share one address, and most "attackers" there are experiments.

use crate::core::event::Misbehaviour;

/// A peer with this many points is disconnected.
pub const DISCONNECT_POINTS: f64 = 50.0;
/// A peer with this many points is kept out.
pub const BAN_POINTS: f64 = 100.0;
/// How long a peer is kept out, seconds (Core: `DEFAULT_MISBEHAVING_BANTIME`).
pub const BAN_S: u64 = 24 * 60 * 60;
/// How long a peer on a loopback address is kept out, seconds.
pub const BAN_LOOPBACK_S: u64 = 60;
/// Points halve in this time, seconds.
pub const HALF_LIFE_S: f64 = 600.0;

/// What a peer did that the shell itself notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolViolation {
    /// A request, answer or gossiped message that cannot be decoded, or is too large.
    Malformed(&'static str),
    /// More requests at once than [`super::requests::INBOUND_REQUESTS_PER_PEER_MAX`].
    TooManyRequests,
    /// An answer of another kind than was asked for.
    WrongAnswer,
}
impl ProtocolViolation {
    /// Its price.
    pub fn points(self) -> f64 {
        match self {
            ProtocolViolation::Malformed(_) => 50.0,
            ProtocolViolation::TooManyRequests => 10.0,
            ProtocolViolation::WrongAnswer => 50.0,
        }
    }
}
impl std::fmt::Display for ProtocolViolation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ProtocolViolation::Malformed(what) => write!(f, "malformed {what}"),
            ProtocolViolation::TooManyRequests => f.write_str("too many requests at once"),
            ProtocolViolation::WrongAnswer => f.write_str("an answer to another question"),
        }
    }
}
/// The price of a misbehaviour that the core noticed.
pub fn misbehaviour_points(misbehaviour: &Misbehaviour) -> f64 {
    match misbehaviour {
        Misbehaviour::BrokeRule(_) => 100.0,
        Misbehaviour::BadAnswer(_) => 50.0,
        Misbehaviour::Stalled => 20.0,
        Misbehaviour::Flood(_) => 10.0,
    }
}
/// A misbehaviour in words, for the log.
pub fn describe(misbehaviour: &Misbehaviour) -> String {
    match misbehaviour {
        Misbehaviour::BrokeRule(rule) => format!("broke rule {rule}"),
        Misbehaviour::BadAnswer(what) => format!("bad answer: {what}"),
        Misbehaviour::Stalled => "did not answer in time".to_owned(),
        Misbehaviour::Flood(what) => format!("flood: {what}"),
    }
}
/// What is left of points after a while.
pub fn faded(points: f64, seconds: u64) -> f64 {
    let left = points * (-(seconds as f64) / HALF_LIFE_S).exp2();
    if left < 0.5 { 0.0 } else { left }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_fade_by_half_every_ten_minutes() {
        assert_eq!(faded(100.0, 0), 100.0);
        assert!((faded(100.0, 600) - 50.0).abs() < 1e-9);
        assert_eq!(faded(100.0, 6_000), 0.0);
    }

    #[test]
    fn a_broken_rule_keeps_a_peer_out_and_stalling_takes_three_times_to_disconnect() {
        assert!(misbehaviour_points(&Misbehaviour::BrokeRule("high-hash")) >= BAN_POINTS);
        let stalls = (DISCONNECT_POINTS / misbehaviour_points(&Misbehaviour::Stalled)).ceil();
        assert_eq!(stalls, 3.0);
    }
}
