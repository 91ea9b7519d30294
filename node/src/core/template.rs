//! Block templates: what a miner should hash next. Packages of transactions are taken by the fee rate of what they need
//! (Core: ancestor score), until size or signature operations run out.

use super::chain_view::ChainView;
use super::chainstate::{Chainstate, Node};
use super::event::Time;
use super::mempool::{Entry, FeeRate, Pool};
use chain_spec::merkle::{coinbase_branch, root_from_branch};
use chain_spec::rules::block::BYTES_PER_SIGNATURE_OPERATION;
use chain_spec::rules::header::TIMEWARP_MAX_S;
use chain_spec::spec::Retarget;
use chain_spec::{
    Amount, Block, CheckedTransaction, CompactTarget, Encode, Header, Outpoint, Script, Transaction, TxIn, TxOut, Txid,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

/// Bytes of extranonce at the end of the coinbase script, zero in a template.
pub const EXTRANONCE_BYTES: usize = 8;
/// BIP9's version with no bit set; miners roll the bits of BIP320.
const VERSION: i32 = 0x2000_0000;
/// Packages in a row that do not fit before the rest is given up (Core: `MAX_CONSECUTIVE_FAILURES`).
const MISFITS_MAX: u32 = 1_000;

/// Bytes kept free for header, count and a miner's own coinbase (Core: `DEFAULT_BLOCK_RESERVED_WEIGHT`, 8,000 units of a
/// quarter byte).
const RESERVED_BYTES: usize = 2_000;
/// Signature operations kept free for a miner's own coinbase (Core: 400 units of a quarter).
const RESERVED_SIGNATURE_OPERATIONS: usize = 100;
/// On chains of tiny blocks, no more than this part is kept free.
const RESERVED_DIVISOR_MIN: usize = 10;

/// A block that lacks only its proof of work. Its coinbase script ends in eight zero bytes of extranonce.
#[derive(Clone, Debug)]
pub struct Template {
    /// The block: header with time, target and Merkle root filled in, coinbase first.
    pub block: Block,
    /// Height that the block will have.
    pub height: u32,
    /// What the transactions leave to the miner; the coinbase pays this and the subsidy.
    pub fees: Amount,
    /// The coinbase's value: subsidy and fees.
    pub coinbase_value: Amount,
    /// Earliest time the header may carry, Unix seconds.
    pub min_time_s: u32,
    /// The target the header must carry (also in `block.header.bits`).
    pub bits: CompactTarget,
    /// Signature operations of each transaction of the block by Bitcoin's legacy count, the coinbase's first.
    pub signature_operations: Vec<u32>,
    /// The transactions after the coinbase, in block order.
    pub transactions: Vec<TemplateTransaction>,
    /// The Merkle branch of the coinbase, from the leaves up: who changes the coinbase gets the new root from it.
    pub coinbase_branch: Vec<[u8; 32]>,
}

/// One transaction of a template, as `getblocktemplate` describes it.
#[derive(Clone, Debug)]
pub struct TemplateTransaction {
    /// A pooled transaction that the block holds.
    pub transaction: Arc<CheckedTransaction>,
    /// What it leaves to the miner.
    pub fee: Amount,
    /// By Bitcoin's legacy count.
    pub signature_operations: u32,
    /// Earlier transactions of this block that it spends from: positions in the block, so 1 is the first after the coinbase.
    pub depends: Vec<u32>,
}

/// What is left of a block while it is filled.
struct Room {
    bytes: usize,
    signature_operations: usize,
}

/// What templates are made from.
pub(super) struct TemplateSource<'a> {
    /// The chain whose tip, or another block, the template stands on.
    pub chain: &'a Chainstate,
    /// The transactions to choose from.
    pub pool: &'a Pool,
    /// Tells this node's coinbases from others'.
    pub seed: u64,
}

