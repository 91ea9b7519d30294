//! What benches and cross-crate tests measure on: chains made to order, with real proof of work and real signatures.
//!
//! [`ChainBuilder`] makes them; it knows the rules from [`chain_spec`] only, so that a node can be judged by it.

pub mod process;

use chain_spec::signature_hash::{SIGHASH_ALL, signature_hash};
use chain_spec::{
    Amount, Block, BlockHash, ChainSpec, CompactTarget, Header, Outpoint, PrivateKey, Script, Transaction, TxIn, TxOut,
    merkle, retarget,
};
use std::collections::VecDeque;
use std::sync::Arc;

/// Coins that are kept ready to be spent: beyond, a payment makes one output, below two.
const COINS_READY: usize = 4_000;
/// Keys that payments go to in turn: one after another, so that no two signatures checked together share their key.
const KEYS: usize = 1_000;
/// What each payment leaves to the miner.
const FEE: Amount = Amount::from_units(1_000);

/// A chain under construction, all of whose coins it has the keys of.
pub struct ChainBuilder {
    spec: Arc<ChainSpec>,
    keys: Vec<Key>,
    /// Outputs made so far.
    outputs: usize,
    /// The blocks so far, genesis first.
    pub blocks: Vec<Arc<Block>>,
    coins: VecDeque<Owned>,
    young: VecDeque<(u32, Owned)>,
    salt: u64,
}

/// A secret key, what unlocks with it, and what pays to it.
struct Key {
    secret: PrivateKey,
    public: Vec<u8>,
    script: Script,
}

impl Key {
    fn new(salt: u64, index: usize) -> Key {
        let mut bytes = [0x11; 32];
        bytes[..8].copy_from_slice(&salt.to_be_bytes());
        bytes[8..16].copy_from_slice(&index.to_be_bytes());
        let secret = PrivateKey::from_bytes(&bytes, true).expect("not zero and far below the group's order");
        let public = secret.public_key();
        Key { script: Script::pay_to_public_key_hash(&public.hash()), public: public.as_bytes().to_vec(), secret }
    }
}

/// A coin and which key it was paid to.
#[derive(Clone, Copy)]
struct Owned {
    outpoint: Outpoint,
    value: Amount,
    key: usize,
}

/// The headers below the next one, as the retarget rule asks for them.
struct Below<'a>(&'a [Arc<Block>]);

impl retarget::Ancestors for Below<'_> {
    fn height(&self) -> u32 {
        self.0.len() as u32 - 1
    }
    fn at(&self, height: u32) -> (u32, CompactTarget) {
        let header = &self.0[height as usize].header;
        (header.time, header.bits)
    }
    fn version(&self, height: u32) -> i32 {
        self.0[height as usize].header.version
    }
}

impl ChainBuilder {
    /// Starts at a chain's genesis. Two builders with different salts make different blocks.
    pub fn new(spec: Arc<ChainSpec>, salt: u64) -> ChainBuilder {
        let genesis = Arc::new(spec.genesis.clone());
        ChainBuilder {
            keys: (0..KEYS).map(|index| Key::new(salt, index)).collect(),
            outputs: 0,
            blocks: vec![genesis],
            coins: VecDeque::new(),
            young: VecDeque::new(),
            salt,
            spec,
        }
    }

    /// Another chain that shares this one's first `height` blocks.
    pub fn fork(&self, height: u32, salt: u64) -> ChainBuilder {
        let mut fork = ChainBuilder::new(Arc::clone(&self.spec), salt);
        fork.blocks = self.blocks[..=height as usize].to_vec();
        fork
    }

    /// The chain.
    pub fn spec(&self) -> &Arc<ChainSpec> {
        &self.spec
    }

    /// Hash of the last block.
    pub fn tip(&self) -> BlockHash {
        self.blocks[self.blocks.len() - 1].hash()
    }

    /// Coins that a payment could spend in the next block.
    pub fn coins_ready(&self) -> usize {
        self.coins.len()
    }

    /// One-input payments from ready coins to the builder's own keys, at most `count`; each makes one or two coins, which are
    /// ready for the next call.
    pub fn payments(&mut self, count: usize) -> Vec<Transaction> {
        let count = count.min(self.coins.len());
        let coins: Vec<Owned> = self.coins.drain(..count).collect();
        coins.into_iter().filter_map(|coin| self.payment(coin)).collect()
    }

    /// The key whose turn it is.
    fn next_key(&mut self) -> usize {
        self.outputs += 1;
        (self.outputs - 1) % KEYS
    }

