//! What cannot be read off the core afterwards: the core's loop counts it, `GET /metrics` shows it.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// What only the core's loop can count.
#[derive(Debug, Default)]
pub struct Counters {
    tip_changes: Counter,
    reorganisations: Counter,
    blocks_undone: Counter,
}

impl Counters {
    /// The active tip changed, `undone` blocks having been undone first.
    pub fn tip_changed(&self, undone: u32) {
        self.tip_changes.inc();
        if undone > 0 {
            self.reorganisations.inc();
            self.blocks_undone.inc_by(u64::from(undone));
        }
    }
    /// Makes them part of the page that Prometheus reads.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("tip_changes", "Changes of the active tip", self.tip_changes.clone());
        registry.register("reorganisations", "Tip changes that undid blocks", self.reorganisations.clone());
        registry.register("blocks_undone", "Blocks undone by reorganisations", self.blocks_undone.clone());
    }
}
