//! Chain specs: the parameters two nodes must share. `spec/*.toml` holds the built-in chains.
use crate::{Amount, Block, BlockHash, CompactTarget, Target};

/// How the next target is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retarget {
    /// Always the initial one.
    Fixed,
    /// Bitcoin's: every `interval` blocks, within a factor of 4.
    Epoch {
        /// Blocks between changes.
        interval: u32,
    },
    /// aserti3-2d.
    Asert {
        /// Seconds behind schedule that double the target.
        half_life_s: u32,
    },
}
/// What two parties must agree on.
#[derive(Clone, Debug)]
pub struct ChainSpec {
    /// `local`, `testnet`, `main`, `bitcoin-regtest`, `bitcoin-main`, or a file's own. Core's `chain` field.
    pub name: String,
    /// Block 0.
    pub genesis: Block,
    /// Aimed seconds between blocks.
    pub spacing_s: u32,
    /// The rule for the next target.
    pub retarget: Retarget,
    /// The easiest target allowed.
    pub target_limit: Target,
    /// The compact target of block 1.
    pub initial_target: CompactTarget,
    /// The first blocks' subsidy.
    pub initial_subsidy: Amount,
    /// Blocks between halvings.
    pub halving_interval: u32,
    /// Blocks before a coinbase can be spent.
    pub coinbase_maturity: u32,
    /// Bytes of the largest block.
    pub block_size_max: usize,
    /// Version byte of addresses.
    pub address_version: u8,
    /// Version byte of WIF keys.
    pub wif_version: u8,
    /// Default ports.
    pub default_rpc_port: u16,
    /// Default ports.
    pub default_p2p_port: u16,
    /// BIP94's timewarp rule.
    pub bip94: bool,
    /// First height with BIP34, BIP65's version, BIP66 and BIP68/113 rules (0 on our own chains).
    pub bip34_height: u32,
    /// See `bip34_height`: blocks from here have version ≥ 4.
    pub bip65_height: u32,
    /// See `bip34_height`: blocks from here have version ≥ 3.
    pub bip66_height: u32,
    /// See `bip34_height`: median-time-past and relative lock times from here.
    pub csv_height: u32,
    /// Named accounts funded by the genesis block: (name, BIP39 words). Empty but on demo chains.
    pub demo_accounts: Vec<DemoAccount>,
}
/// An account whose words everybody knows, funded by genesis (first address m/44'/1'/0'/0/0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoAccount {
    /// `alice`, `bob`, `shop`, `mallory`.
    pub name: String,
    /// BIP39 words, no passphrase.
    pub words: String,
    /// Its first address.
    pub address: String,
}
/// Why a spec could not be loaded; names the file and the field.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SpecError(pub String);
impl ChainSpec {
    /// The built-in chains' names.
    pub const BUILTIN: [&'static str; 5] = ["local", "testnet", "main", "bitcoin-regtest", "bitcoin-main"];
    /// A built-in chain.
    pub fn builtin(_name: &str) -> Option<ChainSpec> {
        todo!()
    }
    /// From TOML text. The caller reads the file.
    pub fn from_toml(_text: &str) -> Result<ChainSpec, SpecError> {
        todo!()
    }
    /// Back to TOML: reading it again gives the same [`ChainSpec::id`].
    pub fn to_toml(&self) -> String {
        todo!()
    }
    /// The SHA-256 of every consensus field in a fixed order; names the network to peers.
    pub fn id(&self) -> [u8; 32] {
        todo!()
    }
    /// The genesis block's hash.
    pub fn genesis_hash(&self) -> BlockHash {
        todo!()
    }
    /// New coins at `height`: halves every interval, zero from the 33rd on.
    pub fn subsidy(&self, _height: u32) -> Amount {
        todo!()
    }
}