    fn payment(&mut self, coin: Owned) -> Option<Transaction> {
        // A coin that would leave next to nothing is left alone: nodes do not forward dust.
        let rest = coin.value.checked_sub(FEE).filter(|rest| *rest >= FEE)?;
        let half = Amount::from_units(rest.units() / 2);
        let values = match self.coins.len() < COINS_READY && half > FEE.checked_mul(100)? {
            true => vec![half, rest.checked_sub(half)?],
            false => vec![rest],
        };
        Some(self.pay(coin, values))
    }

    /// One payment that makes `parts` equal coins of the oldest ready one; `None` when no coin is ready.
    pub fn split(&mut self, parts: u32) -> Option<Transaction> {
        let coin = self.coins.pop_front()?;
        let part = Amount::from_units(coin.value.checked_sub(FEE)?.units().checked_div(u64::from(parts))?);
        Some(self.pay(coin, vec![part; parts as usize]))
    }

    /// Spends a coin for coins of these values, all to the builder's own keys.
    fn pay(&mut self, coin: Owned, values: Vec<Amount>) -> Transaction {
        let keys: Vec<usize> = values.iter().map(|_| self.next_key()).collect();
        let made = values.iter().zip(&keys);
        let outputs =
            made.map(|(value, key)| TxOut { value: *value, script: self.keys[*key].script.clone() }).collect();
        let mut transaction = Transaction {
            version: 1,
            inputs: vec![TxIn { outpoint: coin.outpoint, script: Script::default(), sequence: u32::MAX }],
            outputs,
            lock_time: 0,
        };
        let Key { secret, public, script } = &self.keys[coin.key];
        let mut signature = secret.sign(&signature_hash(&transaction, 0, script, SIGHASH_ALL));
        signature.push(SIGHASH_ALL as u8);
        transaction.inputs[0].script = Script::unlock_public_key_hash(&signature, public);
        let txid = transaction.txid();
        for ((index, value), key) in (0..).zip(values).zip(keys) {
            self.coins.push_back(Owned { outpoint: Outpoint { txid, index }, value, key });
        }
        transaction
    }

    /// Mines a block that holds these transactions, which leave what payments made here leave to the miner.
    pub fn mine(&mut self, transactions: Vec<Transaction>) -> Arc<Block> {
        let height = self.blocks.len() as u32;
        let fees = FEE.checked_mul(transactions.len() as u64).expect("a block's fees are far below 2^64 units");
        let reward = self.spec.subsidy(height).checked_add(fees).expect("subsidy and fees are below the cap");
        let mut script = Script::height_prefix(height);
        script.extend_from_slice(&self.salt.to_le_bytes());
        let key = self.next_key();
        let coinbase = Transaction {
            version: 1,
            inputs: vec![TxIn { outpoint: Outpoint::NULL, script: Script::from_bytes(script), sequence: u32::MAX }],
            outputs: vec![TxOut { value: reward, script: self.keys[key].script.clone() }],
            lock_time: 0,
        };
        let mut all = vec![coinbase];
        all.extend(transactions);
        let txids: Vec<_> = all.iter().map(Transaction::txid).collect();
        let below = Below(&self.blocks);
        let parent = self.blocks[height as usize - 1].header;
        let header = Header {
            version: 0x2000_0000,
            previous: parent.hash(),
            merkle_root: merkle::merkle_root(&txids).0,
            time: (parent.time + self.spec.spacing_s.max(1)).max(retarget::median_time_past(&below) + 1),
            bits: retarget::required_target(&self.spec, &below),
            nonce: 0,
        };
        let block = Arc::new(Block { header: work(header), transactions: all });
        self.young.push_back((height, Owned { outpoint: Outpoint { txid: txids[0], index: 0 }, value: reward, key }));
        while self.young.front().is_some_and(|(made, _)| made + self.spec.coinbase_maturity <= height + 1) {
            let (_, coin) = self.young.pop_front().expect("looked at above");
            self.coins.push_back(coin);
        }
        self.blocks.push(Arc::clone(&block));
        block
    }

    /// Mines `count` blocks without payments.
    pub fn mine_empty(&mut self, count: usize) {
        for _ in 0..count {
            self.mine(Vec::new());
        }
    }

    /// Mines until the chain has `blocks` blocks above genesis and holds exactly `payments` one-input payments, spread as
    /// evenly as the coins at hand allow.
    pub fn mine_payments(&mut self, blocks: usize, payments: usize) {
        let mut left = payments;
        while self.blocks.len() <= blocks {
            let blocks_left = blocks + 1 - self.blocks.len();
            let transactions = self.payments(left.div_ceil(blocks_left));
            left -= transactions.len();
            self.mine(transactions);
        }
        assert_eq!(left, 0, "{blocks} blocks do not have coins for {payments} payments");
    }
}

