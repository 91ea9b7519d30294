//! Selfish mining on live nodes: whose blocks are in the chain that everybody ends with, beside the paper's formula.

use super::Outcome;
use super::picture;
use super::scene::{self, ATTACKER, SHOP, Scene};
use crate::cli::Common;
use crate::lab::command::AttackArgs;
use crate::lab::odds::selfish_revenue;
use crate::lab::strategy::Order;
use anyhow::Result;
use serde_json::json;

/// Blocks found in all until the verdict. Few, because people wait for it: the simulator has thousands (`--sim`).
const BLOCKS: usize = 40;

/// Plays it and reports.
pub fn stage(args: &AttackArgs, common: &Common) -> Result<Outcome> {
    let (_, mut spec) = scene::chain_for(args)?;
    if args.chain.is_none() {
        spec.spacing_s = 1;
    }
    let mut scene = Scene::start(args, common, scene::cast(args, &spec), spec, &["selfish".to_owned()])?;
    scene.say(&picture::heading());
    scene.wait(|scene| Ok((scene.watch.blocks.len() > BLOCKS).then_some(())))?;
    let tip = scene.watch.tip(SHOP)?.0;
    let chain: Vec<_> = scene.watch.branch(&tip).into_iter().filter(|(_, block)| block.height > 0).collect();
    let own = chain.iter().filter(|(_, block)| block.miner == ATTACKER).count();
    let found = scene.watch.blocks.len() - 1;
    let (stale, part) = (found - chain.len(), own as f64 / chain.len().max(1) as f64);
    let expected = selfish_revenue(args.share.min(0.5), 0.0);
    scene.desk().give(&Order::Stop)?;
    let verdict = format!(
        "{own} of the {} blocks in the chain are the attacker's, {:.0} % for {:.0} % of the hash rate ({:.0} % by the paper with every \
         tie lost); {stale} block(s) were mined for nothing",
        chain.len(),
        100.0 * part,
        100.0 * args.share,
        100.0 * expected
    );
    let mut outcome = scene.finish("selfish", part > args.share, verdict)?;
    outcome.more.insert("blocks".into(), json!(found));
    outcome.more.insert("stale_blocks".into(), json!(stale));
    outcome.more.insert("revenue".into(), json!(part));
    outcome.more.insert("matching".into(), json!(expected));
    Ok(outcome)
}
