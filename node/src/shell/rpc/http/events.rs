//! `GET /events`: what happens to the chain and the mempool, as Server-Sent Events (WHATWG HTML, 9.2). What Core offers as
//! ZMQ topics comes here over the same port and password as the RPC, readable by `curl -N` and every browser.
//!
//! Events: `block` (connected or disconnected, in order), `reorganisation` (before its blocks), `transaction` (accepted into
//! the mempool). Each has a `sequence` that counts from 0 on each stream. Absent: replay; a client that comes back asks the
//! RPC what it has missed.

use crate::shell::core_handle::Stopped;
use crate::shell::follow::{Follower, Happening};
use crate::shell::rpc::method::context::Context;
use futures::{Stream, stream};
use serde_json::{Value, json};
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

/// One stream.
struct Told {
    context: Arc<Context>,
    follower: Follower,
    sequence: u64,
}

/// Events from now on, each piece of text one or several of them.
pub async fn stream(context: Arc<Context>) -> Result<impl Stream<Item = String>, Stopped> {
    let follower = Follower::new(context.core.clone()).await?;
    let told = Told { context, follower, sequence: 0 };
    Ok(stream::unfold(told, |mut told| async move { told.next().await.ok().map(|text| (text, told)) }))
}

impl Told {
    /// The next events; ends with the node.
    async fn next(&mut self) -> Result<String, Stopped> {
        loop {
            let mut text = String::new();
            for happening in self.follower.look().await? {
                self.tell(&mut text, happening);
            }
            if !text.is_empty() {
                return Ok(text);
            }
            tokio::select! {
                changed = self.follower.changed(MEMPOOL_INTERVAL) => changed?,
                () = self.context.stopping() => return Err(Stopped),
                () = tokio::time::sleep(HEARTBEAT_INTERVAL) => return Ok(": still here\n\n".to_owned()),
            }
        }
    }

    fn tell(&mut self, text: &mut String, happening: Happening) {
        let (event, mut data) = match happening {
            Happening::Reorganised { from, to, fork: (fork, height), depth } => (
                "reorganisation",
                json!({
                    "from": from.to_string(), "to": to.to_string(), "fork": fork.to_string(),
                    "fork_height": height, "depth": depth,
                }),
            ),
            Happening::Disconnected(block) => {
                ("block", json!({"hash": block.hash.to_string(), "height": block.height, "connected": false}))
            }
            Happening::Connected(block) => {
                ("block", json!({"hash": block.hash.to_string(), "height": block.height, "connected": true}))
            }
            Happening::Added(txid) => ("transaction", json!({"txid": txid.to_string()})),
            Happening::Tip(_) | Happening::Removed(_) => return,
        };
        data["sequence"] = Value::from(self.sequence);
        self.sequence += 1;
        text.push_str(&format!("event: {event}\ndata: {data}\n\n"));
    }
}
