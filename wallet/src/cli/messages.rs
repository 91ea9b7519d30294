//! Signed messages.

use clap::Subcommand;
use serde_json::json;

use super::Options;
use super::error::CliError;
use super::output::not_ours;
use super::session::{choose, load_chain, open_to_read, usual_chain};
use crate::message::{self, MessageError};
use crate::wallet::WalletError;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Sign a text with the key of an address, in Bitcoin's format
    SignMessage {
        /// An address of this wallet
        address: String,
        /// The text
        message: String,
    },
    /// Check a signed text; needs no wallet
    VerifyMessage {
        /// Who is said to have signed it
        address: String,
        /// The signature in Base64
        signature: String,
        /// The text
        message: String,
        /// Chain name or path of a chain spec [default: local]
        #[arg(long, value_name = "NAME|PATH", env = "TESTOON_CHAIN")]
        chain: Option<String>,
    },
}

pub(super) fn run(options: &Options, command: Command) -> Result<String, CliError> {
    match command {
        Command::SignMessage { address, message } => {
            let wallet = open_to_read(options)?;
            let parsed = wallet.parse_address(&address)?;
            if !wallet.owns(&parsed) {
                return Err(CliError::Failure(not_ours(&address)));
            }
            let signature = wallet.sign_message(&parsed, &message)?;
            let signed = json!({ "address": address, "message": message, "signature": signature });
            Ok(choose(options, || signed, || format!("{signature}\n")))
        }
        Command::VerifyMessage { address, signature, message, chain } => {
            let spec = load_chain(&chain.map_or_else(|| usual_chain(options), Ok)?)?;
            let parsed = chain_spec::Address::parse(&address, &spec)
                .map_err(|error| WalletError::Address { text: address.clone(), error })?;
            match message::verify(&message, &signature, &parsed) {
                Ok(()) => Ok(choose(
                    options,
                    || json!({ "valid": true }),
                    || format!("valid: the owner of {address} signed this text\n"),
                )),
                Err(error @ MessageError::Malformed) => Err(CliError::Usage(error.to_string())),
                Err(error) => Err(CliError::Failure(error.to_string())),
            }
        }
    }
}
