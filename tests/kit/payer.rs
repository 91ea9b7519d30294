//! Payments made to order: coins of one key, spent to the same key again and again.

use crate::fixture::{pay_to_key, spend};
use crate::rpc::Client;
use chain_spec::{
    Address, Amount, Block, ChainSpec, Decode as _, Encode as _, Outpoint, PrivateKey, Script, Transaction, TxOut,
};
use serde_json::json;
use std::collections::VecDeque;

/// The fee of each payment.
const FEE: Amount = Amount::from_units(10_000);

/// One key and its coins.
pub struct Payer {
    key: PrivateKey,
    script: Script,
    address: String,
    coins: VecDeque<(Outpoint, Amount)>,
}

impl Payer {
    /// A key that nobody else uses, without coins.
    pub fn new(spec: &ChainSpec) -> Payer {
        let key = PrivateKey::from_bytes(&[0x42; 32], true).expect("not zero and below the group's order");
        let script = pay_to_key(&key);
        let address = Address::from_script(&script, spec).expect("a standard script").to_string();
        Payer { key, script, address, coins: VecDeque::new() }
    }

    /// Where to be paid.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Coins at hand.
    pub fn coins(&self) -> usize {
        self.coins.len()
    }

    /// Mines `blocks` blocks to this key at a node, and `maturity` more so that their coins can be spent.
    pub fn fund(&mut self, client: &Client, blocks: u32, maturity: u32) {
        let mined = client.call("generatetoaddress", json!([blocks + maturity, self.address]));
        for hash in mined.as_array().expect("a list of hashes").iter().take(blocks as usize) {
            let bytes = client.call("getblock", json!([hash, 0]));
            let bytes = hex::decode(bytes.as_str().expect("hexadecimal")).expect("hexadecimal");
            let block = Block::from_bytes(&bytes).expect("a block");
            let coinbase = &block.transactions[0];
            self.coins.push_back((Outpoint { txid: coinbase.txid(), index: 0 }, coinbase.outputs[0].value));
        }
    }

    /// Spends the coin that has rested longest, for `parts` equal ones.
    pub fn pay(&mut self, parts: u32) -> Option<Payment> {
        let coin = self.coins.pop_front()?;
        let value = coin.1.checked_sub(FEE)?.units() / u64::from(parts);
        Some(Payment { transaction: self.spend(coin, vec![Amount::from_units(value); parts as usize]), coin })
    }

    /// Another payment with the same coin as `first`.
    pub fn conflict(&self, first: &Payment) -> Transaction {
        let value = first.coin.1.units() - 3 * FEE.units();
        self.spend(first.coin, vec![Amount::from_units(value)])
    }

    /// A payment was taken: its coins are at hand.
    pub fn taken(&mut self, payment: &Payment) {
        let txid = payment.transaction.txid();
        for (index, output) in (0..).zip(&payment.transaction.outputs) {
            self.coins.push_back((Outpoint { txid, index }, output.value));
        }
    }

    /// A payment was refused: its coin is at hand again, after all others.
    pub fn refused(&mut self, payment: &Payment) {
        self.coins.push_back(payment.coin);
    }

    fn spend(&self, (outpoint, _): (Outpoint, Amount), values: Vec<Amount>) -> Transaction {
        let outputs = values.into_iter().map(|value| TxOut { value, script: self.script.clone() }).collect();
        spend(&[outpoint], &self.key, outputs)
    }
}

/// A payment on its way.
pub struct Payment {
    /// The transaction.
    pub transaction: Transaction,
    coin: (Outpoint, Amount),
}

impl Payment {
    /// For `sendrawtransaction`.
    pub fn hex(&self) -> String {
        hex::encode(self.transaction.to_bytes())
    }
}
