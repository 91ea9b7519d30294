//! `generatetoaddress` and its relatives: blocks mined at once, on a thread of their own.

use crate::core::Core;
use crate::core::rejection::AcceptError;
use crate::core::template::{EXTRANONCE_BYTES, Template};
use crate::miner;
use crate::shell::clock;
use crate::shell::core_handle::CoreHandle;
use crate::shell::mining::ClockWait;
use crate::shell::rpc::descriptor;
use crate::shell::rpc::error::{INTERNAL_ERROR, RpcError, VERIFY_ERROR, rejection};
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::{Arguments, bad_address, decode_hex};
use crate::shell::rpc::method::context::Context;
use chain_spec::merkle::root_from_branch;
use chain_spec::retarget::on_demand_version;
use chain_spec::rules::RuleError;
use chain_spec::rules::transaction::check_transaction_within;
use chain_spec::{Address, Block, BlockHash, ChainSpec, CheckedTransaction, Encode, Script, Transaction, Txid};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Between two looks whether the clock has come near enough to the chain for the next block.
const CLOCK_LOOK: Duration = Duration::from_millis(50);

/// `generatetoaddress`.
pub async fn generatetoaddress(context: Arc<Context>, arguments: Arguments) -> Reply {
    let address = Address::parse(arguments.text(1)?, &context.spec).map_err(|error| bad_address(&error))?;
    generate(context, &arguments, address.script()).await
}

/// `generatetodescriptor`.
pub async fn generatetodescriptor(context: Arc<Context>, arguments: Arguments) -> Reply {
    let script = descriptor::parse(arguments.text(1)?, &context.spec).map_err(RpcError::not_found)?;
    generate(context, &arguments, script).await
}

async fn generate(context: Arc<Context>, arguments: &Arguments, payout: Script) -> Reply {
    let blocks = arguments.integer(0)?.max(0);
    let tries_max = arguments.number(2)?;
    let shared = Arc::clone(&context);
    let hashes = on_own_thread(&context, move |cancel| {
        let runtime = tokio::runtime::Handle::current();
        let mut hashes = Vec::new();
        for _ in 0..blocks {
            // At an easy target a block is found before the search looks.
            if cancel.load(Ordering::Relaxed) {
                break;
            }
            // Two callers at once would otherwise mine on the same parent, and one of the blocks would be lost.
            let _turn = shared.generating.lock().unwrap_or_else(PoisonError::into_inner);
            let template = runtime.block_on(shared.core.template(payout.clone()))?;
            refuse_if_too_hard(&template.block, tries_max)?;
            let Some(block) = solve(&shared, &runtime, template, cancel)? else { break };
            hashes.push(json!(block.hash().to_string()));
            runtime.block_on(submit(&shared.core, block))?;
        }
        Ok(hashes)
    });
    Ok(Value::Array(hashes.await?))
}

/// Mines a template that nobody has mined before, once the clock allows its time; `None` if it was cancelled.
fn solve(
    context: &Context,
    runtime: &tokio::runtime::Handle,
    mut template: Template,
    cancel: &AtomicBool,
) -> Result<Option<Block>, RpcError> {
    let spec = &context.spec;
    // Many blocks in one second bring the chain ahead of the clock, at most as far as its rules allow.
    while let Some(wait) = ClockWait::before(template.block.header.time, clock::now_s(), spec.future_max_s) {
        if clock::is_mocked() {
            // A clock that stands still never comes nearer.
            return Err(RpcError::misc(wait.to_string()));
        }
        if cancel.load(Ordering::Relaxed) {
            return Ok(None);
        }
        runtime.block_on(tokio::time::sleep(CLOCK_LOOK));
    }
    template.block.header.version |= on_demand_version(spec);
    make_unique(&mut template)?;
    Ok(miner::solve(template.block, spec.proof_of_work, cancel))
}

/// Puts a random extranonce into a template's coinbase, so that no block is made twice: after `invalidateblock` the same
/// parent, payout and second would otherwise give the same block again.
fn make_unique(template: &mut Template) -> Result<(), RpcError> {
    let failed = |error| RpcError::new(INTERNAL_ERROR, format!("the system gives no random numbers: {error}"));
    let mut extranonce = [0; EXTRANONCE_BYTES];
    getrandom::fill(&mut extranonce).map_err(failed)?;
    let [coinbase, ..] = &mut template.block.transactions[..] else { return Ok(()) };
    let mut script = coinbase.inputs[0].script.as_bytes().to_vec();
    let place = script.len() - EXTRANONCE_BYTES;
    script[place..].copy_from_slice(&extranonce);
    coinbase.inputs[0].script = Script::from_bytes(script);
    template.block.header.merkle_root = root_from_branch(coinbase.txid(), &template.coinbase_branch);
    Ok(())
}

/// Mines blocks without transactions on a known block, each on the one before, and submits them; their hashes.
pub async fn mine_on(
    context: &Arc<Context>,
    parent: BlockHash,
    payout: Script,
    blocks: u32,
) -> Result<Vec<BlockHash>, RpcError> {
    let shared = Arc::clone(context);
    on_own_thread(context, move |cancel| {
        let runtime = tokio::runtime::Handle::current();
        let _turn = shared.generating.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut parent, mut made) = (parent, Vec::new());
        for _ in 0..blocks {
            let payout = payout.clone();
            let template = move |core: &Core| core.template_on(&parent, &payout, &[], clock::now());
            let template = runtime.block_on(shared.core.read(template))?;
            let template = template.ok_or_else(|| RpcError::misc("the branch's parent is not known any more"))?;
            let Some(block) = solve(&shared, &runtime, template, cancel)? else { break };
            parent = block.hash();
            runtime.block_on(submit(&shared.core, block))?;
            made.push(parent);
        }
        Ok(made)
    })
    .await
}

