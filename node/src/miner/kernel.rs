//! Kernels: each looks through a range of candidates of one [`Search`] and says which may meet the target.
//!
//! A kernel tests one 32-bit word of the digest against the target's leading zero bits; [`Kernel::scan`] confirms
//! what is left against the whole target with the crates `sha2` or `scrypt`, so no kernel's word is taken for it.
//! There is one file for each kernel. `scalar` is the portable one of SHA-256d and the slow model of the others;
//! `sha_ni`, `avx2` and `avx512` exist on x86-64, `neon` on 64-bit Arm. `scrypt` holds those of scrypt.
//! This module and its children hold the miner's only `unsafe` code. There is no GPU kernel.

use std::{fmt, ops::Range, str::FromStr};

use chain_spec::ProofOfWork;
use search::Hits;
pub use search::{BATCH_NONCES_MAX, LANES, Search};

#[macro_use]
mod unrolled;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod batches;
mod constants;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
mod scrypt;
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
    /// Hashes whose memory a thread needs at once; none but scrypt's need any worth mentioning.
    memories: usize,
    scan: Scan,
}

impl Variant {
    /// One that works in registers.
    const fn of_registers(label: &'static str, scan: Scan) -> Variant {
        Variant { label, memories: 0, scan }
    }
}

/// A kernel's name, as `--kernel` takes it. Ordered from the one expected slowest to the one expected fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KernelName {
    /// SHA-256d on any processor: the `sha2` crate's compression with a midstate.
    Scalar,
    /// SHA-256d with AVX2: eight lanes of 32 bits.
    Avx2,
    /// SHA-256d with the SHA extensions of x86: several interleaved streams.
    ShaNi,
    /// SHA-256d with AVX-512: sixteen lanes of 32 bits, several streams.
    Avx512,
    /// SHA-256d with the SHA-2 instructions of 64-bit Arm: several interleaved streams.
    Neon,
    /// scrypt on any processor.
    ScryptPortable,
    /// scrypt with AVX2: two hashes a register.
    ScryptAvx2,
    /// scrypt with AVX-512: four hashes a register.
    ScryptAvx512,
}

/// A kernel that cannot be used here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    /// No kernel has this name.
    #[error("unknown kernel {0:?}; this processor has: {available}", available = available_text(None))]
    Unknown(String),
    /// The processor lacks the instructions.
    #[error("this processor cannot run kernel {0}; it has: {available}", available = available_text(Some(.0.proof_of_work())))]
    Unsupported(KernelName),
    /// The chain's work is another.
    #[error(
        "kernel {name} does {}, but {} is needed; for that this processor has: {available}",
        name.proof_of_work().as_str(), needed.as_str(), available = available_text(Some(*needed))
    )]
    OtherProofOfWork {
        /// The kernel asked for.
        name: KernelName,
        /// The chain's proof of work.
        needed: ProofOfWork,
    },
}

impl KernelName {
    /// Every kernel, whatever the processor.
    pub const ALL: [KernelName; 8] = [
        KernelName::Scalar,
        KernelName::Avx2,
        KernelName::ShaNi,
        KernelName::Avx512,
        KernelName::Neon,
        KernelName::ScryptPortable,
        KernelName::ScryptAvx2,
        KernelName::ScryptAvx512,
    ];

    /// The kernels of a proof of work that this processor can run, from the one expected slowest to the one expected
    /// fastest.
    pub fn available(proof_of_work: ProofOfWork) -> Vec<KernelName> {
        let is_available = |name: &KernelName| name.proof_of_work() == proof_of_work && !name.variants().is_empty();
        KernelName::ALL.into_iter().filter(is_available).collect()
    }

    /// What it computes.
    pub fn proof_of_work(self) -> ProofOfWork {
        match self {
            KernelName::Scalar | KernelName::Avx2 | KernelName::ShaNi | KernelName::Avx512 | KernelName::Neon => {
                ProofOfWork::Sha256d
            }
            KernelName::ScryptPortable | KernelName::ScryptAvx2 | KernelName::ScryptAvx512 => ProofOfWork::Scrypt,
        }
    }

