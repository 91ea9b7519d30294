//! Extortion: a majority that builds only on blocks which pay it a tribute, and buries all others. Miners who do not pay earn
//! nothing, so those who want to earn pay (Bonneau, *Hostile Blockchain Takeovers*, 2018, discusses what a majority can extort).

use super::{AttackerView, MiningGoal, Strategy};
use chain_spec::{BlockHash, Script};

/// The strategy.
pub struct Extort {
    tribute: Script,
}

impl Extort {
    /// Builds on blocks with an output to `tribute`, in the coinbase or elsewhere.
    pub fn new(tribute: Script) -> Extort {
        Extort { tribute }
    }
}

impl Strategy for Extort {
    fn name(&self) -> &'static str {
        "extort"
    }

    fn goal(&self, view: &AttackerView<'_>) -> MiningGoal {
        MiningGoal::honest(view)
    }

    fn accepts(&self, block: &BlockHash, view: &AttackerView<'_>) -> bool {
        view.block(block).is_none_or(|block| {
            let outputs = block.transactions.iter().flat_map(|transaction| &transaction.outputs);
            outputs.into_iter().any(|output| output.script == self.tribute)
        })
    }

    fn state(&self, view: &AttackerView<'_>) -> String {
        format!("building on height {} of the branch that pays", view.public.height)
    }
}
