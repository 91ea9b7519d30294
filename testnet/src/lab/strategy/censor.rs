//! Censor: a majority that never confirms a script's payments, in either direction, and buries every block that does.

use super::{AttackerView, Content, MiningGoal, Strategy};
use chain_spec::{Block, BlockHash, Script, Transaction};
use std::sync::Arc;

/// The strategy.
pub struct Censor {
    script: Script,
}

impl Censor {
    /// Censors what pays to a script or spends what was paid to it.
    pub fn new(script: Script) -> Censor {
        Censor { script }
    }
}

/// Whether a transaction pays to `script`, or unlocks a coin that did. The unlocking script ends with the public key whose
/// hash the coin names, so the coin itself need not be looked up.
pub fn concerns(transaction: &Transaction, script: &Script) -> bool {
    let pays = transaction.outputs.iter().any(|output| output.script == *script);
    let spends = || {
        let hash = script.public_key_hash();
        transaction.inputs.iter().any(|input| {
            input.script.unlock_parts().is_some_and(|(_, key)| Some(chain_spec::hash::hash160(key)) == hash)
        })
    };
    pays || spends()
}

impl Strategy for Censor {
    fn name(&self) -> &'static str {
        "censor"
    }

    fn goal(&self, view: &AttackerView<'_>) -> MiningGoal {
        MiningGoal {
            parent: view.public.hash,
            content: Content::MempoolWithout(self.script.clone()),
            secret: false,
            time_s: None,
        }
    }

    fn accepts(&self, block: &BlockHash, view: &AttackerView<'_>) -> bool {
        let block = view.block(block);
        let pays_or_spends = |block: Arc<Block>| block.transactions.iter().skip(1).any(|t| concerns(t, &self.script));
        !block.is_some_and(pays_or_spends)
    }

    fn state(&self, view: &AttackerView<'_>) -> String {
        format!("building on height {} of the branch without the censored payments", view.public.height)
    }
}
