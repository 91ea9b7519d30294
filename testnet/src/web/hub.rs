//! A numbered stream of events with a bounded memory: what a page that lost its connection asks for is what it missed.
//!
//! [`super::watch`] publishes; [`super::api`] serves readers as Server-Sent Events, whose `Last-Event-ID` is the number here.

use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Events kept for readers that come back, events.
const EVENTS_MAX: usize = 2_000;
/// Bytes of the events kept.
const EVENTS_BYTES_MAX: usize = 16 << 20;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number; the first is 1.
    pub id: u64,
    /// What it is: `network`, `block`, `happening`, `run`.
    pub kind: &'static str,
    /// JSON on one line.
    pub data: Arc<str>,
}

/// What a reader gets that has seen everything up to a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missed {
    /// These, in order; none if nothing happened.
    Events(Vec<Event>),
    /// More than is remembered, or numbers of an earlier launcher: the reader starts again from a snapshot.
    TooMuch,
}

#[derive(Debug, Default)]
struct Memory {
    last: u64,
    events: VecDeque<Event>,
    bytes: usize,
}

/// The stream.
#[derive(Debug)]
pub struct Hub {
    memory: Mutex<Memory>,
    last: watch::Sender<u64>,
}

impl Default for Hub {
    fn default() -> Hub {
        Hub { memory: Mutex::default(), last: watch::Sender::new(0) }
    }
}

impl Hub {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event and wakes the readers.
    pub fn publish(&self, kind: &'static str, value: &impl Serialize) {
        // A value of ours without a JSON form would be a bug; readers are told of nothing rather than of half an event.
        let Ok(data) = serde_json::to_string(value) else { return };
        let mut memory = self.memory();
        memory.last += 1;
        memory.bytes += data.len();
        let event = Event { id: memory.last, kind, data: data.into() };
        memory.events.push_back(event);
        while memory.events.len() > EVENTS_MAX || memory.bytes > EVENTS_BYTES_MAX {
            let Some(oldest) = memory.events.pop_front() else { break };
            memory.bytes -= oldest.data.len();
        }
        let last = memory.last;
        drop(memory);
        self.last.send_replace(last);
    }

    /// The number of the last event.
    pub fn last(&self) -> u64 {
        self.memory().last
    }

    /// What came after event `seen`.
    pub fn after(&self, seen: u64) -> Missed {
        let memory = self.memory();
        let oldest = memory.last + 1 - memory.events.len() as u64;
        if seen > memory.last || seen + 1 < oldest {
            return Missed::TooMuch;
        }
        Missed::Events(memory.events.iter().filter(|event| event.id > seen).cloned().collect())
    }

    /// Wakes when an event is added.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(missed: &Missed) -> Vec<u64> {
        let Missed::Events(events) = missed else { panic!("{missed:?}") };
        events.iter().map(|event| event.id).collect()
    }

    #[test]
    fn a_reader_gets_what_it_missed_or_is_sent_back_to_the_start() {
        let hub = Hub::default();
        assert_eq!(hub.after(0), Missed::Events(vec![]));
        assert_eq!(hub.after(1), Missed::TooMuch, "a number of an earlier launcher");
        for number in 0..EVENTS_MAX + 10 {
            hub.publish("block", &number);
        }
        let last = hub.last();
        assert!(ids(&hub.after(last)).is_empty());
        assert_eq!(ids(&hub.after(last - 2)), [last - 1, last]);
        assert_eq!(ids(&hub.after(10)).len(), EVENTS_MAX);
        assert_eq!(hub.after(9), Missed::TooMuch);
    }

    #[test]
    fn large_events_push_out_old_ones() {
        let hub = Hub::default();
        let large = "x".repeat(EVENTS_BYTES_MAX / 4);
        for _ in 0..10 {
            hub.publish("network", &large);
        }
        assert_eq!(hub.after(6), Missed::TooMuch);
        assert_eq!(ids(&hub.after(7)), [8, 9, 10]);
    }
}
