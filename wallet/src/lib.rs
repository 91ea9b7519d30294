//! The Testoon wallet: keys, coins and signing.
//!
//! It talks to a node over JSON-RPC ([`client`]) and never links it. The floors, from the top, each importing only from
//! below: [`cli`] is the command line; [`wallet`] joins keys, ledger and file; [`psbt`] and [`build`] make transactions from
//! what [`coins`] chooses; [`sync`] follows the node's chain; [`view`] answers questions about the [`ledger`]; [`record`] is
//! what the encrypted [`file`](mod@file) holds; [`keystore`] derives keys. [`forensics`] reads the whole chain and stands
//! beside the wallet. The types most callers need are re-exported here; `examples/payment.rs` shows them at work.

pub mod build;
pub mod cli;
pub mod client;
mod clock;
pub mod coins;
pub mod fee;
pub mod file;
pub mod forensics;
pub mod keystore;
pub mod labels;
pub mod ledger;
pub mod message;
pub mod network;
pub mod odds;
pub mod psbt;
pub mod record;
mod secret;
pub mod sync;
pub mod text;
pub mod uri;
pub mod view;
pub mod wallet;

pub use build::{BuildError, Draft, PaymentOptions, Recipient, SignedPayment};
pub use client::{Auth, Client, ClientError};
pub use fee::FeeRate;
pub use file::{Password, WalletFile};
pub use keystore::{Branch, KeyOrigin, KeyPath, Words};
pub use psbt::Psbt;
pub use view::{Balance, CoinState, HistoryLine, State, WalletCoin};
pub use wallet::{Wallet, WalletError};
