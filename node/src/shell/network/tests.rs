//! Networks on 127.0.0.1 that talk to each other in one process. Event-driven: a test waits for inputs, never for time.

use super::*;
use crate::core::event::{GossipId, InboundId, Output, PeerKey, RequestFailure, Verdict};
use crate::core::message::{Gossip, Request, Response};
use chain_spec::{Amount, Outpoint, Script, Transaction, TxIn, TxOut, Txid};
use std::sync::Arc;
use tempfile::TempDir;

const CHAIN: [u8; 32] = [7; 32];
/// A test that waits longer than this for an event has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// One network and what it told its core.
struct Node {
    handle: NetworkHandle,
    inputs: mpsc::Receiver<Input>,
    address: String,
    _datadir: TempDir,
}
fn config(chain_id: [u8; 32]) -> (NetworkConfig, TempDir) {
    let datadir = tempfile::tempdir().expect("directory");
    let mut config = NetworkConfig::new(chain_id, "test", datadir.path());
    config.listen = vec!["127.0.0.1:0".to_owned()];
    (config, datadir)
}
async fn node_with(change: impl FnOnce(&mut NetworkConfig)) -> Node {
    let (mut config, datadir) = config(CHAIN);
    change(&mut config);
    let (sender, inputs) = mpsc::channel(1_024);
    let handle = start(config, sender).await.expect("starts");
    let address = handle.info().await.expect("runs").listen[0].to_string();
    Node { handle, inputs, address, _datadir: datadir }
}
async fn node() -> Node {
    node_with(|_| {}).await
}
impl Node {
    /// The first input that `wanted` picks; others are dropped.
    async fn wait<T>(&mut self, mut wanted: impl FnMut(Input) -> Option<T>) -> T {
        let search = async {
            loop {
                let input = self.inputs.recv().await.expect("the network runs");
                if let Some(found) = wanted(input) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.expect("in time")
    }
    async fn connected(&mut self) -> PeerKey {
        self.wait(|input| if let Input::PeerConnected { peer, .. } = input { Some(peer) } else { None }).await
    }
    async fn disconnected(&mut self) -> PeerKey {
        self.wait(|input| if let Input::PeerDisconnected { peer } = input { Some(peer) } else { None }).await
    }
    async fn gossip(&mut self) -> (PeerKey, GossipId, Gossip) {
        self.wait(|input| match input {
            Input::Gossip { peer, id, message } => Some((peer, id, message)),
            _ => None,
        })
        .await
    }
    async fn request(&mut self) -> (InboundId, Request) {
        self.wait(|input| match input {
            Input::Request { id, request, .. } => Some((id, request)),
            _ => None,
        })
        .await
    }
    async fn answer(&mut self) -> Result<Response, RequestFailure> {
        self.wait(|input| match input {
            Input::Response { response, .. } => Some(Ok(response)),
            Input::RequestFailed { failure, .. } => Some(Err(failure)),
            _ => None,
        })
        .await
    }
}
fn transaction(n: u32) -> Arc<Transaction> {
    Arc::new(Transaction {
        version: 1,
        inputs: vec![TxIn {
            outpoint: Outpoint { txid: Txid::from_bytes([1; 32]), index: n },
            script: Script::default(),
            sequence: 0,
        }],
        outputs: vec![TxOut { value: Amount::ZERO, script: Script::default() }],
        lock_time: 0,
    })
}

#[tokio::test]
async fn gossip_travels_one_hop_per_accept() {
    let mut a = node().await;
    let mut b = node().await;
    let mut c = node().await;
    a.handle.add_node(&b.address).await.expect("added");
    b.handle.add_node(&c.address).await.expect("added");
    a.connected().await;
    c.connected().await;
    b.connected().await;
    b.connected().await;
    let message = Gossip::Transaction(transaction(1));
    a.handle.perform(Output::Publish(message.clone()));
    let (_, id, received) = b.gossip().await;
    assert_eq!(received, message);
    b.handle.perform(Output::Verdict { id, verdict: Verdict::Accept });
    let (_, _, received) = c.gossip().await;
    assert_eq!(received, message);
}
