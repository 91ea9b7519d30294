//! Keeping blocks back on live nodes, as selfish and lazy miners do: whose blocks are in the chain that everybody ends with,
//! beside the paper's formula where there is one.

use super::Outcome;
use super::picture;
use super::testbed::{self, ATTACKER, SHOP, Scene};
use crate::cli::Common;
use crate::cli::attack::{AttackArgs, AttackName};
use crate::lab::strategy::Order;
use crate::lab::theory::double_spend::selfish_revenue;
use anyhow::Result;
use serde_json::json;

/// Blocks found in all until the verdict, unless asked otherwise. Few, because people wait: the simulator has thousands (`--sim`).
const BLOCKS: u32 = 40;

/// Plays it and reports.
pub fn stage(args: &AttackArgs, common: &Common) -> Result<Outcome> {
    let spec = testbed::chain_for(args)?;
    let name = args.name.as_str();
    let mut scene = Scene::start(args, common, testbed::cast(args, &spec), spec, &[name.to_owned()])?;
    scene.say(&picture::heading());
    let blocks = args.blocks.unwrap_or(BLOCKS) as usize;
    scene.wait(|scene| Ok((scene.watch.blocks.len() > blocks).then_some(())))?;
    let tip = scene.watch.tip(SHOP)?.0;
    let chain: Vec<_> = scene.watch.branch(&tip).into_iter().filter(|(_, block)| block.height > 0).collect();
    let own = chain.iter().filter(|(_, block)| block.miner == ATTACKER).count();
    let (all, found) = (chain.len(), scene.watch.blocks.len() - 1);
    let by_attacker = scene.watch.blocks.values().filter(|block| block.miner == ATTACKER).count();
    let part = own as f64 / all.max(1) as f64;
    let expected = expected(args);
    scene.desk().give(&Order::Stop)?;
    let theory = match expected {
        Some(expected) => format!(" ({:.0} % by the paper with every tie lost)", 100.0 * expected),
        None => String::new(),
    };
    let verdict = format!(
        "{own} of the {all} blocks in the chain are the attacker's, {:.0} % for {:.0} % of the hash rate{theory}; of {found} blocks found, \
         {by_attacker} by him, {} are not in it",
        100.0 * part,
        100.0 * args.share(),
        found.saturating_sub(all)
    );
    let mut outcome = scene.finish(name, part > args.share(), verdict)?;
    outcome.more.insert("blocks".into(), json!(found));
    outcome.more.insert("blocks_by_attacker".into(), json!(by_attacker));
    outcome.more.insert("stale_blocks".into(), json!(found.saturating_sub(all)));
    outcome.more.insert("revenue".into(), json!(part));
    outcome.more.insert("matching".into(), json!(expected));
    Ok(outcome)
}

/// What theory says of it, if it does: a selfish majority ends with the whole chain.
fn expected(args: &AttackArgs) -> Option<f64> {
    let is_selfish = args.name == AttackName::Selfish;
    is_selfish.then(|| if args.share() < 0.5 { selfish_revenue(args.share(), 0.0) } else { 1.0 })
}
