//! An attack told to programs while it lasts: one JSON object a line, the outcome last. The page shows the same lines.
//!
//! Every line but the outcome has `s` (seconds), `event` and `text`; docs/web-api.md lists the rest. [`super::narrator`] tells people.

use super::narrator::{holds, sentence_of, stands};
use crate::lab::live::observer::ChainEvent;
use crate::lab::live::story::{Listener, Moment, What};
use crate::lab::live::testbed::SHOP;
use crate::lab::theory::double_spend::standing::Standing;
use anyhow::Result;
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};

/// Where the lines go.
type Sink = Box<dyn Fn(Value) + Send + Sync>;

/// Tells a program.
pub struct StoryLines {
    sink: Sink,
    /// Somebody stops at each step: said with the step, so that a program knows that it must go on.
    waits: bool,
    standing: Mutex<Option<Standing>>,
}

impl StoryLines {
    /// Lines go to `sink`; `waits` if the attack stops at each step.
    pub fn new(waits: bool, sink: impl Fn(Value) + Send + Sync + 'static) -> StoryLines {
        StoryLines { sink: Box::new(sink), waits, standing: Mutex::default() }
    }
}

impl Listener for StoryLines {
    fn hear(&self, moment: &Moment<'_>) -> Result<()> {
        if let Some(mut line) = told(moment)? {
            if self.waits && matches!(moment.what, What::Step(..)) {
                line["waits"] = json!(true);
            }
            (self.sink)(line);
        }
        let mut last = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if let (What::Event(ChainEvent::Block { .. }), Some(standing)) = (moment.what, moment.standing)
            && *last != Some(standing)
        {
            *last = Some(standing);
            let line = json!({
                "confirmations": standing.confirmations,
                "behind": standing.behind(),
                "shipped": standing.shipped,
                "odds": standing.success(),
            });
            (self.sink)(with_head(moment, "odds", &stands(&standing), line));
        }
        Ok(())
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
