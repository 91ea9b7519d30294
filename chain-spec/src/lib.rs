//! What two parties must agree on to share a Testoon chain: bytes, rules, parameters.
//!
//! Everything here is a pure function of its arguments: no async, no I/O, no clock, no randomness, no database and no
//! network. A node keeps the agreement running; a wallet makes transactions that satisfy it. Bytes are those of pre-SegWit
//! Bitcoin, so Bitcoin's vectors and tools apply, and the rules are a soft fork of Bitcoin's: every block that is valid here
//! is a valid Bitcoin block under the same parameters.
//!
//! Where to begin: [`transaction`] and [`block`] are the bytes, [`spec`] the parameters of a chain, [`rules`] the list of
//! everything that makes a block invalid, in the order it is checked.
//!
//! ```
//! use chain_spec::{Address, Amount, ChainSpec};
//!
//! let spec = ChainSpec::builtin("local").expect("a built-in chain");
//! let alice = Address::parse(&spec.demo_accounts[0].address, &spec)?;
//! let coins = spec.genesis_coins();
//! let hers = coins.iter().filter(|(_, coin)| coin.output.script == alice.script()).map(|(_, coin)| coin.output.value);
//! assert_eq!(Amount::checked_sum(hers).map(|sum| sum.to_string()).as_deref(), Some("395.00000000"));
//! # Ok::<(), chain_spec::address::AddressError>(())
//! ```

pub mod address;
pub mod amount;
pub mod block;
pub mod coin;
pub mod der;
pub mod descriptor;
pub mod encode;
#[cfg(any(test, feature = "test-support"))]
pub mod fixture;
pub mod hash;
pub mod key;
pub mod merkle;
pub mod message;
pub mod proof_of_work;
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
pub use proof_of_work::ProofOfWork;
pub use rules::block::CheckedBlock;
pub use rules::transaction::CheckedTransaction;
pub use script::Script;
pub use spec::ChainSpec;
pub use target::{CompactTarget, Target, Work};
pub use transaction::{Outpoint, Transaction, TxIn, TxOut};
