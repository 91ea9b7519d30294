//! What two parties must agree on to share a Testoon chain: bytes, rules, parameters.
//!
//! Everything here is a pure function of its arguments: no async, no I/O, no clock, no randomness, no database and no
//! network. [`node`](../node/index.html) keeps the agreement running; [`wallet`](../wallet/index.html) makes
//! transactions that satisfy it. Bytes are those of pre-SegWit Bitcoin, so Bitcoin's vectors and tools apply.

pub mod address;
pub mod amount;
pub mod block;
pub mod coin;
pub mod encode;
pub mod hash;
pub mod key;
pub mod merkle;
pub mod retarget;
pub mod rules;
pub mod script;
pub mod signature_hash;
pub mod spec;
pub mod target;
pub mod transaction;

pub use address::Address;
pub use amount::Amount;
pub use block::{Block, Header};
pub use coin::{BlockUndo, Coin};
pub use encode::{Decode, DecodeError, Encode};
pub use hash::{BlockHash, MerkleRoot, Txid};
pub use key::{PrivateKey, PublicKey};
pub use rules::block::CheckedBlock;
pub use rules::transaction::CheckedTransaction;
pub use script::Script;
pub use spec::ChainSpec;
pub use target::{CompactTarget, Target, Work};
pub use transaction::{Outpoint, Transaction, TxIn, TxOut};
