//! The pool's numbers.

use crate::shell::clock;
use crate::shell::rpc::method::context::Context;
use crate::shell::stratum::account::Counts;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use std::sync::atomic::{AtomicU64, Ordering};

/// Workers with series of their own: those that are connected, at most so many.
const WORKERS_MAX: usize = 1_000;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Verdict {
    verdict: &'static str,
}
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: u8,
}
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkerVerdict {
    worker: String,
    verdict: &'static str,
}
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Worker {
    worker: String,
}

/// Adds them, if there is a pool.
pub fn register(context: &Context, registry: &mut Registry) {
    let Some(pool) = &context.pool else { return };
    let now_ms = clock::now().0;
    let status = pool.status(now_ms / 1_000);
    let figures = pool.figures();
    let count = |count: &AtomicU64| ConstCounter::new(count.load(Ordering::Relaxed));
    let connections = u64::from(figures.connections.load(Ordering::Relaxed));
    registry.register("pool_connections", "Open connections of miners", ConstGauge::new(connections));
    registry.register("pool_bans", "Addresses banned for floods", count(&figures.bans));
    registry.register("pool_jobs", "Jobs made for miners", count(&figures.jobs));
    let help = "Blocks found by the pool's miners that are in the active chain";
    registry.register("pool_blocks_in_chain", help, ConstGauge::new(status.blocks_total));
    registry.register("pool_blocks_refused", "Blocks found that the node refused", count(&figures.blocks_refused));
    let refusals = Family::<Code, Counter>::default();
    for (code, count) in figures.refusals() {
        refusals.get_or_create(&Code { code }).inc_by(count);
    }
    registry.register("pool_refusals", "Requests refused, by Stratum's code", refusals);

    let shares = Family::<Verdict, Counter>::default();
    let worker_shares = Family::<WorkerVerdict, Counter>::default();
    let worker_rates = Family::<Worker, Gauge<f64, AtomicU64>>::default();
    let (mut total, mut rate) = (Counts::default(), 0.0);
    let mut shown = 0;
    for (name, worker) in &status.workers {
        total.add_all(&worker.counts);
        let worker_rate = worker.rates.per_second(now_ms)[1];
        rate += worker_rate;
        if worker.connections > 0 && shown < WORKERS_MAX {
            shown += 1;
            worker_rates.get_or_create(&Worker { worker: name.clone() }).set(worker_rate);
            for (verdict, count) in by_verdict(&worker.counts) {
                worker_shares.get_or_create(&WorkerVerdict { worker: name.clone(), verdict }).inc_by(count);
            }
        }
    }
    for (verdict, count) in by_verdict(&total) {
        shares.get_or_create(&Verdict { verdict }).inc_by(count);
    }
    registry.register("pool_shares", "Shares, by what became of them", shares);
    let help = "Hashes per second of all miners, averaged over five minutes";
    registry.register("pool_hashes_per_second", help, ConstGauge::new(rate));
    registry.register("pool_worker_shares", "Shares of connected workers, by what became of them", worker_shares);
    let help = "Hashes per second of connected workers, averaged over five minutes";
    registry.register("pool_worker_hashes_per_second", help, worker_rates);
}

fn by_verdict(counts: &Counts) -> [(&'static str, u64); 3] {
    [("accepted", counts.accepted), ("stale", counts.stale), ("rejected", counts.rejected)]
}
