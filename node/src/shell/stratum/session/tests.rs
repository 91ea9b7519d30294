//! A session without sockets: what strangers send never gets anything but a reply, and nobody else notices.

use super::super::PoolConfig;
use super::super::payout::{Scheme, Terms, User};
use super::super::pool::Start;
use super::*;
use crate::core::template::Template;
use chain_spec::{Address, Amount, ChainSpec};

const ALICE: &str = "mp6DTMXsQz6Wu6M8Zh2ZE2qScoEUUPVez6";
const BOB: &str = "mghKdQzx6hVVEGJGEFU4AzRBTYsEhLqqa7";

fn pool(scheme: Scheme) -> Pool {
    let spec = Arc::new(ChainSpec::builtin("bitcoin-regtest").unwrap());
    let operator = User::of(&Address::parse(BOB, &spec).unwrap());
    let config = PoolConfig {
        listen: String::new(),
        terms: Terms { scheme, fee_basis_points: 100, outputs_max: 10, operator },
        window: 2.0,
        difficulty: Difficulty::new(1e-12).unwrap(),
        ban_s: 1,
    };
    let now_ms = u64::from(spec.genesis.header.time) * 1_000;
    let pool = Pool::new(config, spec, Vec::new(), Start { now_ms, random: 7 });
    publish(&pool, BlockHash::from_bytes([1; 32]));
    pool
}

/// A job on a parent.
fn publish(pool: &Pool, parent: BlockHash) {
    let mut block = pool.spec().genesis.clone();
    block.header.previous = parent;
    let template = Template {
        height: 7,
        fees: Amount::ZERO,
        coinbase_value: Amount::from_units(5_000_000_000),
        min_time_s: block.header.time,
        bits: block.header.bits,
        signature_operations: Vec::new(),
        transactions: Vec::new(),
        coinbase_branch: Vec::new(),
        block,
    };
    let plan = pool.plan(template.coinbase_value, 0).map(Arc::new);
    let job = Job::new(pool.next_job_number(), template, plan, pool.spec().proof_of_work).unwrap();
    pool.publish(Arc::new(job));
}

fn now_ms(pool: &Pool) -> u64 {
    u64::from(pool.spec().genesis.header.time) * 1_000
}

