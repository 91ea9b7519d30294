//! An attack told to programs while it lasts: one JSON object a line, the outcome last. The page shows the same lines.
//!
//! Every line but the outcome has `s` (seconds), `event` and `text`; docs/web-api.md lists the rest. [`super::narrator`] tells people.

use super::narrator::{holds, sentence_of, stands};
use crate::lab::live::observer::ChainEvent;
use crate::lab::live::parties::SHOP;
use crate::lab::live::story::{Listener, Moment, What};
use crate::lab::theory::double_spend::standing::Standing;
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// Where the lines go.
type Sink = Box<dyn Fn(Value) + Send + Sync>;

/// Tells a program.
pub struct StoryLines {
    sink: Sink,
    /// Somebody stops at each step: said with the step, so that a program knows that it must go on.
    waits: bool,
    state: Mutex<State>,
}

/// What was told last, so that only changes are told.
#[derive(Default)]
struct State {
    standing: Option<Standing>,
    tips: BTreeMap<String, String>,
    secret: BTreeSet<String>,
}

impl StoryLines {
    /// Lines go to `sink`; `waits` if the attack stops at each step.
    pub fn new(waits: bool, sink: impl Fn(Value) + Send + Sync + 'static) -> StoryLines {
        StoryLines { sink: Box::new(sink), waits, state: Mutex::default() }
    }
}

impl Listener for StoryLines {
    fn hear(&self, moment: &Moment<'_>) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut line) = told(moment)? {
            match moment.what {
                What::Step(..) if self.waits => line["waits"] = json!(true),
                What::Event(ChainEvent::Block { hash, secret: true }) => drop(state.secret.insert(hash.clone())),
                What::Event(ChainEvent::Published { .. }) => line["hashes"] = json!(state.come_out(moment)),
                _ => {}
            }
            (self.sink)(line);
        }
        let is_block = matches!(moment.what, What::Event(ChainEvent::Block { .. }));
        if let Some(tips) = state.moved(moment) {
            (self.sink)(with_head(moment, "tips", "", json!({ "tips": tips })));
        }
        if let Some(standing) = moment.standing.filter(|standing| is_block && state.standing != Some(*standing)) {
            state.standing = Some(standing);
            let more = json!({
                "confirmations": standing.confirmations,
                "own": standing.own,
                "public": standing.public,
                "behind": standing.behind(),
                "shipped": standing.shipped,
                "odds": standing.success(),
            });
            (self.sink)(with_head(moment, "odds", &stands(&standing), more));
        }
        Ok(())
    }
}

impl State {
    /// The blocks that were secret and are with an honest node now.
    fn come_out(&mut self, moment: &Moment<'_>) -> Vec<String> {
        let blocks = &moment.observer.blocks;
        let is_public = |hash: &String| blocks.get(hash).is_some_and(|block| block.public_s.is_some());
        let (out, secret): (Vec<String>, Vec<String>) =
            std::mem::take(&mut self.secret).into_iter().partition(is_public);
        self.secret = secret.into_iter().collect();
        out
    }

    /// Each tip that nodes have moved to, with their names.
    fn moved(&mut self, moment: &Moment<'_>) -> Option<BTreeMap<String, Vec<String>>> {
        let mut moved: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, tip) in moment.observer.tips() {
            if self.tips.get(name).map(String::as_str) != Some(tip) {
                self.tips.insert(name.to_owned(), tip.to_owned());
                moved.entry(tip.to_owned()).or_default().push(name.to_owned());
            }
        }
        (!moved.is_empty()).then_some(moved)
    }
}

/// `None` for what is only for people.
fn told(moment: &Moment<'_>) -> Result<Option<Value>> {
    Ok(Some(match moment.what {
        What::Note(text) => with_head(moment, "note", text, json!({})),
        What::Step(step, text) => {
            let shop = moment.observer.tip(SHOP).ok();
            let (tip, height) = shop.map_or((None, None), |(tip, height)| (Some(tip), Some(height)));
            let more = json!({
                "step": step,
                "paid": moment.paid,
                "conflicting": moment.conflicting,
                "shop_tip": tip,
                "shop_height": height,
            });
            with_head(moment, "step", text, more)
        }
        What::Event(event) => happened(moment, event),
        What::Verdict(outcome) => serde_json::to_value(outcome)?,
        What::Kept => return Ok(None),
    }))
}

fn happened(moment: &Moment<'_>, event: &ChainEvent) -> Value {
    match event {
        ChainEvent::Block { hash, secret } => {
            let Some(block) = moment.observer.blocks.get(hash) else { return json!({}) };
            let (holds, whose) = (holds(moment, hash), if *secret { "secret " } else { "" });
            let note = holds.map_or_else(String::new, |word| format!(" with the {word}"));
            let text = format!("{whose}block {} by {}{note}", block.height, block.miner);
            let more = json!({
                "hash": hash,
                "previous": block.previous,
                "height": block.height,
                "miner": block.miner,
                "secret": secret,
                "holds": holds,
            });
            with_head(moment, "block", &text, more)
        }
        ChainEvent::Published { blocks } => {
            let text = sentence_of(event).unwrap_or_default();
            with_head(moment, "published", &text, json!({ "blocks": blocks }))
        }
        ChainEvent::Reorganisation { node, depth } => {
            let text = sentence_of(event).unwrap_or_default();
            with_head(moment, "reorganisation", &text, json!({ "node": node, "depth": depth }))
        }
    }
}

/// What every line has, and `more`.
fn with_head(moment: &Moment<'_>, event: &str, text: &str, more: Value) -> Value {
    let mut line = json!({ "s": (moment.seconds * 1e3).round() / 1e3, "event": event, "text": text });
    if let (Value::Object(line), Value::Object(more)) = (&mut line, more) {
        line.extend(more);
    }
    line
}
