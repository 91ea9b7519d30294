//! How many connections of each kind there may be, from the settings and the descriptors that peers may have together.

use super::NetworkConfig;

/// Handshakes of inbound connections at once, where there are descriptors enough; each holds a socket and some KiB.
const HANDSHAKES_INBOUND_MAX: usize = 256;
/// Dials under way, where there are descriptors enough.
const DIALS_MAX: usize = 32;
/// Inbound connections beyond the limit, for as long as it takes to choose which gives way.
const INBOUND_ROOM: usize = 8;

/// Bounds of connections; together they keep to [`NetworkConfig::descriptors_max`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionBounds {
    /// Inbound handshakes under way; at the bound the oldest gives way.
    pub handshakes: usize,
    /// Inbound handshakes, with those that were told to give way and have not ended yet.
    pub handshakes_pending: usize,
    /// Dials under way.
    pub dials: usize,
    /// Established inbound connections, those of peers asked for by name aside.
    pub inbound: usize,
    /// Established inbound connections beyond that while one is being chosen to give way.
    pub inbound_room: usize,
    /// Peers that this node dials on its own account.
    pub outbound: usize,
}

impl ConnectionBounds {
    /// What the settings ask for, as far as the descriptors allow it. Half of the descriptors is for established connections
    /// at least; peers asked for by name are counted as if they were ours to dial.
    pub fn new(config: &NetworkConfig) -> ConnectionBounds {
        let descriptors = config.descriptors_max;
        let handshakes_pending = (descriptors / 4).min(2 * HANDSHAKES_INBOUND_MAX);
        let dials = (descriptors / 8).clamp(1, DIALS_MAX);
        let outbound = config.outbound_max.min(descriptors / 8);
        let named = config.connect.len().min(descriptors / 8);
        let taken = handshakes_pending + dials + outbound + named + INBOUND_ROOM;
        let inbound = config.inbound_max.min(descriptors.saturating_sub(taken));
        ConnectionBounds {
            handshakes: (handshakes_pending / 2).max(1),
            handshakes_pending: handshakes_pending.max(2),
            dials,
            inbound,
            inbound_room: if inbound == 0 { 0 } else { INBOUND_ROOM },
            outbound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_connections_together_keep_to_the_descriptors() {
        for descriptors_max in [48, 100, 120, 256, 1_000, 8_000] {
            let mut config = NetworkConfig::new([0; 32], "test", "/nowhere");
            config.descriptors_max = descriptors_max;
            for inbound_max in [0, 5, 117, 100_000] {
                config.inbound_max = inbound_max;
                let bounds = ConnectionBounds::new(&config);
                let all =
                    bounds.handshakes_pending + bounds.dials + bounds.inbound + bounds.inbound_room + bounds.outbound;
                assert!(all <= descriptors_max, "{descriptors_max}: {bounds:?}");
                assert!(bounds.inbound <= inbound_max && bounds.handshakes < bounds.handshakes_pending);
                assert!(inbound_max == 0 || bounds.inbound > 0, "{descriptors_max}: {bounds:?}");
            }
        }
        let bounds = ConnectionBounds::new(&NetworkConfig::new([0; 32], "test", "/nowhere"));
        assert_eq!((bounds.handshakes, bounds.dials, bounds.inbound, bounds.outbound), (256, 32, 117, 8));
    }
}
