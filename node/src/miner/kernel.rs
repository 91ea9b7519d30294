//! Kernels: each looks through a range of candidates of one [`Search`] and says which may meet the target.
//!
//! A kernel tests one 32-bit word of the digest against the target's leading zero bits; [`Kernel::scan`] confirms
//! what is left against the whole target with the `sha2` crate, so no kernel's word is taken for it.
//! There is one file for each kernel. `scalar` is the portable one and the slow model of the others; the others exist on
//! x86-64 only. This module and its children hold the miner's only `unsafe` code. There is no GPU kernel.

use std::{fmt, ops::Range, str::FromStr, sync::OnceLock};

use search::Hits;
pub use search::{BATCH_NONCES_MAX, LANES, Search};

#[cfg(target_arch = "x86_64")]
#[macro_use]
mod unrolled;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod batches;
mod constants;
mod scalar;
mod search;
#[cfg(target_arch = "x86_64")]
mod sha_ni;
mod tune;
#[cfg(target_arch = "x86_64")]
mod vector;

#[cfg(test)]
mod tests;

/// Appends the indices in a range whose last digest word passes the test; never misses one that meets the target.
type Scan = fn(&Search, Range<u64>, &mut Hits);

/// One way of arranging a kernel's work; which is fastest depends on the processor.
#[derive(Clone, Copy, Debug)]
struct Variant {
    /// How many hashes run side by side, for people.
    label: &'static str,
    scan: Scan,
}

/// A kernel's name, as `--kernel` takes it. Ordered from the one expected slowest to the one expected fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KernelName {
    /// Portable: the `sha2` crate's compression with a midstate.
    Scalar,
    /// AVX2: eight lanes of 32 bits.
    Avx2,
    /// The SHA extensions of x86: several interleaved streams.
    ShaNi,
    /// AVX-512: sixteen lanes of 32 bits, several streams.
    Avx512,
}

/// A kernel that cannot be used here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    /// No kernel has this name.
    #[error("unknown kernel {0:?}; this processor has: {available}", available = available_text())]
    Unknown(String),
    /// The processor lacks the instructions.
    #[error("this processor cannot run kernel {0}; it has: {available}", available = available_text())]
    Unsupported(KernelName),
}

impl KernelName {
    /// Every kernel, whatever the processor.
    pub const ALL: [KernelName; 4] = [KernelName::Scalar, KernelName::ShaNi, KernelName::Avx2, KernelName::Avx512];

    /// The kernels this processor can run, from the one expected slowest to the one expected fastest.
    pub fn available() -> Vec<KernelName> {
        let mut names: Vec<_> = KernelName::ALL.into_iter().filter(|name| !name.variants().is_empty()).collect();
        names.sort_unstable();
        names
    }

    /// The text of the name.
    pub fn as_str(self) -> &'static str {
        match self {
            KernelName::Scalar => "scalar",
            KernelName::ShaNi => "sha-ni",
            KernelName::Avx2 => "avx2",
            KernelName::Avx512 => "avx512",
        }
    }

    /// The forms of this kernel that the processor can run; none if it lacks the instructions.
    fn variants(self) -> &'static [Variant] {
        match self {
            KernelName::Scalar => &[Variant { label: "1 stream", scan: scalar::scan }],
            #[cfg(target_arch = "x86_64")]
            KernelName::ShaNi => sha_ni::variants(),
            #[cfg(target_arch = "x86_64")]
            KernelName::Avx2 => avx2::variants(),
            #[cfg(target_arch = "x86_64")]
            KernelName::Avx512 => avx512::variants(),
            #[cfg(not(target_arch = "x86_64"))]
            _ => &[],
        }
    }
}

impl fmt::Display for KernelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for KernelName {
    type Err = KernelError;

    fn from_str(text: &str) -> Result<KernelName, KernelError> {
        let found = KernelName::ALL.into_iter().find(|name| name.as_str() == text);
        found.ok_or_else(|| KernelError::Unknown(text.to_owned()))
    }
}

fn available_text() -> String {
    KernelName::available().iter().map(KernelName::to_string).collect::<Vec<_>>().join(", ")
}

/// A kernel this processor can run.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    name: KernelName,
    variant: Variant,
}

impl Kernel {
    /// The fastest kernel by self-timing, which takes about 50 ms a kernel the first time in a process.
    pub fn fastest() -> Kernel {
        static FASTEST: OnceLock<Kernel> = OnceLock::new();
        *FASTEST.get_or_init(|| tune::fastest(KernelName::available().into_iter().flat_map(Kernel::forms)))
    }

    /// The kernel of this name in the form that is fastest here by self-timing.
    pub fn named(name: KernelName) -> Result<Kernel, KernelError> {
        static FASTEST: [OnceLock<Kernel>; KernelName::ALL.len()] = [const { OnceLock::new() }; KernelName::ALL.len()];
        if name.variants().is_empty() {
            return Err(KernelError::Unsupported(name));
        }
        Ok(*FASTEST[name as usize].get_or_init(|| tune::fastest(Kernel::forms(name))))
    }

    /// The kernel expected to be fastest, without timing anything: for work too short to be worth it.
    pub fn untimed() -> Kernel {
        let mut forms = KernelName::available().into_iter().rev().flat_map(Kernel::forms);
        forms.next().expect("the scalar kernel runs everywhere")
    }

    /// The forms of one kernel that this processor can run; none if it lacks the instructions.
    pub fn forms(name: KernelName) -> impl Iterator<Item = Kernel> {
        name.variants().iter().map(move |&variant| Kernel { name, variant })
    }

    /// Its name.
    pub fn name(self) -> KernelName {
        self.name
    }

    /// How many hashes it runs side by side.
    pub fn form(self) -> &'static str {
        self.variant.label
    }

    /// Appends the candidates in `range` that meet the whole target to `hits`, in no particular order.
    /// Every candidate is tried exactly once; a range that goes past [`Search::CANDIDATES`] is cut there.
    pub fn scan(self, search: &Search, range: Range<u64>, hits: &mut Vec<u64>) {
        let start = hits.len();
        (self.variant.scan)(search, range.start..range.end.min(Search::CANDIDATES), hits);
        let mut at = start;
        while at < hits.len() {
            if search.meets(hits[at]) {
                at += 1;
            } else {
                hits.swap_remove(at);
            }
        }
    }
}
