//! A scripted node for the wallet's tests: JSON-RPC over a real socket, a chain in memory with the easiest proof of work.
//!
//! It checks transactions by the consensus rules, signatures included, so that what the wallet sends is judged.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine;
use chain_spec::rules::spend::{BlockContext, Coins, SignatureEncoding, check_input_script, check_spends};
use chain_spec::{
    Address, Amount, Block, BlockHash, ChainSpec, Coin, Decode, Encode, Header, Outpoint, Script, Transaction, TxOut,
    Txid,
};
use kit::fixture;
use serde_json::{Value, json};

/// Unconfirmed transactions in a row that the mempool takes, as Core does.
const ANCESTORS_MAX: usize = 25;
const COOKIE: &str = "__cookie__:0123456789abcdef";

/// Called before each answer, with the method's name: lets a test change the chain under the wallet's hands.
pub type Hook = Box<dyn FnMut(&str, &mut Chain) + Send>;

/// The node's chain and mempool.
pub struct Chain {
    pub spec: ChainSpec,
    pub blocks: Vec<Block>,
    /// Where each of them is.
    heights: HashMap<BlockHash, usize>,
    pub mempool: BTreeMap<Txid, Transaction>,
    /// Methods called so far, each with its count.
    pub calls: BTreeMap<String, usize>,
    hook: Option<Hook>,
    /// Methods that answer with an error whatever they are asked: code and message.
    pub failures: BTreeMap<String, (i64, String)>,
    /// Methods that answer with this whatever they are asked.
    pub lies: BTreeMap<String, Value>,
    /// Whether `sendrawtransaction` says that it refuses what it takes.
    pub refuses_but_keeps: bool,
    /// Whether the mempool takes a transaction in exchange for those it conflicts with (BIP125's rules 3 and 4).
    pub replaces: bool,
    /// Coinbases made so far: keeps those of rival branches apart.
    coinbases: u64,
}

struct CoinView(BTreeMap<Outpoint, Coin>);

impl Coins for CoinView {
    fn coin(&self, outpoint: &Outpoint) -> Option<&Coin> {
        self.0.get(outpoint)
    }
    fn median_time_past_before(&self, _height: u32) -> u32 {
        0
    }
}

impl Chain {
    pub fn height(&self) -> u32 {
        self.blocks.len() as u32 - 1
    }

    /// Coins of the active chain and the mempool.
    fn coins(&self) -> CoinView {
        let mut coins: BTreeMap<Outpoint, Coin> = self.spec.genesis_coins().into_iter().collect();
        let pending = self.mempool.values().map(|transaction| (self.height() + 1, transaction));
        let mined =
            (0..).zip(&self.blocks).skip(1).flat_map(|(h, block)| block.transactions.iter().map(move |t| (h, t)));
        let mut spent = Vec::new();
        for (height, transaction) in mined.chain(pending) {
            let (txid, is_coinbase) = (transaction.txid(), transaction.is_coinbase());
            spent.extend(transaction.inputs.iter().map(|input| input.outpoint));
            for (index, output) in (0..).zip(&transaction.outputs) {
                coins.insert(Outpoint { txid, index }, Coin { output: output.clone(), height, is_coinbase });
            }
        }
        spent.iter().for_each(|outpoint| drop(coins.remove(outpoint)));
        CoinView(coins)
    }

    /// Mines the mempool, in an order that puts parents first, and pays the subsidy to `to`.
    pub fn mine(&mut self, to: &Script) {
        let mut transactions = vec![self.coinbase(to)];
        let mut waiting: Vec<Transaction> = std::mem::take(&mut self.mempool).into_values().collect();
        while !waiting.is_empty() {
            let ids: Vec<Txid> = waiting.iter().map(Transaction::txid).collect();
            let (later, now): (Vec<_>, Vec<_>) =
                waiting.into_iter().partition(|t| t.inputs.iter().any(|input| ids.contains(&input.outpoint.txid)));
            transactions.extend(now);
            waiting = later;
        }
        self.mine_exactly(transactions);
    }

    pub fn coinbase(&mut self, to: &Script) -> Transaction {
        self.coinbases += 1;
        let output = TxOut { value: self.spec.subsidy(self.height() + 1), script: to.clone() };
        fixture::coinbase_of(self.height() + 1, &self.coinbases.to_le_bytes(), vec![output])
    }

