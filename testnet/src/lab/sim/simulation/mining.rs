//! When blocks are found, and by whom.

use super::super::random::{exponential, uniform};
use super::super::work::{payout, work};
use super::{CallId, Event, Input, Simulation, Step, StoreError};
use chain_spec::{Block, CompactTarget};
use std::sync::Arc;

impl Simulation {
    /// The next block of the whole network: exponential with the chain's spacing as its mean.
    pub(super) fn schedule_mining(&mut self) {
        let wait_s = f64::from(self.setup.spec.spacing_s) / self.setup.rate_max * exponential(&mut self.random);
        self.queue.push((wait_s * 1e6) as u64, Event::Mine);
    }

    pub(super) fn mine(&mut self) -> Result<Step, StoreError> {
        if !self.mining {
            return Ok(Step::Other);
        }
        let mut draw = uniform(&mut self.random) * self.total_share;
        let shares = &self.setup.shares;
        let lucky = shares.iter().position(|share| {
            draw -= share;
            draw <= 0.0
        });
        let node = lucky.unwrap_or(shares.len() - 1);
        self.schedule_mining();
        if self.nodes[node].is_away {
            return Ok(Step::Other);
        }
        let payout = payout(node);
        let template = self.nodes[node].machine.template(&payout, self.time());
        if !self.meets_target(template.block.header.bits) {
            return Ok(Step::Other);
        }
        self.submit(node, template.block)?;
        Ok(Step::Found { node })
    }

    /// Has a node find a block at this moment, without a draw: to set a scene.
    pub fn find(&mut self, node: usize) -> Result<(), StoreError> {
        let template = self.nodes[node].machine.template(&payout(node), self.time());
        self.submit(node, template.block)
    }

    /// Works for a block and hands it to its finder.
    fn submit(&mut self, node: usize, block: Block) -> Result<(), StoreError> {
        let (block, hash) = work(block);
        let block = Arc::new(block);
        self.statistics.found(node, hash, block.header.previous, self.queue.now_us());
        let call = CallId(self.fresh_id());
        self.handle(node, Input::SubmitBlock { call, block })
    }

    /// Whether a block drawn at the greatest rate is one at the rate of its own target: where targets change, draws are thinned so that
    /// each miner finds blocks as often as the target of what it mines on allows.
    fn meets_target(&mut self, bits: CompactTarget) -> bool {
        let most = self.setup.rate_max;
        if most <= 1.0 {
            return true;
        }
        let work = |bits: CompactTarget| bits.to_target().map_or(1.0, |target| target.work().to_f64());
        let rate = work(self.setup.spec.initial_target) / work(bits);
        self.statistics.rate_max = self.statistics.rate_max.max(rate);
        uniform(&mut self.random) * most <= rate
    }
}