impl TemplateSource<'_> {
    /// A block to mine on the active tip that pays `payout`.
    pub(super) fn template(&self, payout: &Script, now: Time) -> Template {
        let coinbase = self.coinbase(self.chain.height() + 1, payout, Amount::MAX_MONEY);
        let chosen = select(self.pool, self.room(&coinbase));
        let chosen: Vec<_> = chosen.iter().map(|entry| (entry.transaction.clone(), entry.fee)).collect();
        self.assemble(self.chain.tip(), payout, &chosen, now)
    }

    /// A block to mine on any known block, holding exactly these transactions: what a private branch needs. `None` if the
    /// parent is not known. The fees of pooled transactions are claimed, others' are left. The caller answers for the
    /// transactions being valid there.
    pub(super) fn template_on(
        &self,
        parent: &chain_spec::BlockHash,
        payout: &Script,
        transactions: &[Arc<CheckedTransaction>],
        now: Time,
    ) -> Option<Template> {
        let parent = self.chain.find(parent)?;
        let fee = |txid: &Txid| self.pool.get(txid).map_or(Amount::ZERO, |entry| entry.fee);
        let chosen: Vec<_> =
            transactions.iter().map(|transaction| (transaction.clone(), fee(&transaction.txid()))).collect();
        Some(self.assemble(parent, payout, &chosen, now))
    }

    /// What header, count and coinbase leave. Who takes a template over RPC makes a coinbase of its own, perhaps a larger one.
    fn room(&self, coinbase: &Transaction) -> Room {
        let size_max = self.chain.spec().block_size_max;
        let operations_max = size_max / BYTES_PER_SIGNATURE_OPERATION;
        // The count of transactions takes at most five bytes in a block that fits any spec.
        let taken = Header::LEN + 5 + coinbase.encoded_len();
        let reserved = RESERVED_BYTES.min(size_max / RESERVED_DIVISOR_MIN);
        let reserved_operations = RESERVED_SIGNATURE_OPERATIONS.min(operations_max / RESERVED_DIVISOR_MIN);
        Room {
            bytes: size_max.saturating_sub(taken.max(reserved)),
            signature_operations: operations_max
                .saturating_sub(reserved_operations.max(coinbase.signature_operations() as usize)),
        }
    }

    fn coinbase(&self, height: u32, payout: &Script, value: Amount) -> Transaction {
        let mut script = Script::height_prefix(height);
        // Pushes, so that no extranonce can be read as signature operations. The tag keeps two miners with one payout apart,
        // and the number of stored blocks any block from those made here before: each of them was stored.
        script.push(8);
        script.extend_from_slice(&(self.seed as u32 ^ (self.seed >> 32) as u32).to_le_bytes());
        script.extend_from_slice(&(self.chain.stored_blocks() as u32).to_le_bytes());
        script.push(EXTRANONCE_BYTES as u8);
        script.extend_from_slice(&[0; EXTRANONCE_BYTES]);
        Transaction {
            version: 1,
            inputs: vec![TxIn { outpoint: Outpoint::NULL, script: Script::from_bytes(script), sequence: u32::MAX }],
            outputs: vec![TxOut { value, script: payout.clone() }],
            lock_time: 0,
        }
    }

    fn assemble(
        &self,
        above: &Node,
        payout: &Script,
        chosen: &[(Arc<CheckedTransaction>, Amount)],
        now: Time,
    ) -> Template {
        let height = above.height + 1;
        let fees = Amount::checked_sum(chosen.iter().map(|(_, fee)| *fee)).unwrap_or(Amount::ZERO);
        let coinbase_value = self.chain.spec().subsidy(height).checked_add(fees).unwrap_or(Amount::MAX_MONEY);
        let coinbase = self.coinbase(height, payout, coinbase_value);
        let bits = self.chain.required_target(above);
        let min_time_s = self.min_time_s(above);
        let now_s = u32::try_from(now.0 / 1_000).unwrap_or(u32::MAX);
        let mut txids = Vec::with_capacity(1 + chosen.len());
        txids.push(coinbase.txid());
        txids.extend(chosen.iter().map(|(transaction, _)| transaction.txid()));
        let coinbase_branch = coinbase_branch(&txids);
        let header = Header {
            version: VERSION,
            previous: above.hash,
            merkle_root: root_from_branch(txids[0], &coinbase_branch),
            time: now_s.max(min_time_s),
            bits,
            nonce: 0,
        };
        let mut signature_operations = vec![coinbase.signature_operations()];
        let mut block = Block { header, transactions: vec![coinbase] };
        let mut places: BTreeMap<Txid, u32> = BTreeMap::new();
        let mut transactions = Vec::with_capacity(chosen.len());
        for (transaction, fee) in chosen {
            let inputs = &transaction.transaction().inputs;
            let depends: BTreeSet<u32> =
                inputs.iter().filter_map(|input| places.get(&input.outpoint.txid)).copied().collect();
            places.insert(transaction.txid(), block.transactions.len() as u32);
            block.transactions.push(Transaction::clone(transaction.transaction()));
            let operations = transaction.transaction().signature_operations();
            signature_operations.push(operations);
            transactions.push(TemplateTransaction {
                transaction: transaction.clone(),
                fee: *fee,
                signature_operations: operations,
                depends: depends.into_iter().collect(),
            });
        }
        Template {
            block,
            height,
            fees,
            coinbase_value,
            min_time_s,
            bits,
            signature_operations,
            transactions,
            coinbase_branch,
        }
    }

    /// Earliest time a block on `parent` may carry: after the median, and not far before its parent where BIP94 says so.
    fn min_time_s(&self, node: &Node) -> u32 {
        let after_median = node.median_time_past_s.saturating_add(1);
        match self.chain.spec().retarget {
            Retarget::Epoch { interval } if self.chain.spec().bip94 && (node.height + 1).is_multiple_of(interval) => {
                after_median.max(node.header.time.saturating_sub(TIMEWARP_MAX_S))
            }
            _ => after_median,
        }
    }
}

