//! Numbers for Prometheus (`GET /metrics`), in OpenMetrics text or, unless the reader asks for that, in Prometheus' own. Nearly all are read when they are asked for; what cannot
//! be read afterwards (tip changes, reorganisations) the core's loop counts in [`Counters`](crate::shell::counters::Counters), and
//! how long things took is in [`Latencies`](crate::shell::metrics::Latencies).

mod pool;

use crate::shell::clock;
use crate::shell::core_handle::Stopped;
use crate::shell::rpc::method::context::Context;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// What `/metrics` is served as to who asks for OpenMetrics.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The whole page. Every name starts with `testoon_`.
pub async fn page(context: &Context) -> Result<String, Stopped> {
    let mut registry = Registry::with_prefix("testoon");
    context.counters.register(&mut registry);
    context.latencies.register(&mut registry);
    chain(context, &mut registry).await?;
    network(context, &mut registry).await;
    miner(context, &mut registry);
    pool::register(context, &mut registry);
    process(context, &mut registry);
    let mut page = String::new();
    // Writing to a String cannot fail; the error is there for other writers.
    let _ = encode(&mut page, &registry);
    Ok(page)
}

async fn chain(context: &Context, registry: &mut Registry) -> Result<(), Stopped> {
    let (tip, progress, transactions, bytes) = context
        .core
        .read(|core| {
            let mempool = core.mempool();
            (core.tip(), core.progress(clock::now()), mempool.len() as u64, mempool.bytes() as u64)
        })
        .await?;
    let difficulty = tip.header.bits.to_target().map_or(0.0, |target| target.difficulty());
    registry.register("height", "Height of the active tip", ConstGauge::new(u64::from(tip.height)));
    registry.register("headers", "Height of the best known header", ConstGauge::new(u64::from(progress.headers)));
    registry.register("tip_time_seconds", "Unix time of the active tip", ConstGauge::new(u64::from(tip.header.time)));
    registry.register("difficulty", "Difficulty of the active tip", ConstGauge::new(difficulty));
    let catching_up = u64::from(progress.initial_block_download);
    registry.register("initial_block_download", "1 while the node is catching up", ConstGauge::new(catching_up));
    registry.register("mempool_transactions", "Transactions in the mempool", ConstGauge::new(transactions));
    registry.register("mempool_bytes", "Bytes of the mempool's transactions", ConstGauge::new(bytes));
    Ok(())
}

async fn network(context: &Context, registry: &mut Registry) {
    // A network that has stopped has nothing to show.
    let Ok(info) = context.network.info().await else { return };
    let inbound = info.peers_inbound as u64;
    let outbound = info.peers.saturating_sub(info.peers_inbound) as u64;
    registry.register("peers_inbound", "Peers that dialled us", ConstGauge::new(inbound));
    registry.register("peers_outbound", "Peers that we dialled", ConstGauge::new(outbound));
    let (received, sent) = (info.bytes_received, info.bytes_sent);
    registry.register("network_received_bytes", "Received from peers", ConstCounter::new(received));
    registry.register("network_sent_bytes", "Sent to peers", ConstCounter::new(sent));
}

/// About the process: what version runs, and since when.
fn process(context: &Context, registry: &mut Registry) {
    let started_s = context.started.0 as f64 / 1e3;
    registry.register("start_time_seconds", "Unix time at which the node was ready", ConstGauge::new(started_s));
    let labels = vec![("version", env!("CARGO_PKG_VERSION").to_owned()), ("chain", context.spec.name.clone())];
    registry.register("build", "Version and chain of the node", Info::new(labels));
}

fn miner(context: &Context, registry: &mut Registry) {
    let Some(meter) = context.mining.meter() else { return };
    registry.register("miner_hashes", "Hashes done", ConstCounter::new(meter.hashes_total));
    let rate = meter.hashes_per_second_1s;
    registry.register("miner_hashes_per_second", "Hashes per second over the last second", ConstGauge::new(rate));
}
