//! A payment by the wallet library, without the command line: alice pays bob 12.5 coins on a `local` network.
//!
//! ```sh
//! testoon up --detach
//! cargo run -p testoon-wallet --example payment -- ~/.testoon/net
//! ```

use std::error::Error;
use std::path::Path;

use wallet::network::LocalNetwork;
use wallet::{Auth, Client, PaymentOptions, Wallet, Words};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args().nth(1).ok_or("name the directory of a network that `testoon up` started")?;
    let node = LocalNetwork::open(Path::new(&directory))?.node(None, None)?;
    let client = Client::new(&node.url, Auth::Cookie(node.cookie))?;

    // The demo accounts' words are in the chain spec; a wallet in memory finds its history in the chain.
    let spec = chain_spec::ChainSpec::builtin("local").ok_or("no chain is called local")?;
    let account = |name: &str| -> Result<Wallet, Box<dyn Error>> {
        let account = spec.demo_accounts.iter().find(|account| account.name == name).ok_or("no such demo account")?;
        Ok(Wallet::in_memory(spec.clone(), &Words::parse(&account.words)?, "")?)
    };
    let (mut alice, bob) = (account("alice")?, account("bob")?);
    alice.sync(&client)?;
    println!("alice has {}", alice.balance().spendable);

    let payment = alice.build_payment(&bob.address()?, "12.5".parse()?, &PaymentOptions::default())?;
    println!("fee {} for {} bytes, change {:?}", payment.fee, payment.size(), payment.change);
    let txid = alice.send(&client, &payment)?;
    println!("sent {txid}; waiting for a block");

    while alice.state(&txid).map_or(0, |state| state.confirmations()) == 0 {
        client.wait_for_new_block(1_000)?;
        alice.sync(&client)?;
    }
    println!("confirmed; alice has {}", alice.balance().total());
    Ok(())
}
