//! The Testoon wallet: keys, coins and signing.
//!
//! It talks to a node over JSON-RPC ([`client`]) and never links it. From the outside in: [`cli`] is the command line;
//! [`wallet`] joins the [`keystore`], the [`ledger`] and the encrypted [`file`](mod@file); [`sync`] follows the node's chain;
//! [`coins`] and [`build`] make payments; [`view`] answers questions. The types most callers need are re-exported here.

pub mod build;
pub mod cli;
pub mod client;
mod clock;
pub mod coins;
pub mod fee;
pub mod file;
pub mod keystore;
pub mod ledger;
pub mod record;
pub mod sync;
pub mod text;
pub mod view;
pub mod wallet;

pub use build::{BuildError, PaymentOptions, SignedPayment};
pub use client::{Auth, Client, ClientError};
pub use fee::FeeRate;
pub use file::{Password, WalletFile};
pub use keystore::{Branch, KeyPath, Words};
pub use view::{Balance, CoinState, HistoryLine, State, WalletCoin};
pub use wallet::{Wallet, WalletError};
