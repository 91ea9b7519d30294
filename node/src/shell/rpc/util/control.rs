//! The process: help, uptime, stop.

use super::{logging, time};
use crate::shell::clock;
use crate::shell::rpc::error::RpcError;
use crate::shell::rpc::lookup;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::method::{Method, Reply};
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;

/// The group's table.
pub const METHODS: &[Method] = &[
    Method::new(
        "echo",
        &["arg0?", "arg1?", "arg2?", "arg3?", "arg4?", "arg5?", "arg6?", "arg7?", "arg8?", "arg9?"],
        "Its arguments, as they were read; for testing clients.",
        |c, a| Box::pin(echo(c, a)),
    ),
    Method::new(
        "echojson",
        &["arg0?", "arg1?", "arg2?", "arg3?", "arg4?", "arg5?", "arg6?", "arg7?", "arg8?", "arg9?"],
        "Its arguments, as they were read; for testing clients.",
        |c, a| Box::pin(echo(c, a)),
    ),
    Method::new(
        "getmemoryinfo",
        &["mode:str?"],
        "Memory that is locked for secrets (mode stats): always none, since the node holds no keys.",
        |c, a| Box::pin(getmemoryinfo(c, a)),
    ),
    Method::new("getrpcinfo", &[], "Running calls and where the log is.", |c, a| Box::pin(getrpcinfo(c, a))),
    Method::new("help", &["command:str?"], "This list, or one method's help.", |c, a| Box::pin(help(c, a))),
    Method::new(
        "logging",
        &["include:arr?", "exclude:arr?"],
        "Which parts of the node log their details; include and exclude are lists of parts (all, none) to switch on and off.",
        |c, a| Box::pin(logging::logging(c, a)),
    ),
    Method::new(
        "mockscheduler",
        &["delta_time:num"],
        "Moves the node's time ahead by up to 3600 seconds (local chains only). Core moves its scheduler; this node has none beside its time.",
        |c, a| Box::pin(time::mockscheduler(c, a)),
    ),
    Method::new(
        "setmocktime",
        &["timestamp:num"],
        "Stops the node's time at a Unix time in seconds, or follows the clock again with 0 (local chains only).",
        |c, a| Box::pin(time::setmocktime(c, a)),
    ),
    Method::new("stop", &[], "Stops the node cleanly.", |c, a| Box::pin(stop(c, a))),
    Method::new(
        "syncwithvalidationinterfacequeue",
        &[],
        "Returns when everything that was submitted before has been dealt with.",
        |c, a| Box::pin(syncwithvalidationinterfacequeue(c, a)),
    ),
    Method::new("uptime", &[], "Seconds since the node was ready.", |c, a| Box::pin(uptime(c, a))),
];

async fn help(context: Arc<Context>, arguments: Arguments) -> Reply {
    if let Some(name) = arguments.optional_text(0)? {
        // As in Core, an unknown name is an answer and no error.
        let unknown = || format!("help: unknown command: {name}");
        return Ok(json!(context.methods.find(name).map_or_else(unknown, |method| method.help_text())));
    }
    let mut text = String::new();
    for (heading, methods) in context.methods.0 {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}== {heading} ==", if text.is_empty() { "" } else { "\n" });
        for method in *methods {
            let _ = writeln!(text, "{}", method.usage());
        }
    }
    Ok(json!(text.trim_end()))
}

async fn echo(_: Arc<Context>, arguments: Arguments) -> Reply {
    Ok(arguments.into_values().into())
}

async fn getmemoryinfo(_: Arc<Context>, arguments: Arguments) -> Reply {
    match arguments.optional_text(0)?.unwrap_or("stats") {
        "stats" => {
            let none = json!({"used": 0, "free": 0, "total": 0, "locked": 0, "chunks_used": 0, "chunks_free": 0});
            Ok(json!({"locked": none}))
        }
        "mallocinfo" => Err(RpcError::parameter("mallocinfo mode not available")),
        other => Err(RpcError::parameter(format!("unknown mode {other}"))),
    }
}

/// The core's thread takes one thing after another: when it runs this, it has dealt with what came before.
async fn syncwithvalidationinterfacequeue(context: Arc<Context>, _: Arguments) -> Reply {
    context.core.read(|_| ()).await?;
    Ok(Value::Null)
}

async fn stop(context: Arc<Context>, _: Arguments) -> Reply {
    context.stop.send_replace(true);
    Ok(json!("Testoon node stopping"))
}

async fn uptime(context: Arc<Context>, _: Arguments) -> Reply {
    Ok(json!(clock::now().0.saturating_sub(context.started.0) / 1_000))
}

async fn getrpcinfo(context: Arc<Context>, _: Arguments) -> Reply {
    let active = context.calls.list().into_iter().map(|(method, age_us)| json!({"method": method, "duration": age_us}));
    Ok(json!({
        "active_commands": active.collect::<Value>(),
        "logpath": context.datadir.join(crate::shell::LOG_FILE).display().to_string(),
    }))
}

/// `GET /health`: one line for supervisors.
pub async fn health(context: &Context) -> String {
    match context.core.read(|core| (core.tip(), core.progress(clock::now()))).await {
        Ok((tip, progress)) => format!(
            "ok chain={} height={} headers={} tip={} initialblockdownload={}\n",
            context.spec.name, tip.height, progress.headers, tip.hash, progress.initial_block_download
        ),
        Err(stopped) => format!("{stopped}\n"),
    }
}

/// `GET /ready`: whether the node answers for the chain as it is now, and a line that says so.
pub async fn readiness(context: &Context) -> (bool, String) {
    let is_behind = context.core.read(|core| (core.progress(clock::now()).initial_block_download, core.tip())).await;
    let is_stale = |tip| lookup::is_stale(&context.spec, &tip, clock::now_s());
    match is_behind.map(|(is_behind, tip)| is_behind || is_stale(tip)) {
        Ok(false) => (true, "ready\n".to_owned()),
        Ok(true) => (false, "catching up with the chain\n".to_owned()),
        Err(stopped) => (false, format!("{stopped}\n")),
    }
}
