//! The wallet against a node: following its chain, paying, and the command line. The node is a scripted one in this
//! process that judges by the consensus rules; `payment.rs` and others use the real node.

mod command_line;
mod fake_node;
mod features;
mod keeping;
mod kill;
mod lying_node;
mod payments;
mod sync;

use chain_spec::{Address, Amount, ChainSpec};
use wallet::{Branch, KeyPath, PaymentOptions, Wallet, Words};

fn local() -> ChainSpec {
    ChainSpec::builtin("local").unwrap()
}

fn coins(text: &str) -> Amount {
    text.parse().unwrap()
}

fn words(name: &str) -> String {
    local().demo_accounts.iter().find(|account| account.name == name).unwrap().words.clone()
}

/// A demo account's wallet in memory.
fn demo(name: &str) -> Wallet {
    Wallet::in_memory(local(), &Words::parse(&words(name)).unwrap(), "").unwrap()
}

/// A wallet without history.
fn fresh() -> Wallet {
    Wallet::in_memory(local(), &Words::generate(12).unwrap(), "").unwrap()
}

fn external(wallet: &Wallet, index: u32) -> Address {
    wallet.address_at(KeyPath { account: 0, branch: Branch::External, index }).unwrap()
}

/// Builds a payment at the default rate.
fn payment(from: &Wallet, to: &Address, amount: &str) -> wallet::SignedPayment {
    from.build_payment(to, coins(amount), &PaymentOptions::default()).unwrap()
}