    pub fn mine_exactly(&mut self, transactions: Vec<Transaction>) {
        let tip = self.blocks.last().unwrap();
        let header = fixture::solve(Header {
            version: 4,
            previous: tip.hash(),
            merkle_root: fixture::root_of(&transactions),
            time: tip.header.time + 2,
            bits: self.spec.target_limit.to_compact(),
            nonce: 0,
        });
        self.heights.insert(header.hash(), self.blocks.len());
        self.blocks.push(Block { header, transactions });
    }

    /// Takes the last `depth` blocks away; their transactions are lost unless a test puts them back.
    pub fn disconnect(&mut self, depth: usize) -> Vec<Block> {
        let undone = self.blocks.split_off(self.blocks.len() - depth);
        self.heights.retain(|_, height| *height < self.blocks.len());
        undone
    }

    /// Gives the tip a nonce under which its hash misses the target.
    pub fn forge_tip(&mut self) {
        let height = self.blocks.len() - 1;
        let tip = self.blocks.last_mut().unwrap();
        while self.spec.target_limit.is_met_by(&tip.header.hash()) {
            tip.header.nonce += 1;
        }
        self.heights.insert(tip.hash(), height);
    }

    /// Puts a transaction into the mempool without judging it.
    pub fn pool(&mut self, transaction: &Transaction) {
        self.mempool.insert(transaction.txid(), transaction.clone());
    }

    fn submit(&mut self, transaction: Transaction) -> Result<Txid, (i64, String)> {
        if !self.replaces {
            return self.accept(transaction);
        }
        let spent: Vec<Outpoint> = transaction.inputs.iter().map(|input| input.outpoint).collect();
        let rivals: Vec<Txid> = self
            .mempool
            .iter()
            .filter(|(_, pooled)| pooled.inputs.iter().any(|input| spent.contains(&input.outpoint)))
            .map(|(txid, _)| *txid)
            .filter(|txid| *txid != transaction.txid())
            .collect();
        let before = self.mempool.clone();
        let (evicted, replaced) = self.evict(rivals);
        let size = transaction.encoded_len() as u64;
        let outcome = self.accept(transaction);
        let fee = outcome.as_ref().ok().map_or(0, |txid| self.fee_in(&before, *txid));
        let outcome = match outcome {
            Ok(_) if evicted > 0 && fee < replaced + size => Err((-26, "insufficient fee".into())),
            other => other,
        };
        if outcome.is_err() {
            self.mempool = before;
        }
        outcome
    }

    /// Takes transactions and their descendants out of the mempool; gives how many and their fees.
    fn evict(&mut self, mut waiting: Vec<Txid>) -> (usize, u64) {
        let (before, mut count, mut fees) = (self.mempool.clone(), 0, 0);
        while let Some(txid) = waiting.pop() {
            if self.mempool.remove(&txid).is_some() {
                (count, fees) = (count + 1, fees + self.fee_in(&before, txid));
                let children = self.mempool.iter().filter(|(_, t)| t.inputs.iter().any(|i| i.outpoint.txid == txid));
                waiting.extend(children.map(|(child, _)| *child));
            }
        }
        (count, fees)
    }

    /// The fee of a pooled transaction, whose parents are in a block or in `pool`.
    fn fee_in(&self, pool: &BTreeMap<Txid, Transaction>, txid: Txid) -> u64 {
        let mined = self.blocks.iter().flat_map(|block| &block.transactions);
        let known: HashMap<Txid, &Transaction> =
            mined.chain(pool.values()).chain(self.mempool.values()).map(|t| (t.txid(), t)).collect();
        let transaction = known[&txid];
        let value = |outpoint: &Outpoint| known[&outpoint.txid].outputs[outpoint.index as usize].value.units();
        let spent: u64 = transaction.inputs.iter().map(|input| value(&input.outpoint)).sum();
        spent - transaction.outputs.iter().map(|output| output.value.units()).sum::<u64>()
    }

    fn accept(&mut self, transaction: Transaction) -> Result<Txid, (i64, String)> {
        let txid = transaction.txid();
        let place = BlockContext { height: self.height() + 1, median_time_past_s: 0, block_time_s: 0 };
        let refuse = |error: String| (-26, error);
        let (coins, fee) = check_spends(&transaction, txid, &self.spec, place, &self.coins())
            .map_err(|error| refuse(error.to_string()))?;
        for (input, coin) in coins.iter().enumerate() {
            check_input_script(&transaction, input, coin, SignatureEncoding::Strict)
                .map_err(|error| refuse(error.to_string()))?;
        }
        if (fee.units() as usize) < transaction.encoded_len() {
            return Err(refuse("min relay fee not met".into()));
        }
        let is_dust = |output: &TxOut| output.value < Amount::from_units(546) && !output.script.is_unspendable();
        if transaction.outputs.iter().any(is_dust) {
            return Err(refuse("dust".into()));
        }
        if self.ancestors(&transaction) > ANCESTORS_MAX {
            return Err(refuse("too-long-mempool-chain".into()));
        }
        self.mempool.insert(txid, transaction);
        Ok(txid)
    }

