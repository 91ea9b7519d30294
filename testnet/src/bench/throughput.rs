//! What a processor could do at most: the cycles its units need for a kernel's arithmetic, where its throughput is known.
//!
//! The figures are of instructions that the kernels cannot do without; loads, stores and waiting are left out, so that no
//! kernel can reach its limit quite. Sources: measured with chains of independent instructions on the processors named.

use node::miner::kernel::KernelName;

/// Instructions `sha256rnds2` of a double hash: 31 in each half, with the midstate and the last rounds left out.
const SHA_ROUNDS: f64 = 62.0;
/// 512-bit operations of sixteen double hashes with version lanes: the least that the arithmetic needs.
const AVX512_OPERATIONS: f64 = 2_386.0;
const AVX512_LANES: f64 = 16.0;

/// Throughput of a processor's units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throughput {
    /// Its family's name, for people.
    pub name: &'static str,
    /// Cycles from one `sha256rnds2` to the next.
    sha_round_cycles: f64,
    /// 512-bit additions, rotations and logic operations a cycle.
    avx512_operations_per_cycle: f64,
}

/// A processor as `/proc/cpuinfo` tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processor {
    /// `model name`, or the architecture.
    pub name: String,
    /// `vendor_id`.
    pub vendor: String,
    /// `cpu family`.
    pub family: u32,
    /// `model`.
    pub model: u32,
    /// Has Intel's matrix unit: tells Sapphire Rapids from what a hypervisor calls it.
    has_amx: bool,
}

impl Processor {
    /// This machine's.
    pub fn here() -> Processor {
        Processor::parse(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
    }

    fn parse(text: &str) -> Processor {
        let field = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(':'));
            lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
        };
        let number = |name| field(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        Processor {
            name: field("model name").unwrap_or(std::env::consts::ARCH).to_owned(),
            vendor: field("vendor_id").unwrap_or_default().to_owned(),
            family: number("cpu family"),
            model: number("model"),
            has_amx: field("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "amx_tile")),
        }
    }

    /// Its throughput, if it is known.
    pub fn throughput(&self) -> Option<Throughput> {
        let known = |name, sha_round_cycles, avx512_operations_per_cycle| {
            Some(Throughput { name, sha_round_cycles, avx512_operations_per_cycle })
        };
        match (self.vendor.as_str(), self.family, self.model) {
            ("AuthenticAMD", 25, 0x10..=0x1f | 0x60..=0x7f | 0xa0..=0xaf) => known("Zen 4", 1.0, 2.0),
            ("AuthenticAMD", 26, _) => known("Zen 5", 2.0, 4.0),
            ("GenuineIntel", 6, _) if self.has_amx => known("Sapphire Rapids and its successors", 3.0, 2.0),
            _ => None,
        }
    }
}

impl Throughput {
    /// Cycles a hash that the arithmetic of `kernel` takes at least; `None` where nothing is known of it.
    pub fn cycles_per_hash(&self, kernel: KernelName) -> Option<f64> {
        match kernel {
            KernelName::ShaNi => Some(SHA_ROUNDS * self.sha_round_cycles),
            KernelName::Avx512 => Some(AVX512_OPERATIONS / AVX512_LANES / self.avx512_operations_per_cycle),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_the_measured_processors() {
        let of = |vendor: &str, family, model| {
            let text = format!("vendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: {model}\nmodel name\t: X\n");
            Processor::parse(&text).throughput()
        };
        let zen_4 = of("AuthenticAMD", 25, 17).unwrap();
        // 3.69 GHz over these are the 59 and 49.6 million hashes a second that the units could do at most.
        assert_eq!(zen_4.cycles_per_hash(KernelName::ShaNi), Some(62.0));
        let cycles = zen_4.cycles_per_hash(KernelName::Avx512).unwrap();
        assert!((3_690.0 / cycles - 49.6).abs() < 0.2, "{cycles}");
        assert_eq!(of("AuthenticAMD", 26, 1).unwrap().name, "Zen 5");
        assert_eq!(of("GenuineIntel", 6, 85), None);
        assert_eq!(zen_4.cycles_per_hash(KernelName::Scalar), None);
    }
}
