//! Honest miners with γ as a number: in a tie between two branches, a part γ of them mines on the attacker's.
//!
//! One node has one tip, so each time it finds a block in a tie, a draw says which miners found it: with probability γ those on
//! the attacker's branch, whichever of the two the node saw first.

use super::random::{first_u64, unit};
use chain_spec::{BlockHash, Script};
use node::core::Core;
use node::core::event::{Input, Output, Time};
use node::core::state_machine::StateMachine;
use node::core::store::StoreError;
use node::core::template::Template;
use sha2::{Digest as _, Sha256};

/// A core whose miners are divided in a tie.
pub struct DividedMiners {
    core: Core,
    gamma: f64,
    /// What the attacker's coinbases pay to.
    attacker: Script,
    seed: u64,
    /// The block that a tie is with: as much work as the tip has, stored after it.
    rival: Option<BlockHash>,
}

impl DividedMiners {
    /// A part `gamma` of the miners prefers the branch of those whose coinbases pay to `attacker`.
    pub fn new(core: Core, gamma: f64, attacker: Script, seed: u64) -> DividedMiners {
        DividedMiners { core, gamma, attacker, seed, rival: None }
    }

    fn is_attackers(&self, hash: &BlockHash) -> bool {
        // A block that cannot be read back is the store's failure; the core reports it at its next own read.
        let block = self.core.block(hash).ok().flatten();
        let output = block.as_ref().and_then(|block| block.transactions.first()?.outputs.first());
        output.is_some_and(|output| output.script == self.attacker)
    }

    /// The other branch of a tie, if the miner who finds a block now is one of those on it.
    fn other_branch(&self, now: Time) -> Option<BlockHash> {
        let rival = self.rival?;
        match (self.is_attackers(&self.core.tip().hash), self.is_attackers(&rival)) {
            (false, true) => self.prefers_attacker(&rival, now).then_some(rival),
            (true, false) => (!self.prefers_attacker(&rival, now)).then_some(rival),
            // A tie of honest miners among themselves, who keep what they saw first.
            _ => None,
        }
    }

    /// Whether the miner who finds a block now is one of those on the attacker's branch. The draw is a hash of the tie and the
    /// moment, so that asking twice gives the same.
    fn prefers_attacker(&self, rival: &BlockHash, now: Time) -> bool {
        let mut hash = Sha256::new();
        hash.update(self.seed.to_le_bytes());
        hash.update(rival.as_bytes());
        hash.update(self.core.tip().hash.as_bytes());
        hash.update(now.0.to_le_bytes());
        // In (0, 1], so that γ = 1 takes all and γ = 0 none.
        unit(first_u64(&hash.finalize().into())) <= self.gamma
    }
}

impl StateMachine for DividedMiners {
    fn core(&self) -> &Core {
        &self.core
    }

    fn handle(&mut self, now: Time, input: Input) -> Result<Vec<Output>, StoreError> {
        let outputs = self.core.handle(now, input)?;
        let tip = self.core.tip();
        let stored = outputs.iter().filter_map(|output| match output {
            Output::StoreBlock(block) => Some(block.hash()),
            _ => None,
        });
        for hash in stored.chain(self.rival).collect::<Vec<_>>() {
            let is_rival = hash != tip.hash && self.core.summary(&hash).is_some_and(|block| block.work == tip.work);
            if is_rival {
                self.rival = Some(hash);
                return Ok(outputs);
            }
        }
        self.rival = None;
        Ok(outputs)
    }

    fn template(&self, payout: &Script, now: Time) -> Template {
        let other = self.other_branch(now).and_then(|other| self.core.template_on(&other, payout, &[], now));
        other.unwrap_or_else(|| self.core.template(payout, now))
    }
}