/// Finds a nonce by trying, which is quick at the targets that benches use.
fn work(mut header: Header) -> Header {
    let target = header.bits.to_target().expect("the retarget rule gives a target");
    while !target.is_met_by(&header.hash()) {
        header.nonce = header.nonce.wrapping_add(1);
    }
    header
}

/// The chain that benches use unless they say otherwise: Bitcoin's regression-test chain, whose blocks take two hashes.
pub fn regtest() -> Arc<ChainSpec> {
    Arc::new(ChainSpec::builtin("bitcoin-regtest").expect("a built-in chain"))
}

/// User and system time of this process so far, seconds.
pub fn cpu_seconds() -> f64 {
    process_cpu_seconds("self").expect("this process has a /proc entry")
}

/// User and system time of a process so far, all its threads together, seconds; `None` when it is gone.
pub fn process_cpu_seconds(pid: &str) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let ticks: f64 = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    // USER_HZ is 100 on every Linux platform that Rust supports.
    Some(ticks / 100.0)
}

/// Processor time of the calling thread so far, seconds, to the nanosecond: neighbours on the machine do not count.
fn thread_cpu_seconds() -> f64 {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("this thread has a /proc entry");
    let nanoseconds = schedstat.split(' ').next().and_then(|text| text.parse::<f64>().ok());
    nanoseconds.expect("the first field is a number") / 1e9
}

/// Resident memory of a process, bytes; `None` when it is gone.
pub fn process_resident_bytes(pid: &str) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    statm.split(' ').nth(1)?.parse::<u64>().ok().map(|pages| pages * 4096)
}

/// Processor seconds that one k256 verification takes, public key decompressed beforehand: the unit in which validation
/// is measured. The median of several rounds, with all of `threads` at it at once: processors that share a core slow each
/// other, so a unit measured alone is smaller than what a program that uses them all can have.
pub fn verify_seconds(threads: usize) -> f64 {
    const ROUNDS: usize = 9;
    let round = |_| {
        let seconds = std::thread::scope(|scope| {
            let at_work: Vec<_> = (0..threads).map(|_| scope.spawn(verify_thread_seconds)).collect();
            at_work.into_iter().map(|thread| thread.join().expect("it does not panic")).sum::<f64>()
        });
        seconds / threads as f64
    };
    median((0..ROUNDS).map(round).collect())
}

/// [`verify_seconds`] of the calling thread, once.
fn verify_thread_seconds() -> f64 {
    use k256::ecdsa::signature::hazmat::{PrehashSigner as _, PrehashVerifier as _};
    use k256::ecdsa::{Signature, SigningKey};
    const SIGNATURES: usize = 400;
    let key = SigningKey::from_slice(&[7; 32]).expect("a scalar below the order");
    let digest = |index: usize| chain_spec::hash::sha256d(&index.to_le_bytes());
    let signatures: Vec<Signature> =
        (0..SIGNATURES).map(|index| key.sign_prehash(&digest(index)).expect("a digest of 32 bytes")).collect();
    let verifying = *key.verifying_key();
    let start = thread_cpu_seconds();
    for (index, signature) in signatures.iter().enumerate() {
        verifying.verify_prehash(&digest(index), signature).expect("just signed");
    }
    (thread_cpu_seconds() - start) / SIGNATURES as f64
}

/// How many threads the machine runs at once.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The benches' clock.
#[allow(clippy::disallowed_methods)] // Measuring time is what benches are for.
pub fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// The middle of several measurements.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain_spec::rules::block::check_block;

    #[test]
    fn a_built_chain_passes_the_context_free_rules_and_has_what_was_asked_for() {
        let mut builder = ChainBuilder::new(regtest(), 1);
        builder.mine_payments(130, 300);
        assert_eq!(builder.blocks.len(), 131);
        let payments: usize = builder.blocks[1..].iter().map(|block| block.transactions.len() - 1).sum();
        assert_eq!(payments, 300);
        for block in &builder.blocks[1..] {
            check_block(Arc::clone(block), builder.spec()).expect("a valid block");
        }
    }

    #[test]
    fn forks_share_their_beginning_only() {
        let mut first = ChainBuilder::new(regtest(), 1);
        first.mine_empty(5);
        let mut second = first.fork(3, 2);
        second.mine_empty(2);
        assert_eq!(first.blocks[3], second.blocks[3]);
        assert_ne!(first.blocks[4], second.blocks[4]);
    }
}
