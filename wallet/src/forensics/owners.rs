//! Who really owns which address on a network that `testoon up` started: what clusters are held against.

use std::collections::HashMap;

use super::cluster::Hash;
use crate::file::Password;
use crate::keystore::Branch;
use crate::network::LocalNetwork;
use crate::wallet::{Wallet, WalletError};

/// The account that owns each address, from the network's wallets, which have no password.
///
/// # Errors
/// A wallet cannot be read.
pub fn owners(network: &LocalNetwork) -> Result<HashMap<Hash, String>, WalletError> {
    let mut owners = HashMap::new();
    for (name, path) in network.accounts() {
        let wallet = Wallet::open_to_read(&path, &Password::None)?;
        for account in wallet.keys().all_accounts() {
            let branches = [Branch::External, Branch::Change];
            let hashes = branches.into_iter().flat_map(|branch| account.hashes(branch).iter().copied());
            owners.extend(hashes.map(|hash| (hash, name.clone())));
        }
    }
    Ok(owners)
}
