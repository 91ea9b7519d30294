//! Looks at a network again and again, and publishes what changed.
//!
//! One thread a network, however many pages look on. [`crate::observer::view`] looks, [`super::hub`] remembers and wakes the readers.

use super::hub::Hub;
use super::record::NetworkRecord;
use crate::cluster::directory::Directory;
use crate::observer::event::Event;
use crate::observer::history::History;
use crate::observer::status::NodeStatus;
use crate::observer::view::{Changes, View};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(400);

/// Events kept for a terminal that asks for news now and then.
const NEWS_MAX: usize = 50;

/// A network that is being watched.
pub struct Watched {
    /// Its stream.
    pub hub: Arc<Hub>,
    directory: PathBuf,
    /// The recording; none where this network is recorded elsewhere.
    record: Option<Mutex<Option<NetworkRecord>>>,
    view: Mutex<Option<View>>,
    history: Mutex<History>,
    /// The nodes at the last look, and what happened since somebody asked.
    news: Mutex<(Vec<NodeStatus>, VecDeque<Event>)>,
    stop: AtomicBool,
    /// Ends the wait between two looks.
    wake: (Mutex<()>, Condvar),
}

impl Watched {
    /// Starts watching the network in a directory, which need not be there yet, and recording it if `is_recorded`.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(directory: PathBuf, is_recorded: bool) -> std::io::Result<Arc<Watched>> {
        let watched = Arc::new(Watched {
            hub: Arc::new(Hub::default()),
            directory,
            record: is_recorded.then(Mutex::default),
            view: Mutex::new(None),
            history: Mutex::default(),
            news: Mutex::default(),
            stop: AtomicBool::new(false),
            wake: (Mutex::new(()), Condvar::new()),
        });
        let looking = watched.clone();
        std::thread::Builder::new().name("watch".into()).spawn(move || looking.look_again_and_again())?;
        Ok(watched)
    }

    /// Ends the looks.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wake.1.notify_all();
    }

    /// Forgets what was seen, for a network that is made anew in the same place; pages are told to do the same.
    pub fn reset(&self) {
        *self.view() = None;
        self.hub.publish("reset", &json!({}));
    }

    /// The nodes at the last look, and what happened since the last time this was asked.
    pub fn news(&self) -> (Vec<NodeStatus>, Vec<Event>) {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        (news.0.clone(), news.1.drain(..).collect())
    }

    fn keep_news(&self, changes: &Changes) {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        news.0.clone_from(&changes.nodes);
        news.1.extend(changes.found.iter().chain(&changes.happenings).cloned());
        let surplus = news.1.len().saturating_sub(NEWS_MAX);
        news.1.drain(..surplus);
    }

    /// Where the network lives.
    pub fn directory(&self) -> &PathBuf {
        &self.directory
    }

    /// Everything at once, and the number of the last event that it contains.
    pub fn snapshot(&self) -> Value {
        // Events that are published while the snapshot is made are applied twice, which changes nothing.
        let last = self.hub.last();
        let mut snapshot = self.view().as_ref().map_or_else(nothing, View::snapshot);
        snapshot["last_event"] = json!(last);
        snapshot
    }

    /// Asks the view something.
    ///
    /// # Errors
    /// There is no network, or what `ask` says.
    pub fn ask<T>(&self, ask: impl FnOnce(&View) -> anyhow::Result<T>) -> anyhow::Result<T> {
        match self.view().as_ref() {
            Some(view) => ask(view),
            None => anyhow::bail!("no network in {}; start one with `testoon up`", self.directory.display()),
        }
    }

    /// The chain as far as it was read for questions about coins. A network made anew needs no reset: its blocks are others.
    pub fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self) -> MutexGuard<'_, Option<View>> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_again_and_again(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            self.look();
            let guard = self.wake.0.lock().unwrap_or_else(PoisonError::into_inner);
            drop(self.wake.1.wait_timeout(guard, LOOK_INTERVAL));
        }
    }

    fn look(&self) {
        let mut view = self.view();
        if view.is_none() {
            *view = Directory::open(Some(&self.directory)).and_then(View::open).ok();
        }
        let Some(open) = view.as_mut() else { return };
        let Ok(changes) = open.look() else {
            // The network was deleted: the next look begins anew when there is one again.
            *view = None;
            drop(view);
            self.hub.publish("network", &nothing()["network"]);
            return;
        };
        drop(view);
        self.keep_news(&changes);
        if let Some(record) = &self.record {
            let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
            if record.is_none() {
                *record = NetworkRecord::begin(&self.directory, &changes);
            }
            if let Some(record) = record.as_mut() {
                record.add(&changes);
            }
        }
        // Blocks first, so that a tip that is told is known.
        changes.blocks.iter().for_each(|block| self.hub.publish("block", block));
        changes.happenings.iter().for_each(|happening| self.hub.publish("happening", happening));
        if let Some(network) = &changes.network {
            self.hub.publish("network", network);
        }
    }
}

/// The snapshot of a network that is not there.
fn nothing() -> Value {
    json!({
        "network": {
            "chain": null, "spacing_s": null, "directory": null, "running": false, "hashes_per_second": 0, "partition": [], "nodes": [],
        },
        "blocks": [],
        "happenings": [],
    })
}
