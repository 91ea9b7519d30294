//! The table of all methods: the dispatcher searches it, `help` prints it.

use crate::shell::rpc::method::Table;
use crate::shell::rpc::{blockchain, mempool, mining, network, transactions, util};

/// The groups, under the headings that `help` prints.
pub static METHODS: Table = Table(&[
    ("Blockchain", blockchain::METHODS),
    ("Coins", blockchain::coins::METHODS),
    ("Control", util::control::METHODS),
    ("Mempool", mempool::METHODS),
    ("Mining", mining::METHODS),
    ("Network", network::METHODS),
    ("Rawtransactions", transactions::METHODS),
    ("Util", util::METHODS),
]);
