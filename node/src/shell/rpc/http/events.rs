//! `GET /events`: what happens to the chain and the mempool, as Server-Sent Events (WHATWG HTML, 9.2). What Core offers as
//! ZMQ topics comes here over the same port and password as the RPC, readable by `curl -N` and every browser.
//!
//! Events: `block` (connected or disconnected, in order), `reorganisation` (before its blocks), `transaction` (accepted into
//! the mempool). Each has a `sequence` that counts from 0 on each stream. Absent: replay; a client that comes back asks the
//! RPC what it has missed.

use crate::core::Core;
use crate::core::summary::Summary;
use crate::shell::core_handle::Stopped;
use crate::shell::rpc::method::context::Context;
use chain_spec::{BlockHash, Txid};
use futures::{Stream, stream};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// What a stream is served as.
pub const CONTENT_TYPE: &str = "text/event-stream";
/// Streams at once.
pub const STREAMS_MAX: usize = 16;
/// The mempool is not looked at more often than this.
const MEMPOOL_INTERVAL: Duration = Duration::from_millis(100);
/// A comment is sent after so much silence, so that both ends notice a dead connection.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);

/// What one stream has told so far.
struct Told {
    context: Arc<Context>,
    tip: BlockHash,
    /// What is in the mempool.
    pooled: HashSet<Txid>,
    sequence: u64,
}

/// How the active chain went from one tip to another.
struct Path {
    /// From the old tip down to the fork, the fork not among them.
    disconnected: Vec<Summary>,
    fork: Option<Summary>,
    /// From above the fork up to the new tip.
    connected: Vec<Summary>,
}

/// Events from now on, each piece of text one or several of them.
pub async fn stream(context: Arc<Context>) -> Result<impl Stream<Item = String>, Stopped> {
    let start = |core: &Core| (core.tip().hash, pooled(core));
    let (tip, pooled) = context.core.read(start).await?;
    let told = Told { context, tip, pooled, sequence: 0 };
    Ok(stream::unfold(told, |mut told| async move { told.next().await.ok().map(|text| (text, told)) }))
}

fn pooled(core: &Core) -> HashSet<Txid> {
    core.mempool().entries().map(|entry| entry.transaction.txid()).collect()
}

impl Told {
    /// The next events; ends with the node.
    async fn next(&mut self) -> Result<String, Stopped> {
        let (mut tip, mut mempool) = (self.context.core.tip(), self.context.core.mempool_version());
        loop {
            tip.mark_unchanged();
            mempool.mark_unchanged();
            let text = self.look().await?;
            if !text.is_empty() {
                return Ok(text);
            }
            let mempool_changed = async {
                tokio::time::sleep(MEMPOOL_INTERVAL).await;
                mempool.changed().await
            };
            tokio::select! {
                changed = tip.changed() => changed.map_err(|_| Stopped)?,
                changed = mempool_changed => changed.map_err(|_| Stopped)?,
                () = self.context.stopping() => return Err(Stopped),
                () = tokio::time::sleep(HEARTBEAT_INTERVAL) => return Ok(": still here\n\n".to_owned()),
            }
        }
    }

    /// What has happened since the last look.
    async fn look(&mut self) -> Result<String, Stopped> {
        let from = self.tip;
        let (path, now) = self.context.core.read(move |core| (path(core, from), pooled(core))).await?;
        let mut text = String::new();
        if let (Some(fork), Some(old)) = (&path.fork, path.disconnected.first()) {
            let to = path.connected.last().unwrap_or(fork);
            let depth = path.disconnected.len();
            self.write(
                &mut text,
                "reorganisation",
                json!({
                    "from": old.hash.to_string(), "to": to.hash.to_string(), "fork": fork.hash.to_string(),
                    "fork_height": fork.height, "depth": depth,
                }),
            );
        }
        for (blocks, is_connected) in [(&path.disconnected, false), (&path.connected, true)] {
            for block in blocks {
                self.write(
                    &mut text,
                    "block",
                    json!({
                        "hash": block.hash.to_string(), "height": block.height, "connected": is_connected,
                    }),
                );
            }
        }
        if let Some(tip) = path.connected.last().or(path.fork.as_ref().filter(|_| !path.disconnected.is_empty())) {
            self.tip = tip.hash;
        }
        let before = std::mem::take(&mut self.pooled);
        for txid in now.difference(&before) {
            self.write(&mut text, "transaction", json!({"txid": txid.to_string()}));
        }
        self.pooled = now;
        Ok(text)
    }

    fn write(&mut self, text: &mut String, event: &str, mut data: Value) {
        data["sequence"] = json!(self.sequence);
        self.sequence += 1;
        text.push_str(&format!("event: {event}\ndata: {data}\n\n"));
    }
}

/// The way from a block that was the tip to the present one.
fn path(core: &Core, from: BlockHash) -> Path {
    let (mut disconnected, mut connected) = (Vec::new(), Vec::new());
    let mut fork = core.summary(&from);
    while let Some(block) = fork.take_if(|block| !block.active) {
        fork = core.summary(&block.header.previous);
        disconnected.push(block);
    }
    let mut next = fork.as_ref().and_then(|fork| fork.next);
    while let Some(block) = next.and_then(|hash| core.summary(&hash)) {
        next = block.next;
        connected.push(block);
    }
    Path { disconnected, fork, connected }
}