    /// Unconfirmed transactions a transaction depends on, and itself.
    fn ancestors(&self, transaction: &Transaction) -> usize {
        let mut found = BTreeSet::new();
        let mut waiting = vec![transaction];
        while let Some(next) = waiting.pop() {
            if found.insert(next.txid()) {
                waiting.extend(next.inputs.iter().filter_map(|input| self.mempool.get(&input.outpoint.txid)));
            }
        }
        found.len()
    }

    fn answer(&mut self, method: &str, params: &Value) -> Result<Value, (i64, String)> {
        *self.calls.entry(method.to_owned()).or_default() += 1;
        if let Some(mut hook) = self.hook.take() {
            hook(method, self);
            self.hook.get_or_insert(hook);
        }
        if let Some(failure) = self.failures.get(method) {
            return Err(failure.clone());
        }
        if let Some(lie) = self.lies.get(method) {
            return Ok(lie.clone());
        }
        let text = |index: usize| params[index].as_str().unwrap_or_default().to_owned();
        match method {
            "getblockcount" => Ok(json!(self.height())),
            "getbestblockhash" => Ok(json!(self.blocks.last().unwrap().hash().to_string())),
            "getblockchaininfo" => Ok(json!({ "chain": self.spec.name, "blocks": self.height() })),
            "getblockhash" => match self.blocks.get(params[0].as_u64().unwrap() as usize) {
                Some(block) => Ok(json!(block.hash().to_string())),
                None => Err((-8, "Block height out of range".into())),
            },
            "getblock" => match text(0).parse().ok().and_then(|hash: BlockHash| self.heights.get(&hash)) {
                Some(&height) => Ok(json!(hex::encode(self.blocks[height].to_bytes()))),
                None => Err((-5, "Block not found".into())),
            },
            "getrawmempool" => Ok(json!(self.mempool.keys().map(Txid::to_string).collect::<Vec<_>>())),
            "getrawtransaction" => match text(0).parse().ok().and_then(|txid: Txid| self.mempool.get(&txid)) {
                Some(transaction) => Ok(json!(hex::encode(transaction.to_bytes()))),
                None => Err((-5, "No such mempool transaction".into())),
            },
            "getmempoolentry" => {
                let txid: Txid = text(0).parse().unwrap();
                match self.mempool.get(&txid) {
                    Some(transaction) => Ok(json!({
                        "ancestorsize": transaction.encoded_len(),
                        "fees": { "ancestor": self.fee_in(&self.mempool, txid) as f64 / 1e8 },
                    })),
                    None => Err((-5, "Transaction not in mempool".into())),
                }
            }
            "estimatesmartfee" => Ok(json!({ "feerate": 0.00005, "blocks": params[0] })),
            "sendrawtransaction" => {
                let bytes = hex::decode(text(0)).unwrap();
                let taken = self.submit(Transaction::from_bytes(&bytes).unwrap())?;
                if self.refuses_but_keeps { Err((-26, "no".into())) } else { Ok(json!(taken.to_string())) }
            }
            _ => Err((-32601, "Method not found".into())),
        }
    }
}

