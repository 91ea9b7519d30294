//! Why a command did not do what was asked, and the exit code that says so.

use crate::client::ClientError;
use crate::wallet::WalletError;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// It was asked for wrongly: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// It could not be done: exit code 1.
    #[error("{0}")]
    Failure(String),
    /// Ctrl-C at a prompt: exit code 130.
    #[error("cancelled")]
    Cancelled,
}

impl CliError {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            CliError::Failure(_) => 1,
            CliError::Usage(_) => 2,
            CliError::Cancelled => 130,
        }
    }
}

/// A wrong argument is usage; everything else is failure.
impl From<WalletError> for CliError {
    fn from(error: WalletError) -> CliError {
        let text = error.to_string();
        match error {
            WalletError::Address { .. } | WalletError::Client(ClientError::Url { .. }) => CliError::Usage(text),
            _ => CliError::Failure(text),
        }
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> CliError {
        WalletError::from(error).into()
    }
}
