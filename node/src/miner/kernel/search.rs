//! What a kernel is asked: sixteen versions of one header times every nonce, and the target.

use chain_spec::{Header, ProofOfWork, Target};
use sha2::block_api::compress256;

use super::{super::VERSION_ROLLING_MASK, constants::INITIAL};

/// Versions of the header that share one nonce: what a 512-bit register holds.
pub const LANES: usize = 16;

/// The most nonces an SHA-256d kernel takes at once; every such kernel's batch divides it. The rest of a range is done one
/// by one.
pub const BATCH_NONCES_MAX: usize = 48;

/// Candidates whose last digest word passed a kernel's test, as indices into the [`Search`].
pub type Hits = Vec<u64>;

/// Sixteen versions of one header (BIP320 version rolling) times every nonce: 2³⁶ candidates, named by an index.
///
/// The index is `nonce * 16 + lane`. Lanes differ in the four lowest bits of [`VERSION_ROLLING_MASK`], which are in
/// the first 64 bytes of the header, so all sixteen share the second block and its message schedule.
#[derive(Clone, Debug)]
pub struct Search {
    header: Header,
    target: Target,
    proof_of_work: ProofOfWork,
    /// Ones where [`Target`]'s leading zero bits fall in the digest's last state word.
    mask: u32,
    /// State after the first 64 bytes: `midstates[word][lane]`.
    midstates: [[u32; LANES]; 8],
    /// The header's last 16 bytes without the nonce, as big-endian words: end of the Merkle root, time, bits.
    tail: [u32; 3],
}

impl Search {
    /// How many candidates a search has; indices are below it.
    pub const CANDIDATES: u64 = (LANES as u64) << 32;

    /// All nonces of `header` in sixteen versions; lane 0 is the header's own version. The nonce is ignored.
    pub fn new(header: Header, target: Target, proof_of_work: ProofOfWork) -> Search {
        let leading = u32::from_be_bytes(first_four(&target.to_be_bytes()));
        let ones = u32::MAX.checked_shr(leading.leading_zeros()).map_or(u32::MAX, |rest| !rest);
        let mask = ones.swap_bytes();
        let mut search = Search { header, target, proof_of_work, mask, midstates: [[0; LANES]; 8], tail: [0; 3] };
        for lane in 0..LANES {
            let bytes = Header { version: search.version(lane), ..header }.to_array();
            let mut state = INITIAL;
            let (blocks, rest) = bytes.as_chunks::<64>();
            compress256(&mut state, blocks);
            for (word, value) in state.into_iter().enumerate() {
                search.midstates[word][lane] = value;
            }
            let (words, _) = rest.as_chunks::<4>();
            search.tail = std::array::from_fn(|i| u32::from_be_bytes(words[i]));
        }
        search
    }

    /// Moves the header's time, in Unix seconds; candidates keep their indices.
    pub fn set_time(&mut self, time: u32) {
        self.header.time = time;
        self.tail[1] = time.swap_bytes();
    }

    /// What counts as work.
    pub fn proof_of_work(&self) -> ProofOfWork {
        self.proof_of_work
    }

    /// The target hits are confirmed against.
    pub fn target(&self) -> Target {
        self.target
    }

    /// The header of one candidate.
    pub fn header(&self, index: u64) -> Header {
        let lane = (index % LANES as u64) as usize;
        Header { version: self.version(lane), nonce: (index / LANES as u64) as u32, ..self.header }
    }

    /// Whether a candidate meets the whole target, by [`ProofOfWork::meets`] and no kernel.
    pub fn meets(&self, index: u64) -> bool {
        self.proof_of_work.meets(&self.header(index), self.target)
    }

    pub(super) fn mask(&self) -> u32 {
        self.mask
    }

    pub(super) fn midstates(&self) -> &[[u32; LANES]; 8] {
        &self.midstates
    }

    pub(super) fn tail(&self) -> [u32; 3] {
        self.tail
    }

    /// The header's version with the lane's four bits turned over.
    fn version(&self, lane: usize) -> i32 {
        self.header.version ^ ((lane as i32) << VERSION_ROLLING_MASK.trailing_zeros())
    }
}

fn first_four(bytes: &[u8; 32]) -> [u8; 4] {
    [bytes[0], bytes[1], bytes[2], bytes[3]]
}
