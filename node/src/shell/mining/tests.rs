//! The task between core and miner: what makes it renew the job, and when it waits.

use super::*;
use crate::core::Core;
use crate::core::event::{Input, Output, Time};
use crate::core::state_machine::StateMachine;
use crate::core::store::StoreError;
use crate::shell::core_handle::TipState;
use crate::shell::network::NetworkConfig;
use crate::shell::{Node, Settings, Wrap};
use chain_spec::{CompactTarget, ProofOfWork, spec::Retarget};
use std::sync::atomic::{AtomicBool, Ordering};

/// How long a test waits for what must happen, on a machine busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);
/// A target that no hash meets.
const HOPELESS: u32 = 0x0300_0001;

/// Bitcoin's regtest with another genesis time and limit to how far ahead of the clock a header may be.
fn spec(genesis_time: u64, future_max_s: u32) -> ChainSpec {
    let mut spec = ChainSpec::builtin("bitcoin-regtest").unwrap();
    spec.genesis.header.time = u32::try_from(genesis_time).unwrap();
    spec.future_max_s = future_max_s;
    spec
}

async fn start(spec: ChainSpec, datadir: &std::path::Path, wrap: Option<Wrap>) -> Node {
    let payout = Address::parse("mp6DTMXsQz6Wu6M8Zh2ZE2qScoEUUPVez6", &spec).unwrap();
    let mut network = NetworkConfig::new(spec.id(), spec.name.clone(), datadir);
    network.discover = false;
    let miner = MinerConfig { threads: 1, hashrate_max: Some(1_000), ..MinerConfig::default() };
    let settings = Settings {
        spec,
        datadir: datadir.to_owned(),
        rpc_listen: "127.0.0.1:0".to_owned(),
        rpc_access: crate::shell::rpc::http::auth::Access::default(),
        rest: false,
        rpc_host_names: Vec::new(),
        network,
        payout: Some(payout),
        miner,
        pool: None,
        zmq: Vec::new(),
        store: crate::shell::store::StoreConfig::default(),
        core: crate::core::Config::default(),
        wrap,
    };
    Node::start(settings).await.unwrap()
}

async fn stop(node: Node) {
    node.stopper().send_replace(true);
    node.run().await.unwrap();
}

/// Waits until the tip is at `height` or above.
async fn height(node: &Node, height: u32) {
    let mut tip = node.context().core.tip();
    let reached = tip.wait_for(|tip: &TipState| tip.height >= height);
    tokio::time::timeout(PATIENCE, reached).await.expect("no block in time").unwrap();
}

#[test]
fn a_job_is_left_alone_for_a_small_part_of_the_spacing() {
    assert_eq!(mempool_renewal_interval(1), Duration::from_millis(20));
    assert_eq!(mempool_renewal_interval(2), Duration::from_millis(40));
    assert_eq!(mempool_renewal_interval(600), Duration::from_secs(1));
    for spacing_s in 1..1_000 {
        let part = mempool_renewal_interval(spacing_s).as_secs_f64() / f64::from(spacing_s);
        assert!(part <= 0.02, "{part} of a spacing of {spacing_s} s");
    }
}

#[test]
fn a_block_waits_for_the_clock_exactly_when_its_earliest_time_is_refused() {
    assert_eq!(ClockWait::before(1_000, 2_000, 60), None, "in the past");
    assert_eq!(ClockWait::before(1_060, 1_000, 60), None, "as far ahead as is allowed");
    let wait = ClockWait::before(1_061, 1_000, 60).unwrap();
    assert_eq!((wait.min_time_s, wait.ahead_s, wait.future_max_s), (1_061, 61, 60));
    assert!(wait.to_string().contains("61 s ahead"), "{wait}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tip_too_far_ahead_of_the_clock_stops_mining_until_it_is_not() {
    let datadir = tempfile::tempdir().unwrap();
    let node = start(spec(clock::now_s() + 3_600, 60), datadir.path(), None).await;
    let mining = node.context().mining.clone();
    tokio::time::timeout(PATIENCE, async {
        while mining.status().and_then(|status| status.waiting).is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the miner does not say that it waits");
    let status = mining.status().unwrap();
    assert_eq!(status.meter.hashes_total, 0, "nothing is hashed that would be refused");
    assert_eq!(status.waiting.unwrap().future_max_s, 60);
    stop(node).await;

    // The same distance is no reason to wait where the chain allows it.
    let datadir = tempfile::tempdir().unwrap();
    let node = start(spec(clock::now_s() + 3_600, 7_200), datadir.path(), None).await;
    height(&node, 3).await;
    assert_eq!(node.context().mining.status().unwrap().waiting, None);
    stop(node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_with_scrypt_is_mined_by_scrypt() {
    let mut spec = ChainSpec::builtin("local-scrypt").unwrap();
    // About 16 hashes a block.
    spec.initial_target = CompactTarget::from_bits(0x200f_ffff);
    spec.retarget = Retarget::Fixed;
    let datadir = tempfile::tempdir().unwrap();
    let node = start(spec, datadir.path(), None).await;
    height(&node, 3).await;
    let context = node.context();
    assert_eq!(context.mining.status().unwrap().meter.kernel.proof_of_work(), ProofOfWork::Scrypt);
    let header = context.core.read(|core| core.tip().header).await.unwrap();
    let target = header.bits.to_target().unwrap();
    assert!(ProofOfWork::Scrypt.meets(&header, target));
    assert_eq!(header.hash(), context.core.read(|core| core.tip().hash).await.unwrap(), "identity stays SHA-256d");
    stop(node).await;
}

/// A core whose templates cannot be solved until a switch is thrown, and who then says that its goal is another.
struct Undecided {
    core: Core,
    decided: Arc<AtomicBool>,
    announced: bool,
}

impl StateMachine for Undecided {
    fn core(&self) -> &Core {
        &self.core
    }
    fn handle(&mut self, now: Time, input: Input) -> Result<Vec<Output>, StoreError> {
        let mut outputs = self.core.handle(now, input)?;
        if self.decided.load(Ordering::SeqCst) && !self.announced {
            self.announced = true;
            outputs.push(Output::MiningGoalChanged);
        }
        Ok(outputs)
    }
    fn template(&self, payout: &Script, now: Time) -> Template {
        let mut template = self.core.template(payout, now);
        if !self.announced {
            template.block.header.bits = CompactTarget::from_bits(HOPELESS);
        }
        template
    }
    fn wants_tick(&self) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_goal_is_a_new_job() {
    let decided = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&decided);
    let wrap: Wrap = Box::new(|core, _| Box::new(Undecided { core, decided: switch, announced: false }));
    let datadir = tempfile::tempdir().unwrap();
    let node = start(spec(1_700_000_000, 7_200), datadir.path(), Some(wrap)).await;
    let mining = node.context().mining.clone();
    tokio::time::timeout(PATIENCE, async {
        while mining.meter().is_none_or(|meter| meter.hashes_total == 0) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("nothing is mined");
    assert_eq!(node.context().core.tip().borrow().height, 0);
    let mut goal = node.context().core.mining_goal_version();
    decided.store(true, Ordering::SeqCst);
    tokio::time::timeout(PATIENCE, goal.changed()).await.expect("the new goal is not told").unwrap();
    height(&node, 1).await;
    stop(node).await;
}