/// A session that mines for Alice, and the id of its job.
fn mining(pool: &Pool) -> (Session, String) {
    let mut session = Session::new(pool.clone(), now_ms(pool));
    session.answer(br#"{"id":1,"method":"mining.subscribe","params":[]}"#, now_ms(pool));
    let line = format!(r#"{{"id":2,"method":"mining.authorize","params":["{ALICE}","x"]}}"#);
    let step = session.answer(line.as_bytes(), now_ms(pool));
    let notify = step.lines.lines().find(|line| line.contains("mining.notify")).unwrap();
    let notify: Value = serde_json::from_str(notify).unwrap();
    let id = notify["params"][0].as_str().unwrap().to_owned();
    (session, id)
}

fn submit(session: &mut Session, id: &str, nonce: u32, now_ms: u64) -> (Value, Step) {
    let time = now_ms / 1_000;
    let line = format!(
        r#"{{"id":3,"method":"mining.submit","params":["{ALICE}","{id}","0000000000000000","{time:08x}","{nonce:08x}"]}}"#
    );
    let step = session.answer(line.as_bytes(), now_ms);
    (serde_json::from_str(step.lines.lines().next().unwrap()).unwrap(), step)
}

#[test]
fn a_share_that_is_a_block_comes_with_the_block_and_its_plan() {
    for scheme in [Scheme::Solo, Scheme::Pplns] {
        let pool = pool(scheme);
        let (mut session, id) = mining(&pool);
        // Half of all hashes are blocks; the others are shares where they are asked for at less than a block's
        // difficulty.
        let solved = (0..64).find_map(|nonce| submit(&mut session, &id, nonce, now_ms(&pool)).1.solved).unwrap();
        assert_eq!(solved.block.transactions[0].outputs.len(), 2, "Alice, and the fee");
        assert_eq!(solved.plan.outputs[0].1, Amount::from_units(4_950_000_000));
        assert!(solved.block.header.bits.to_target().unwrap().is_met_by(&solved.block.hash()));
    }
}

#[test]
fn shares_of_the_last_tip_count_for_the_grace_and_not_longer() {
    let pool = pool(Scheme::Pplns);
    let (mut session, id) = mining(&pool);
    let (start, grace) = (now_ms(&pool), pool.grace_ms());
    pool.job().unwrap().retire(start);
    publish(&pool, BlockHash::from_bytes([2; 32]));
    assert!(session.job_changed(start).contains("true]"), "a clean job");
    assert_eq!(submit(&mut session, &id, 1, start + grace).0["result"], true);
    assert_eq!(submit(&mut session, &id, 2, start + grace + 1).0["error"][0], 21);
}

#[test]
fn a_pool_whose_books_are_closed_accepts_nothing() {
    let pool = pool(Scheme::Pplns);
    let (mut session, id) = mining(&pool);
    pool.close();
    let (reply, _) = submit(&mut session, &id, 1, now_ms(&pool));
    assert_eq!(reply["error"][0], 20);
    assert!(reply["error"][1].as_str().unwrap().contains("cannot write its books"), "{reply}");
}

/// Requests as miners send them, to be damaged.
fn requests(id: &str) -> Vec<String> {
    vec![
        r#"{"id":1,"method":"mining.subscribe","params":["miner/1.0","00000007"]}"#.into(),
        format!(r#"{{"id":2,"method":"mining.authorize","params":["{BOB}.1","d=0.5"]}}"#),
        format!(r#"{{"id":3,"method":"mining.submit","params":["{ALICE}","{id}","0000000000000000","4d49e5da","00000001"]}}"#),
        format!(r#"{{"id":4,"method":"mining.submit","params":["{ALICE}","{id}","0000000000000000","4d49e5da","00000001","00002000"]}}"#),
        r#"{"id":5,"method":"mining.configure","params":[["version-rolling","minimum-difficulty"],{"version-rolling.mask":"1fffe000","minimum-difficulty.value":3}]}"#.into(),
        r#"{"id":6,"method":"mining.suggest_difficulty","params":[3]}"#.into(),
        r#"{"id":7,"method":"mining.extranonce.subscribe","params":[]}"#.into(),
    ]
}

/// What a stranger sends: which request, whether it is that one at all or the bytes, and which of its bytes are others.
type StrangeLine = (u8, bool, Vec<u8>, Vec<(u16, u8)>);

/// A pool with an honest miner, beside whom strangers come and go.
struct World {
    pool: Pool,
    honest: std::cell::RefCell<(Session, String, u32)>,
}

/// Nobody looks at it after a panic.
impl std::panic::RefUnwindSafe for World {}

impl World {
    /// A stranger sends these lines, some of them damaged requests; every one gets one reply.
    fn stranger(&self, lines: &[StrangeLine]) {
        let (mut stranger, id) = mining(&self.pool);
        let requests = requests(&id);
        for (which, from_valid, bytes, edits) in lines {
            let mut line = bytes.clone();
            if *from_valid {
                line = requests[usize::from(*which) % requests.len()].clone().into_bytes();
                for (place, byte) in edits {
                    let place = usize::from(*place) % line.len();
                    line[place] = *byte;
                }
            }
            let step = stranger.answer(&line, now_ms(&self.pool));
            let reply: Value = serde_json::from_str(step.lines.lines().next().unwrap()).unwrap();
            let code = reply["error"][0].as_u64();
            assert!(code.is_none_or(|code| (20..=25).contains(&code)), "{reply}");
            assert!(reply["error"].is_null() != reply["result"].is_null(), "{reply}");
            for line in step.lines.lines().skip(1) {
                let notice: Value = serde_json::from_str(line).unwrap();
                assert!(notice["id"].is_null() && notice["method"].is_string(), "{notice}");
            }
        }
    }

    /// The honest miner's next share is judged as if nobody else were there.
    fn honest(&self) {
        let mut honest = self.honest.borrow_mut();
        let (session, id, nonce) = &mut *honest;
        *nonce += 1;
        let (reply, step) = submit(session, id, *nonce, now_ms(&self.pool));
        let code = reply["error"][0].as_u64();
        assert!(reply["result"] == true || code == Some(23), "{reply}");
        if let Some(notify) = step.lines.lines().find(|line| line.contains("mining.notify")) {
            let notify: Value = serde_json::from_str(notify).unwrap();
            *id = notify["params"][0].as_str().unwrap().to_owned();
        }
    }
}

#[test]
fn whatever_strangers_send_is_answered_and_others_go_on() {
    let pool = pool(Scheme::Pplns);
    let (session, id) = mining(&pool);
    let world = World { pool, honest: std::cell::RefCell::new((session, id, 0)) };
    bolero::check!().with_type::<Vec<StrangeLine>>().for_each(|lines| {
        world.stranger(lines);
        world.honest();
    });
}