/// Runs something that hashes on a blocking thread; it is cancelled when the node stops or the caller hangs up.
async fn on_own_thread<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce(&AtomicBool) -> Result<T, RpcError> + Send + 'static,
) -> Result<T, RpcError> {
    struct CancelOnDrop(Arc<AtomicBool>);
    impl Drop for CancelOnDrop {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let guard = CancelOnDrop(Arc::new(AtomicBool::new(false)));
    let cancel = Arc::clone(&guard.0);
    let mut task = tokio::task::spawn_blocking(move || work(&cancel));
    let finished = tokio::select! {
        finished = &mut task => finished,
        () = context.stopping() => {
            drop(guard);
            task.await
        }
    };
    finished.map_err(|error| RpcError::new(INTERNAL_ERROR, format!("mining thread: {error}")))?
}

/// A caller who bounds the tries does not want to wait for a block that is expected to take more.
fn refuse_if_too_hard(template: &Block, tries_max: Option<f64>) -> Result<(), RpcError> {
    let expected = template.header.bits.to_target().map_or(f64::INFINITY, |target| target.work().to_f64());
    match tries_max {
        Some(tries_max) if expected > tries_max => Err(RpcError::misc(format!(
            "a block takes about {expected:.0} hashes at the present target, more than maxtries ({tries_max:.0})"
        ))),
        _ => Ok(()),
    }
}

async fn submit(core: &CoreHandle, block: Block) -> Result<(), RpcError> {
    match core.submit_block(Arc::new(block)).await? {
        Ok(_) => Ok(()),
        Err(rejected) => Err(rejection(VERIFY_ERROR, &rejected)),
    }
}

/// `generateblock`.
pub async fn generateblock(context: Arc<Context>, arguments: Arguments) -> Reply {
    let output = arguments.text(0)?;
    let payout = match Address::parse(output, &context.spec) {
        Ok(address) => address.script(),
        Err(error) => descriptor::parse(output, &context.spec)
            .map_err(|_| RpcError::not_found(format!("Invalid address or descriptor: {error}")))?,
    };
    let chosen = arguments
        .list(1)?
        .iter()
        .map(|value| chosen_transaction(value, &context.spec))
        .collect::<Result<Vec<_>, _>>()?;
    let wants_submit = arguments.boolean_or(2, true)?;
    // Judged before any work goes into it, so that a bad choice leaves nothing behind.
    let judged = context.core.read(move |core| {
        let template = template_of(core, &payout, chosen)?;
        core.dry_run_block(Arc::new(template.block.clone()), clock::now()).map_err(|error| match error {
            AcceptError::Rejected(reason) => RpcError::new(VERIFY_ERROR, format!("TestBlockValidity failed: {reason}")),
            AcceptError::Store(error) => error.into(),
        })?;
        Ok::<_, RpcError>(template)
    });
    let template = judged.await??;
    let shared = Arc::clone(&context);
    let solved = on_own_thread(&context, move |cancel| {
        let solved = solve(&shared, &tokio::runtime::Handle::current(), template, cancel)?;
        solved.ok_or_else(|| RpcError::misc("the node is shutting down"))
    });
    let block = solved.await?;
    let mut reply = json!({"hash": block.hash().to_string()});
    if wants_submit {
        submit(&context.core, block).await?;
    } else {
        reply["hex"] = json!(hex::encode(block.to_bytes()));
    }
    Ok(reply)
}

/// A transaction named by id or given whole.
enum Chosen {
    Pooled(Txid),
    Given(Arc<CheckedTransaction>),
}

fn chosen_transaction(value: &Value, spec: &ChainSpec) -> Result<Chosen, RpcError> {
    let text = value.as_str().ok_or_else(|| {
        RpcError::new(crate::shell::rpc::error::TYPE_ERROR, "transactions: every element must be a string")
    })?;
    match text.parse::<Txid>() {
        Ok(txid) => Ok(Chosen::Pooled(txid)),
        Err(_) => {
            let transaction: Transaction = decode_hex(text, "Transaction")?;
            check_transaction_within(Arc::new(transaction), spec.money_max)
                .map(|checked| Chosen::Given(Arc::new(checked)))
                .map_err(|error| RpcError::new(VERIFY_ERROR, format!("{}: {error}", error.reason())))
        }
    }
}

fn template_of(core: &Core, payout: &Script, chosen: Vec<Chosen>) -> Result<Template, RpcError> {
    let mut transactions = Vec::with_capacity(chosen.len());
    for choice in chosen {
        transactions.push(match choice {
            Chosen::Pooled(txid) => {
                let missing = || RpcError::not_found(format!("Transaction {txid} not in mempool."));
                Arc::clone(&core.mempool().get(&txid).ok_or_else(missing)?.transaction)
            }
            Chosen::Given(transaction) => transaction,
        });
    }
    let template = core.template_on(&core.tip().hash, payout, &transactions, clock::now());
    let mut template = template.ok_or_else(|| RpcError::misc("the tip changed while the block was made; try again"))?;
    template.block.header.version |= on_demand_version(core.spec());
    Ok(template)
}
