//! The process: help, uptime, stop.

use crate::shell::clock;
use crate::shell::rpc::error::RpcError;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::method::{Method, Reply};
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;

/// The group's table.
pub const METHODS: &[Method] = &[
    Method::new("getrpcinfo", &[], "Running calls and where the log is.", |c, a| Box::pin(getrpcinfo(c, a))),
    Method::new("help", &["command?"], "This list, or one method's help.", |c, a| Box::pin(help(c, a))),
    Method::new("stop", &[], "Stops the node cleanly.", |c, a| Box::pin(stop(c, a))),
    Method::new("uptime", &[], "Seconds since the node was ready.", |c, a| Box::pin(uptime(c, a))),
];

async fn help(context: Arc<Context>, arguments: Arguments) -> Reply {
    if let Some(name) = arguments.optional_text(0)? {
        let method =
            context.methods.find(name).ok_or_else(|| RpcError::misc(format!("help: unknown command: {name}")))?;
        return Ok(json!(method.help_text()));
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
