//! What a payment can be told beside whom it pays.

use chain_spec::{Amount, Outpoint, Script};

use crate::fee::FeeRate;

/// Bytes of data that nodes relay in one output (Core: `MAX_OP_RETURN_RELAY`, less the opcode and the pushes).
pub const DATA_MAX: usize = 80;

/// One receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// What locks the output.
    pub script: Script,
    /// How much; `None`: everything that is left. At most one receiver of a payment may have that.
    pub amount: Option<Amount>,
}

/// How to pay.
#[derive(Clone, Debug)]
pub struct PaymentOptions {
    /// Units per byte.
    pub fee_rate: FeeRate,
    /// The whole fee, instead of a rate.
    pub fee: Option<Amount>,
    /// The receivers bear the fee, in equal parts.
    pub subtract_fee: bool,
    /// Do not refuse a fee that looks like a mistake.
    pub allow_high_fee: bool,
    /// Choose among these coins only, frozen ones too; empty: among all spendable ones.
    pub coins: Vec<Outpoint>,
    /// Choose among the coins of this account, and send change there; `None`: among all, with change to account 0.
    pub account: Option<u32>,
    /// Spend the coins of one address together or not at all, so that a later payment cannot link to this one through
    /// what it left behind.
    pub avoid_reuse: bool,
    /// Pay without change or not at all: change is what links a payment to the payer's next one.
    pub no_change: bool,
    /// The first block height at which the payment may be mined; 0: any. The height of the tip makes it useless to mine
    /// the last block again for its fees ("fee sniping").
    pub lock_time: u32,
}

impl Default for PaymentOptions {
    fn default() -> Self {
        PaymentOptions {
            fee_rate: FeeRate::DEFAULT,
            fee: None,
            subtract_fee: false,
            allow_high_fee: false,
            coins: Vec::new(),
            account: None,
            avoid_reuse: false,
            no_change: false,
            lock_time: 0,
        }
    }
}