    /// The text of the name.
    pub fn as_str(self) -> &'static str {
        match self {
            KernelName::Scalar => "scalar",
            KernelName::Avx2 => "avx2",
            KernelName::ShaNi => "sha-ni",
            KernelName::Avx512 => "avx512",
            KernelName::Neon => "neon",
            KernelName::ScryptPortable => "scrypt-portable",
            KernelName::ScryptAvx2 => "scrypt-avx2",
            KernelName::ScryptAvx512 => "scrypt-avx512",
        }
    }

    /// The forms of this kernel that the processor can run; none if it lacks the instructions.
    fn variants(self) -> &'static [Variant] {
        match self {
            KernelName::Scalar => &[const { Variant::of_registers("1 stream", scalar::scan) }],
            KernelName::ScryptPortable => scrypt::portable_variants(),
            #[cfg(target_arch = "x86_64")]
            KernelName::ShaNi => sha_ni::variants(),
            #[cfg(target_arch = "x86_64")]
            KernelName::Avx2 => avx2::variants(),
            #[cfg(target_arch = "x86_64")]
            KernelName::Avx512 => avx512::variants(),
            #[cfg(target_arch = "x86_64")]
            KernelName::ScryptAvx2 => scrypt::x86::avx2_variants(),
            #[cfg(target_arch = "x86_64")]
            KernelName::ScryptAvx512 => scrypt::x86::avx512_variants(),
            #[cfg(target_arch = "aarch64")]
            KernelName::Neon => neon::variants(),
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

/// The names of the kernels that run here, of one proof of work or of all.
fn available_text(proof_of_work: Option<ProofOfWork>) -> String {
    let every = ProofOfWork::ALL.into_iter().filter(|pow| proof_of_work.is_none_or(|asked| asked == *pow));
    every.flat_map(KernelName::available).map(KernelName::as_str).collect::<Vec<_>>().join(", ")
}

/// A kernel this processor can run.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    name: KernelName,
    variant: Variant,
}

impl Kernel {
    /// The fastest kernel with `threads` of them at work, since threads that share a core's units want another one than a
    /// thread alone. Found by self-timing, which takes about 25 ms a form the first time in a process.
    pub fn fastest(proof_of_work: ProofOfWork, threads: usize) -> Kernel {
        tune::fastest_of(&KernelName::available(proof_of_work), threads)
    }

    /// The kernel of this name in the form that is fastest here by self-timing, one thread at work.
    ///
    /// # Errors
    /// The processor lacks its instructions.
    pub fn named(name: KernelName) -> Result<Kernel, KernelError> {
        if name.variants().is_empty() {
            return Err(KernelError::Unsupported(name));
        }
        Ok(tune::fastest_of(&[name], 1))
    }

    /// As [`Kernel::named`], for a chain with this proof of work.
    ///
    /// # Errors
    /// The processor lacks its instructions, or the kernel does another proof of work.
    pub fn named_for(name: KernelName, proof_of_work: ProofOfWork) -> Result<Kernel, KernelError> {
        if name.proof_of_work() != proof_of_work {
            return Err(KernelError::OtherProofOfWork { name, needed: proof_of_work });
        }
        Kernel::named(name)
    }

    /// The kernel expected to be fastest, without timing anything: for work too short to be worth it.
    pub fn untimed(proof_of_work: ProofOfWork) -> Kernel {
        let mut forms = KernelName::available(proof_of_work).into_iter().rev().flat_map(Kernel::forms);
        forms.next().expect("one kernel of each proof of work runs everywhere")
    }

    /// The forms of one kernel that this processor can run; none if it lacks the instructions.
    pub fn forms(name: KernelName) -> impl Iterator<Item = Kernel> {
        name.variants().iter().map(move |&variant| Kernel { name, variant })
    }

    /// The name by which `--kernel` chooses it.
    pub fn name(self) -> KernelName {
        self.name
    }

    /// How many hashes it runs side by side.
    pub fn form(self) -> &'static str {
        self.variant.label
    }

    /// Candidates that every form does without a remainder; what is looked through at once should be a multiple of it.
    pub fn batch(self) -> u64 {
        match self.name.proof_of_work() {
            ProofOfWork::Sha256d => (LANES * BATCH_NONCES_MAX) as u64,
            ProofOfWork::Scrypt => scrypt::BATCH,
        }
    }

    /// Bytes of memory that each thread works in, besides a few kilobytes: what scrypt fills.
    pub fn memory_bytes(self) -> usize {
        self.variant.memories * scrypt::BYTES_PER_HASH
    }

    /// Appends the candidates in `range` that meet the whole target to `hits`, in no particular order.
    /// Every candidate is tried exactly once; a range that goes past [`Search::CANDIDATES`] is cut there. `search` must
    /// be of the kernel's proof of work: with another one, nothing is found.
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
