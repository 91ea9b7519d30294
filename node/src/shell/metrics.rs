//! What is measured while the node runs, for `GET /metrics`: how long calls and blocks took.
//!
//! Beside [`counters`](super::counters), on the ground floor. [`text`] is the form of the page that Prometheus reads
//! when it does not ask for OpenMetrics, and that `promtool check metrics` judges.

pub mod text;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// The shortest time that is told apart, seconds; each bucket is four times as long as the one before.
const BUCKET_MIN_S: f64 = 0.000_1;
const BUCKETS: u16 = 10;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    method: &'static str,
}

/// How long things took.
#[derive(Clone, Debug)]
pub struct Latencies {
    rpc: Family<Method, Histogram>,
    block: Histogram,
}

/// 0.1 ms to 26 s.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(BUCKET_MIN_S, 4.0, BUCKETS))
}

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies { rpc: Family::new_with_constructor(histogram), block: histogram() }
    }
}

impl Latencies {
    /// An RPC call of this method has been answered.
    pub fn rpc(&self, method: &'static str, took: Duration) {
        self.rpc.get_or_create(&Method { method }).observe(took.as_secs_f64());
    }

    /// The core has dealt with an input that changed the tip.
    pub fn block(&self, took: Duration) {
        self.block.observe(took.as_secs_f64());
    }

    /// Makes them part of the page.
    pub fn register(&self, registry: &mut Registry) {
        let help = "Time to answer RPC calls";
        registry.register_with_unit("rpc_duration", help, Unit::Seconds, self.rpc.clone());
        let help = "Time the core took for inputs that changed the tip: rules, signatures and coins of the blocks";
        registry.register_with_unit("block_validation", help, Unit::Seconds, self.block.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_their_buckets() {
        let latencies = Latencies::default();
        latencies.rpc("getblock", Duration::from_micros(50));
        latencies.rpc("getblock", Duration::from_millis(1));
        latencies.block(Duration::from_secs(100));
        let mut registry = Registry::with_prefix("testoon");
        latencies.register(&mut registry);
        let mut page = String::new();
        prometheus_client::encoding::text::encode(&mut page, &registry).unwrap();
        for line in [
            "# TYPE testoon_rpc_duration_seconds histogram",
            "testoon_rpc_duration_seconds_bucket{le=\"0.0001\",method=\"getblock\"} 1",
            "testoon_rpc_duration_seconds_count{method=\"getblock\"} 2",
            "testoon_block_validation_seconds_bucket{le=\"+Inf\"} 1",
            "testoon_block_validation_seconds_sum 100.0",
        ] {
            assert!(page.contains(line), "{line} is missing in\n{page}");
        }
    }
}
