//! Timewarp: a majority that keeps its header times as low as the median rule allows, and sets the last one of each retarget
//! period to the present. Bitcoin's retarget looks at the first and last header of a period only, and the periods do not
//! overlap, so each period seems to have taken far longer than it did, and the target grows. BIP94 forbids it.

use super::{AttackerView, MiningGoal, Strategy};
use chain_spec::spec::Retarget;
use chain_spec::{BlockHash, ChainSpec};

/// The strategy.
#[derive(Debug)]
pub struct Timewarp {
    interval: u32,
}

impl Timewarp {
    /// Refuses a chain on which it cannot work, and says why.
    pub fn new(spec: &ChainSpec) -> Result<Timewarp, String> {
        match spec.retarget {
            _ if spec.bip94 => Err(format!(
                "chain {:?} has BIP94's rule: the first header of a period may not be earlier than the last of the one before; \
                 try a chain spec with bip94 = false",
                spec.name
            )),
            Retarget::Epoch { interval } => Ok(Timewarp { interval }),
            _ => Err(format!(
                "chain {:?} does not retarget by periods, so there is no period to stretch; use a chain spec with the epoch rule",
                spec.name
            )),
        }
    }

    /// The last header of a period tells the truth; all others are one second past the median.
    fn ends_period(&self, height: u32) -> bool {
        (height + 1).is_multiple_of(self.interval)
    }
}

impl Strategy for Timewarp {
    fn name(&self) -> &'static str {
        "timewarp"
    }

    fn goal(&self, view: &AttackerView<'_>) -> MiningGoal {
        let mut goal = MiningGoal::honest(view);
        if !self.ends_period(view.public.height + 1) {
            goal.time_s = Some(view.public.median_time_past_s + 1);
        }
        goal
    }

    /// One honest header in two would carry the median into the present, so a majority buries them.
    fn accepts(&self, block: &BlockHash, view: &AttackerView<'_>) -> bool {
        let Some(block) = view.core.summary(block) else { return true };
        let median_s = view.core.summary(&block.header.previous).map_or(0, |parent| parent.median_time_past_s);
        self.ends_period(block.height) || block.header.time <= median_s + 1
    }

    fn state(&self, view: &AttackerView<'_>) -> String {
        let next = view.public.height + 1;
        format!("{} block(s) to the next retarget", self.interval - next % self.interval)
    }
}
