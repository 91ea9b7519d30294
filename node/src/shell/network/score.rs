//! What a misbehaviour costs. Points add up, fade by half every ten minutes, and survive restarts in the address book
//! ([`super::address_book`]). At [`DISCONNECT_POINTS`] the peer is disconnected, at [`BAN_POINTS`] it is kept out for a time.
//!
//! Peers that were asked for by name are disconnected but not kept out. Peers on a loopback address are kept out by peer id
//! only and briefly: on one machine all nodes share one address, and most "attackers" there are experiments.

use crate::core::event::Misbehaviour;
use libp2p::PeerId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

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
    /// It left an answer untaken for longer than [`super::requests::ANSWER_UNTAKEN_MAX`] while others waited for room.
    AnswerUntaken,
}
impl ProtocolViolation {
    /// How much of a peer's score the misbehaviour costs; at the limit the peer is disconnected.
    pub fn points(self) -> f64 {
        match self {
            ProtocolViolation::Malformed(_) => 50.0,
            ProtocolViolation::TooManyRequests => 10.0,
            ProtocolViolation::WrongAnswer => 50.0,
            ProtocolViolation::AnswerUntaken => 20.0,
        }
    }
}
impl std::fmt::Display for ProtocolViolation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ProtocolViolation::Malformed(what) => write!(f, "malformed {what}"),
            ProtocolViolation::TooManyRequests => f.write_str("too many requests at once"),
            ProtocolViolation::WrongAnswer => f.write_str("an answer to another question"),
            ProtocolViolation::AnswerUntaken => f.write_str("it asked for answers and did not take them"),
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

/// Peers whose points are remembered; the one with the fewest gives way.
pub const SCORED_PEERS_MAX: usize = 2_000;

/// One peer's record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Score {
    /// Points at `points_s`.
    points: f64,
    /// Unix seconds.
    points_s: u64,
    /// Misbehaviours ever.
    count: u32,
}
impl Score {
    fn points_at(&self, now_s: u64) -> f64 {
        faded(self.points, now_s.saturating_sub(self.points_s))
    }
}
/// The points of every peer that has misbehaved.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, Score>", into = "BTreeMap<String, Score>")]
pub struct Scores {
    scores: HashMap<PeerId, Score>,
    /// Something is not in the file yet.
    pub changed: bool,
}
impl Scores {
    /// Adds points; the sum.
    pub fn add(&mut self, peer: PeerId, points: f64, now_s: u64) -> f64 {
        if self.scores.len() >= SCORED_PEERS_MAX && !self.scores.contains_key(&peer) {
            let points = |score: &Score| score.points_at(now_s);
            let least = self.scores.iter().min_by(|(_, a), (_, b)| points(a).total_cmp(&points(b)));
            if let Some(least) = least.map(|(peer, _)| *peer) {
                self.scores.remove(&least);
            }
        }
        let score = self.scores.entry(peer).or_default();
        *score = Score { points: score.points_at(now_s) + points, points_s: now_s, count: score.count + 1 };
        self.changed = true;
        score.points
    }
    /// A peer's points now.
    pub fn points(&self, peer: &PeerId, now_s: u64) -> f64 {
        self.scores.get(peer).map_or(0.0, |score| score.points_at(now_s))
    }
    /// How often a peer has misbehaved.
    pub fn count(&self, peer: &PeerId) -> u32 {
        self.scores.get(peer).map_or(0, |score| score.count)
    }
    /// Takes a peer's points away (a ban was lifted).
    pub fn forgive(&mut self, peer: &PeerId) {
        if let Some(score) = self.scores.get_mut(peer) {
            score.points = 0.0;
            self.changed = true;
        }
    }
    /// Takes everybody's points away.
    pub fn forgive_all(&mut self) {
        self.scores.values_mut().for_each(|score| score.points = 0.0);
        self.changed = true;
    }
    /// Keeps a list that was read from a file to its bound.
    pub fn bound(&mut self) {
        let excess = self.scores.len().saturating_sub(SCORED_PEERS_MAX);
        let some: Vec<PeerId> = self.scores.keys().take(excess).copied().collect();
        self.scores.retain(|peer, _| !some.contains(peer));
    }
}
impl From<BTreeMap<String, Score>> for Scores {
    fn from(stored: BTreeMap<String, Score>) -> Scores {
        let parsed = stored.into_iter().filter_map(|(peer, score)| Some((peer.parse().ok()?, score)));
        Scores { scores: parsed.collect(), changed: false }
    }
}
impl From<Scores> for BTreeMap<String, Score> {
    fn from(scores: Scores) -> BTreeMap<String, Score> {
        scores.scores.into_iter().map(|(peer, score)| (peer.to_string(), score)).collect()
    }
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

    #[test]
    fn the_list_is_bounded_and_those_with_the_most_points_stay() {
        let mut scores = Scores::default();
        let bad = PeerId::random();
        scores.add(bad, 60.0, 100);
        for _ in 0..SCORED_PEERS_MAX + 50 {
            scores.add(PeerId::random(), 10.0, 100);
        }
        assert_eq!((scores.scores.len(), scores.points(&bad, 100), scores.count(&bad)), (SCORED_PEERS_MAX, 60.0, 1));
        let text = serde_json::to_string(&scores).expect("written");
        let again: Scores = serde_json::from_str(&text).expect("read");
        assert_eq!(again.points(&bad, 700), 30.0);
        scores.forgive(&bad);
        assert_eq!((scores.points(&bad, 100), scores.count(&bad)), (0.0, 1));
    }
}
