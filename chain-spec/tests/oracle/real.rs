//! Real blocks and transactions of Bitcoin. Each proves itself: its hash, its work or its signature would not fit otherwise.
use chain_spec::merkle::merkle_root;
use chain_spec::retarget::Ancestors;
use chain_spec::rules::block::check_block;
use chain_spec::rules::header::{check_header, check_proof_of_work};
use chain_spec::rules::spend::{BlockContext, Coins, SignatureEncoding, check_input_script, connect_block};
use chain_spec::{
    Amount, Block, ChainSpec, Coin, CompactTarget, Decode, Encode, Outpoint, Script, Transaction, TxOut, Txid,
};
use std::sync::Arc;

const BLOCK_1: &str = "010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000982051fd1e4ba744bbbe680e1fee14677ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e362990101000000010000000000000000000000000000000000000000000000000000000000000000ffffffff0704ffff001d0104ffffffff0100f2052a0100000043410496b538e853519c726a2c91e61ec11600ae1390813a627c66fb8be7947be63c52da7589379515d4e0a604f8141781e62294721166bf621e73a82cbf2342c858eeac00000000";

/// One input and one output, both pay-to-public-key-hash; the signature's S is in the upper half.
const HIGH_S: &str = "0100000001a15d57094aa7a21a28cb20b59aab8fc7d1149a3bdbcddba9c622e4f5f6a99ece010000006c493046022100f93bb0e7d8db7bd46e40132d1f8242026e045f03a0efe71bbb8e3f475e970d790221009337cd7f1f929f00cc6ff01f03729b069a7c21b59b1736ddfee5db5946c5da8c0121033b9b137ee87d5a812d6f506efdd37f0affa7ffc310711c06c7f3e097c9447c52ffffffff0100e1f505000000001976a9140389035a9225b3839e2bbf32d826a1e222031fd888ac00000000";

struct OnGenesis(ChainSpec);
impl Ancestors for OnGenesis {
    fn height(&self) -> u32 {
        0
    }
    fn at(&self, _: u32) -> (u32, CompactTarget) {
        (self.0.genesis.header.time, self.0.genesis.header.bits)
    }
    fn version(&self, _: u32) -> i32 {
        self.0.genesis.header.version
    }
}
impl Coins for OnGenesis {
    fn coin(&self, _: &Outpoint) -> Option<&Coin> {
        None
    }
    fn median_time_past_before(&self, _: u32) -> u32 {
        self.0.genesis.header.time
    }
}

#[test]
fn bitcoin_s_block_1_passes_every_rule() {
    let spec = ChainSpec::builtin("bitcoin-main").unwrap();
    let bytes = hex::decode(BLOCK_1).unwrap();
    let block = Block::from_bytes(&bytes).unwrap();
    assert_eq!(block.to_bytes(), bytes);
    assert_eq!(block.hash().to_string(), "00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048");
    assert_eq!(block.header.previous, spec.genesis_hash());
    check_proof_of_work(&block.header, &spec).unwrap();
    let parent = OnGenesis(spec.clone());
    check_header(&block.header, &spec, &parent, u64::from(block.header.time)).unwrap();
    let place = BlockContext { height: 1, median_time_past_s: parent.at(0).0, block_time_s: block.header.time };
    let checked = check_block(Arc::new(block), &spec).unwrap();
    let connected = connect_block(&checked, &spec, place, &parent).unwrap();
    assert_eq!((connected.fees, connected.undo.spent.len()), (Amount::ZERO, 0));
    assert_eq!(checked.block().transactions[0].outputs[0].script.kind(), "pubkey");
}

#[test]
fn block_100000_s_merkle_root() {
    let txids = [
        "8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87",
        "fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4",
        "6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4",
        "e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d",
    ]
    .map(|txid| txid.parse::<Txid>().unwrap());
    let root = merkle_root(&txids).0.to_string();
    assert_eq!(root, "f3e94742aca4b5ef85488dc37c06c3282295ffec960994b2c0d5ac2a25a95766");
}

/// Refusing a high S would split this chain from Bitcoin's history.
#[test]
fn a_real_spend_with_a_high_s_unlocks_its_coin() {
    let transaction = Transaction::from_bytes(&hex::decode(HIGH_S).unwrap()).unwrap();
    assert_eq!(transaction.txid().to_string(), "a6eab3c14ab5272a58a5ba91505ba1a4b6d7a3a9fcbd187b6cd99a7b6d548cb7");
    let (signature, public_key) = transaction.inputs[0].script.unlock_parts().unwrap();
    // Behind a frame of four bytes, R with its sign byte and S's own frame: S begins with 0x93.
    assert_eq!(signature[4 + 33 + 2..][..2], [0x00, 0x93]);
    let script = Script::pay_to_public_key_hash(&chain_spec::hash::hash160(public_key));
    let coin = Coin { output: TxOut { value: Amount::COIN, script }, height: 1, is_coinbase: false };
    assert_eq!(check_input_script(&transaction, 0, &coin, SignatureEncoding::Strict), Ok(()));
    let mut other = transaction.clone();
    other.lock_time = 1;
    assert!(check_input_script(&other, 0, &coin, SignatureEncoding::Strict).is_err());
}
