//! What tests build with: an easy chain, keys, payments, blocks, and nodes that perform their own store outputs.

use crate::core::event::{Accepted, BlockOverride, CallId, Input, Output, Submission, SubmissionLimits, Time};
use crate::core::rejection::Rejection;
use crate::core::store::StoreError;
use crate::core::store::memory::MemoryStore;
use crate::core::{Config, Core};
use chain_spec::fixture::{self, coinbase_of, root_of, sign_with, unsigned};
use chain_spec::signature_hash::SIGHASH_ALL;
use chain_spec::spec::FUTURE_MAX_S;
use chain_spec::spec::Retarget;
use chain_spec::{
    Amount, Block, BlockHash, ChainSpec, Coin, CompactTarget, Header, Outpoint, PrivateKey, Script, Transaction, TxOut,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Coins the genesis block gives to [`key`]`(0)`.
pub(crate) const GENESIS_COINS: u32 = 40;

/// A chain where every second hash is a block, coinbases mature in two, and genesis funds key 0.
pub(crate) fn spec() -> Arc<ChainSpec> {
    let mut spec = ChainSpec::builtin("local").unwrap();
    spec.retarget = Retarget::Fixed;
    spec.future_max_s = FUTURE_MAX_S;
    spec.initial_target = CompactTarget::from_bits(0x207f_ffff);
    let output = TxOut { value: Amount::from_units(10 * Amount::COIN.units()), script: lock(0) };
    spec.genesis.transactions[0].outputs = vec![output; GENESIS_COINS as usize];
    spec.genesis.header.merkle_root = root_of(&spec.genesis.transactions);
    Arc::new(spec)
}

/// A key by number.
pub(crate) fn key(number: u8) -> PrivateKey {
    fixture::key(number + 1)
}

/// The script that pays a key.
pub(crate) fn lock(number: u8) -> Script {
    fixture::pay_to(number + 1)
}

/// The `index`-th of the genesis block's coins.
pub(crate) fn genesis_coin(spec: &ChainSpec, index: u32) -> (Outpoint, Coin) {
    spec.genesis_coins()[index as usize].clone()
}

/// Spends coins of one key into outputs, signed.
pub(crate) fn spend(coins: &[Outpoint], from: u8, outputs: &[(u64, u8)]) -> Arc<Transaction> {
    spend_at(coins, from, outputs, 0)
}

/// The same, with a lock time.
pub(crate) fn spend_at(coins: &[Outpoint], from: u8, outputs: &[(u64, u8)], lock_time: u32) -> Arc<Transaction> {
    let output = |(units, to): &(u64, u8)| TxOut { value: Amount::from_units(*units), script: lock(*to) };
    let mut transaction = unsigned(coins, outputs.iter().map(output).collect());
    transaction.lock_time = lock_time;
    if lock_time > 0 {
        transaction.inputs.iter_mut().for_each(|input| input.sequence = 0);
    }
    sign(&mut transaction, from);
    Arc::new(transaction)
}

/// Signs all inputs with one key.
pub(crate) fn sign(transaction: &mut Transaction, from: u8) {
    for place in 0..transaction.inputs.len() {
        sign_with(transaction, place, &key(from), SIGHASH_ALL as u8);
    }
}

/// An output of a transaction.
pub(crate) fn outpoint(transaction: &Transaction, index: u32) -> Outpoint {
    Outpoint { txid: transaction.txid(), index }
}

/// Fills in the Merkle root and finds a nonce.
pub(crate) fn solve(mut block: Block) -> Arc<Block> {
    block.header.merkle_root = root_of(&block.transactions);
    block.header = fixture::solve(block.header);
    Arc::new(block)
}

/// A block on any header, with a coinbase that pays key 9; `tag` tells siblings apart.
pub(crate) fn block_on(
    parent: &Header,
    height: u32,
    transactions: &[Arc<Transaction>],
    reward: u64,
    tag: u64,
    spec: &ChainSpec,
) -> Arc<Block> {
    let extra = [&[8], &tag.to_le_bytes()[..]].concat();
    let coinbase = coinbase_of(height, &extra, vec![TxOut { value: Amount::from_units(reward), script: lock(9) }]);
    let header = Header {
        version: 0x2000_0000,
        previous: parent.hash(),
        merkle_root: Default::default(),
        time: parent.time + 1,
        bits: spec.initial_target,
        nonce: 0,
    };
    let all = std::iter::once(coinbase).chain(transactions.iter().map(|transaction| (**transaction).clone()));
    solve(Block { header, transactions: all.collect() })
}

/// One transaction, submitted without limits.
pub(crate) fn submission(call: CallId, transaction: &Arc<Transaction>) -> Input {
    let (transaction, limits) = (transaction.clone(), SubmissionLimits::default());
    Input::Submit { transactions: vec![Submission { call, transaction, limits }] }
}

/// A core with its store and its clock.
pub(crate) struct Node {
    pub(crate) core: Core,
    pub(crate) store: MemoryStore,
    pub(crate) now: Time,
    next_call: u64,
}

/// When tests begin: an hour after genesis.
pub(crate) fn start(spec: &ChainSpec) -> Time {
    Time((u64::from(spec.genesis.header.time) + 3_600) * 1_000)
}

/// Headers without a body that a test node keeps beside the best header chain.
pub(crate) const HEADERS_ASIDE_MAX: usize = 64;

/// Small bounds, so that tests reach them.
pub(crate) fn config(seed: u64) -> Config {
    Config {
        coin_cache_bytes_max: 1 << 20,
        mempool_bytes_max: 1 << 20,
        fee_rate_min: 1_000,
        headers_aside_max: HEADERS_ASIDE_MAX,
        seed,
        ..Config::default()
    }
}

impl Node {
    pub(crate) fn new(spec: &Arc<ChainSpec>, seed: u64) -> Node {
        Node::with(spec, config(seed), MemoryStore::new()).unwrap()
    }

    /// Opens a core on a store.
    pub(crate) fn with(spec: &Arc<ChainSpec>, config: Config, mut store: MemoryStore) -> Result<Node, StoreError> {
        let (loaded, now) = (store.load(), start(spec));
        let (core, outputs) = Core::open(spec.clone(), config, Box::new(store.clone()), loaded, now)?;
        perform(&mut store, &outputs)?;
        Ok(Node { core, store, now, next_call: 0 })
    }

    /// Takes an input, performs the store outputs, and returns all.
    pub(crate) fn try_handle(&mut self, input: Input) -> Result<Vec<Output>, StoreError> {
        let outputs = self.core.handle(self.now, input)?;
        perform(&mut self.store, &outputs)?;
        Ok(outputs)
    }

    pub(crate) fn handle(&mut self, input: Input) -> Vec<Output> {
        self.try_handle(input).unwrap()
    }

    pub(crate) fn answered(&mut self, input: impl FnOnce(CallId) -> Input) -> Result<Accepted, Rejection> {
        let call = CallId(self.next_call);
        self.next_call += 1;
        let mut outputs = self.handle(input(call));
        loop {
            let answers = outputs.into_iter().filter_map(|output| match output {
                Output::Answer { call: answered, result } if answered == call => Some(result),
                _ => None,
            });
            let answers: Vec<_> = answers.collect();
            if let Some(answer) = answers.first() {
                assert_eq!(answers.len(), 1, "one answer for each call");
                return answer.clone();
            }
            assert!(self.core.has_pending(), "no answer, and nothing to wait for");
            outputs = self.handle(Input::Tick);
        }
    }

    pub(crate) fn submit(&mut self, block: &Arc<Block>) -> Result<Accepted, Rejection> {
        self.answered(|call| Input::SubmitBlock { call, block: block.clone() })
    }

    pub(crate) fn pay(&mut self, transaction: &Arc<Transaction>) -> Result<Accepted, Rejection> {
        self.answered(|call| submission(call, transaction))
    }

    pub(crate) fn prioritise(&mut self, txid: chain_spec::Txid, fee_delta: i64) {
        assert_eq!(self.answered(|call| Input::Prioritise { call, txid, fee_delta }), Ok(Accepted::Prioritised));
    }

    pub(crate) fn override_block(&mut self, block: BlockHash, change: BlockOverride) -> Result<Accepted, Rejection> {
        self.answered(|call| Input::OverrideBlock { call, block, change })
    }

    /// Mines a template and submits it.
    pub(crate) fn mine(&mut self) -> Arc<Block> {
        let template = self.core.template(&lock(9), self.now);
        let block = solve(template.block);
        assert_eq!(self.submit(&block), Ok(Accepted::Active), "every template connects");
        block
    }

    pub(crate) fn tip(&self) -> BlockHash {
        self.core.tip().hash
    }

    /// All coins, unflushed ones included.
    pub(crate) fn coins(&self) -> BTreeMap<Outpoint, Coin> {
        let mut coins = BTreeMap::new();
        let mut last = None;
        self.core
            .for_each_coin(&mut |outpoint, coin| {
                assert!(last < Some(outpoint), "key order");
                last = Some(outpoint);
                coins.insert(outpoint, coin);
            })
            .unwrap();
        coins
    }

    /// Txids of the mempool in order of arrival.
    pub(crate) fn pool(&self) -> Vec<chain_spec::Txid> {
        self.core.mempool().entries().map(|entry| entry.transaction.txid()).collect()
    }

    /// Stops, and opens again on what the store holds.
    pub(crate) fn restart(mut self) -> Node {
        self.handle(Input::Stop);
        self.crash()
    }

    /// Opens again on what the store holds, as after kill -9.
    pub(crate) fn crash(self) -> Node {
        Node::with(self.core.spec(), self.core.config().clone(), self.store.fork()).unwrap()
    }
}

/// Performs store outputs in order.
pub(crate) fn perform(store: &mut MemoryStore, outputs: &[Output]) -> Result<(), StoreError> {
    for output in outputs {
        if output.is_for_store() {
            store.perform(output)?;
        }
    }
    Ok(())
}
