//! Fork rules: defences against reorganisations that change which of two valid branches a node follows. **None of them is
//! consensus**: a node that uses one may stay on another branch than the network for good. They exist to be measured: what
//! they save from an attack, and what they cost when honest nodes were apart.
//!
//! Without a rule the branch with the most work is active, and of equals the one that was complete first. Each rule is a
//! small file behind the trait [`ForkRule`]; [`chainstate`](super::chainstate) asks all that are configured before it
//! leaves the active branch. They are off unless named by `--fork-rule`. Vocabulary floor: knows headers and work only.

mod checkpoint;
mod exponential_scoring;
mod reorganisation_limit;
mod tie;

use chain_spec::{BlockHash, Work};
use checkpoint::Checkpoint;
use exponential_scoring::ExponentialScoring;
use reorganisation_limit::ReorganisationLimit;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use tie::{FreshTie, UniformTie};

/// One of two branches, above the block that both share.
#[derive(Clone, Copy, Debug)]
pub struct Branch {
    /// The last block.
    pub tip: BlockHash,
    /// The time in the last block's header, Unix seconds. Its miner chose it, within the rules.
    pub tip_time_s: u32,
    /// Height of the last block.
    pub height: u32,
    /// Expected hashes behind the blocks above the shared one.
    pub work: Work,
}

/// The hash of the block at a height of a branch; `None` above its tip.
pub type BlockAt<'a> = &'a dyn Fn(u32) -> Option<BlockHash>;

/// Two valid branches, and what a rule may ask of them.
pub struct Rivals<'a> {
    /// Height of the last block that both share.
    pub fork_height: u32,
    /// The time in its header, Unix seconds.
    pub fork_time_s: u32,
    /// The branch that is active.
    pub active: Branch,
    /// The branch that would replace it.
    pub rival: Branch,
    /// Blocks of the rival's branch, the shared ones included.
    pub rival_at: BlockAt<'a>,
    /// Differs from node to node, and from run to run.
    pub seed: u64,
}

impl Rivals<'_> {
    /// Blocks of the active branch that would be undone.
    pub fn depth(&self) -> u32 {
        self.active.height - self.fork_height
    }
}

/// When a node leaves its active branch for another valid one. The defaults are those of a node without rules.
pub trait ForkRule: fmt::Debug + Send + Sync {
    /// Whether a branch with more work than the active one may replace it.
    fn may_replace(&self, rivals: &Rivals<'_>) -> bool {
        let _ = rivals;
        true
    }
    /// Whether a branch that came later and has just as much work as the active one replaces it.
    fn wins_tie(&self, rivals: &Rivals<'_>) -> bool {
        let _ = rivals;
        false
    }
}

/// A rule with the text that names it.
#[derive(Clone, Debug)]
struct Named {
    text: String,
    rule: Arc<dyn ForkRule>,
}

/// The rules that a node uses beside "the most work, first seen"; none unless it was told to.
#[derive(Clone, Debug, Default)]
pub struct ForkRules(Vec<Named>);

/// The rules that there are, for a message to whoever named another.
pub const FORK_RULES: &str = "reorg-limit=BLOCKS, mess, mess=SECONDS, checkpoint=HEIGHT:HASH, uniform-tie or fresh-tie";

/// Why a text names no fork rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no fork rule: there are {FORK_RULES}")]
pub struct ParseForkRuleError(String);

/// The same rules in the same order.
impl PartialEq for ForkRules {
    fn eq(&self, other: &ForkRules) -> bool {
        self.names().eq(other.names())
    }
}

impl ForkRules {
    /// Whether the node follows the most work alone.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Adds a rule: a branch must be acceptable to all of them, and wins a tie if one says so.
    pub fn push(&mut self, text: &str) -> Result<(), ParseForkRuleError> {
        let rule = rule(text).ok_or_else(|| ParseForkRuleError(text.to_owned()))?;
        self.0.push(Named { text: text.to_owned(), rule });
        Ok(())
    }
    /// The texts that name the rules, in the order given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|named| named.text.as_str())
    }
    /// The first rule that does not let the active branch be replaced, by its text.
    pub fn refusing(&self, rivals: &Rivals<'_>) -> Option<&str> {
        self.0.iter().find(|named| !named.rule.may_replace(rivals)).map(|named| named.text.as_str())
    }
    /// Whether a rule lets a later branch of equal work replace the active one, and none forbids it.
    pub fn wins_tie(&self, rivals: &Rivals<'_>) -> bool {
        self.0.iter().any(|named| named.rule.wins_tie(rivals)) && self.refusing(rivals).is_none()
    }
}

/// Rules apart by commas, such as `mess,uniform-tie`; nothing names none.
impl FromStr for ForkRules {
    type Err = ParseForkRuleError;
    fn from_str(text: &str) -> Result<ForkRules, ParseForkRuleError> {
        let mut rules = ForkRules::default();
        text.split(',').map(str::trim).filter(|rule| !rule.is_empty()).try_for_each(|rule| rules.push(rule))?;
        Ok(rules)
    }
}

/// As it is read: `mess,uniform-tie`.
impl fmt::Display for ForkRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().collect::<Vec<_>>().join(","))
    }
}

fn rule(text: &str) -> Option<Arc<dyn ForkRule>> {
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    Some(match (name, value) {
        ("reorg-limit", Some(blocks)) => Arc::new(ReorganisationLimit::new(blocks.parse().ok()?)),
        ("mess", None) => Arc::new(ExponentialScoring::default()),
        ("mess", Some(seconds)) => Arc::new(ExponentialScoring::new(seconds.parse().ok()?)?),
        ("checkpoint", Some(block)) => {
            let (height, hash) = block.split_once(':')?;
            Arc::new(Checkpoint::new(height.parse().ok()?, hash.parse().ok()?))
        }
        ("uniform-tie", None) => Arc::new(UniformTie),
        ("fresh-tie", None) => Arc::new(FreshTie),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