/// What an entry's package is worth when some of what it needs is already chosen.
struct Remainder {
    size: usize,
    fees: Amount,
}

/// Chooses transactions for a block, in an order in which they can stand.
fn select(pool: &Pool, mut room: Room) -> Vec<&Entry> {
    let mut chosen: Vec<&Entry> = Vec::new();
    // Chosen, or found not to fit; what needs a misfit does not fit either.
    let (mut done, mut misfit): (BTreeSet<Txid>, BTreeSet<Txid>) = Default::default();
    let mut changed: BTreeMap<Txid, Remainder> = BTreeMap::new();
    let mut changed_order: BinaryHeap<(FeeRate, Reverse<u64>, Txid)> = BinaryHeap::new();
    let mut unchanged = pool.by_mining_rate().peekable();
    let mut misfits = 0;
    while misfits < MISFITS_MAX {
        while unchanged.next_if(|entry| is_settled(&entry.transaction.txid(), &done, &changed)).is_some() {}
        while changed_order.peek().is_some_and(|(rate, _, txid)| {
            done.contains(txid) || changed.get(txid).is_none_or(|now| rate_of(pool, txid, now) != *rate)
        }) {
            changed_order.pop();
        }
        let first_unchanged = unchanged.peek().map(|entry| (entry.mining_rate(), Reverse(entry.sequence())));
        let first_changed = changed_order.peek().map(|(rate, arrival, _)| (*rate, *arrival));
        let txid = match (first_unchanged, first_changed) {
            (None, None) => break,
            (unchanged_rate, changed_rate) if changed_rate > unchanged_rate => {
                changed_order.pop().map(|(_, _, txid)| txid)
            }
            _ => unchanged.next().map(|entry| entry.transaction.txid()),
        };
        let Some(txid) = txid else { break };
        let mut package = pool.ancestors(&txid);
        package.push(txid);
        let is_misfit = package.iter().any(|needed| misfit.contains(needed));
        package.retain(|needed| !done.contains(needed));
        let package: Vec<&Entry> = package.iter().filter_map(|txid| pool.get(txid)).collect();
        if is_misfit || !room.take(&package) {
            done.insert(txid);
            misfit.insert(txid);
            misfits += 1;
            continue;
        }
        misfits = 0;
        for entry in package {
            let taken = entry.transaction.txid();
            done.insert(taken);
            chosen.push(entry);
            for descendant in pool.descendants(&taken) {
                let Some(below) = pool.get(&descendant).filter(|_| !done.contains(&descendant)) else { continue };
                let remainder = changed
                    .entry(descendant)
                    .or_insert(Remainder { size: below.ancestor_size, fees: below.ancestor_fees });
                remainder.size -= entry.transaction.size();
                remainder.fees = remainder.fees.checked_sub(entry.modified_fee()).unwrap_or(Amount::ZERO);
                let rate = below.fee_rate().min(FeeRate::new(remainder.fees, remainder.size));
                changed_order.push((rate, Reverse(below.sequence()), descendant));
            }
        }
    }
    chosen
}

fn is_settled(txid: &Txid, done: &BTreeSet<Txid>, changed: &BTreeMap<Txid, Remainder>) -> bool {
    done.contains(txid) || changed.contains_key(txid)
}

fn rate_of(pool: &Pool, txid: &Txid, remainder: &Remainder) -> FeeRate {
    let own = pool.get(txid).map(Entry::fee_rate);
    let package = FeeRate::new(remainder.fees, remainder.size);
    own.map_or(package, |own| own.min(package))
}

impl Room {
    /// Takes a package's share, if there is that much left.
    fn take(&mut self, package: &[&Entry]) -> bool {
        let bytes: usize = package.iter().map(|entry| entry.transaction.size()).sum();
        let operations: usize = package.iter().map(|entry| entry.signature_operations as usize).sum();
        if bytes > self.bytes || operations > self.signature_operations {
            return false;
        }
        self.bytes -= bytes;
        self.signature_operations -= operations;
        true
    }
}