struct Shared {
    chain: Mutex<Chain>,
    changed: Condvar,
    ending: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

/// A running fake node. Its socket, threads and files are gone when it is dropped.
pub struct FakeNode {
    shared: Arc<Shared>,
    address: std::net::SocketAddr,
    directory: tempfile::TempDir,
    thread: Option<JoinHandle<()>>,
}

impl FakeNode {
    pub fn start(spec: ChainSpec) -> FakeNode {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let blocks = vec![spec.genesis.clone()];
        let chain = Chain {
            heights: HashMap::from([(spec.genesis_hash(), 0)]),
            spec,
            blocks,
            mempool: BTreeMap::new(),
            calls: BTreeMap::new(),
            hook: None,
            failures: BTreeMap::new(),
            lies: BTreeMap::new(),
            refuses_but_keeps: false,
            replaces: false,
            coinbases: 0,
        };
        let shared = Arc::new(Shared {
            chain: Mutex::new(chain),
            changed: Condvar::new(),
            ending: AtomicBool::new(false),
            connections: Mutex::new(Vec::new()),
        });
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(".cookie"), COOKIE).unwrap();
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || accept(&listener, &shared)
        });
        FakeNode { shared, address, directory, thread: Some(thread) }
    }

    pub fn local() -> FakeNode {
        FakeNode::start(ChainSpec::builtin("local").unwrap())
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn cookie(&self) -> PathBuf {
        self.directory.path().join(".cookie")
    }

    pub fn client(&self) -> wallet::Client {
        wallet::Client::new(&self.url(), wallet::Auth::Cookie(self.cookie())).unwrap()
    }

    pub fn chain(&self) -> MutexGuard<'_, Chain> {
        self.shared.chain.lock().unwrap()
    }

    /// Mines `count` blocks to nobody in particular.
    pub fn mine(&self, count: usize) {
        self.mine_to(count, &Script::pay_to_public_key_hash(&[0xAA; 20]));
    }

    pub fn mine_to(&self, count: usize, to: &Script) {
        let mut chain = self.chain();
        (0..count).for_each(|_| chain.mine(to));
        self.shared.changed.notify_all();
    }

    pub fn mine_to_address(&self, count: usize, to: &Address) {
        self.mine_to(count, &to.script());
    }

    pub fn set_hook(&self, hook: impl FnMut(&str, &mut Chain) + Send + 'static) {
        self.chain().hook = Some(Box::new(hook));
    }

    pub fn calls(&self, method: &str) -> usize {
        self.chain().calls.get(method).copied().unwrap_or(0)
    }

    /// Returns once a method has been called this often.
    pub fn await_calls(&self, method: &str, count: usize) {
        let few = |chain: &mut Chain| chain.calls.get(method).copied().unwrap_or(0) < count;
        drop(self.shared.changed.wait_while(self.chain(), few).unwrap());
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::SeqCst);
        self.shared.changed.notify_all();
        let _ = TcpStream::connect(self.address); // wakes the accepting thread
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads = Vec::new();
    for stream in listener.incoming().flatten() {
        if shared.ending.load(Ordering::SeqCst) {
            break;
        }
        shared.connections.lock().unwrap().push(stream.try_clone().unwrap());
        let shared = shared.clone();
        threads.push(std::thread::spawn(move || serve(stream, &shared)));
    }
    for stream in shared.connections.lock().unwrap().drain(..) {
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }
    threads.into_iter().for_each(|thread| drop(thread.join()));
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some((authorization, body)) = read_request(&mut reader) {
        let expected = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(COOKIE));
        let (status, answer) = match authorization == expected {
            true => ("200 OK", respond(&body, shared)),
            false => ("401 Unauthorized", String::new()),
        };
        // One write: two small ones would wait for each other (Nagle's algorithm and delayed acknowledgements).
        let whole = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
        if stream.write_all(whole.as_bytes()).is_err() {
            return;
        }
    }
}

/// One HTTP request's authorization and body.
pub fn read_request(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let (mut authorization, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => authorization = value.to_owned(),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok()?,
            _ if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((authorization, body))
}

fn respond(body: &[u8], shared: &Shared) -> String {
    match serde_json::from_slice(body).unwrap() {
        // Backwards, as JSON-RPC allows: the wallet has to look at the ids.
        Value::Array(requests) => {
            let mut answers: Vec<Value> = requests.iter().map(|request| respond_one(request, shared)).collect();
            answers.reverse();
            Value::Array(answers).to_string()
        }
        request => respond_one(&request, shared).to_string(),
    }
}

fn respond_one(request: &Value, shared: &Shared) -> Value {
    let (method, params) = (request["method"].as_str().unwrap(), &request["params"]);
    let mut chain = shared.chain.lock().unwrap();
    if method == "waitfornewblock" {
        let (before, timeout) = (chain.blocks.last().unwrap().hash(), params[0].as_u64().unwrap());
        let unchanged =
            |chain: &mut Chain| chain.blocks.last().unwrap().hash() == before && !shared.ending.load(Ordering::SeqCst);
        *chain.calls.entry(method.to_owned()).or_default() += 1;
        shared.changed.notify_all();
        let waited = shared.changed.wait_timeout_while(chain, Duration::from_millis(timeout), unchanged).unwrap();
        return json!({ "id": request["id"], "result": { "height": waited.0.height() }, "error": null });
    }
    match chain.answer(method, params) {
        Ok(result) => json!({ "id": request["id"], "result": result, "error": null }),
        Err((code, message)) => {
            json!({ "id": request["id"], "result": null, "error": { "code": code, "message": message } })
        }
    }
}
