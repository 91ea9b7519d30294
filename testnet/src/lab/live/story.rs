//! What a live attack tells while it lasts, to whoever listens: the terminal, a program that reads JSON, the page.
//!
//! The lab knows only this vocabulary; the listeners are above it ([`crate::terminal::narrator`]). Time can stand still at a step of
//! the story: all miners pause until the listener returns.

use super::Outcome;
use super::observer::{ChainEvent, Observer};
use crate::lab::theory::double_spend::Race;
use crate::lab::theory::double_spend::standing::Standing;
use anyhow::Result;
use std::sync::Arc;

/// One moment of an attack.
pub struct Moment<'a> {
    /// Seconds since the testbed began, without those for which it stood still.
    pub seconds: f64,
    /// All that the nodes have told so far.
    pub observer: &'a Observer,
    /// The payment the shop is to see.
    pub paid: Option<&'a str>,
    /// The transaction that spends the same coins elsewhere.
    pub conflicting: Option<&'a str>,
    /// How the race stands, while a double spend lasts.
    pub standing: Option<Standing>,
    /// What happened.
    pub what: What<'a>,
}

/// What happened.
#[derive(Clone, Copy)]
pub enum What<'a> {
    /// Something to know.
    Note(&'a str),
    /// A step of the story: one word or two, and a sentence.
    Step(&'a str, &'a str),
    /// A look at the nodes found this.
    Event(&'a ChainEvent),
    /// It is over.
    Verdict(&'a Outcome),
    /// After the verdict the nodes stay, their miners paused.
    Kept,
}

/// Somebody who is told.
pub trait Listener: Send + Sync {
    /// Takes in a moment.
    ///
    /// # Errors
    /// The attack is to end.
    fn hear(&self, moment: &Moment<'_>) -> Result<()>;

    /// Whether the miners shall pause while it hears of a step.
    fn stops_time(&self) -> bool {
        false
    }
}

/// Who listens to an attack; nobody by default.
#[derive(Clone, Default)]
pub struct Listeners(Vec<Arc<dyn Listener>>);

impl Listeners {
    /// One more.
    pub fn add(&mut self, listener: Arc<dyn Listener>) {
        self.0.push(listener);
    }

    /// Tells everybody.
    ///
    /// # Errors
    /// One of them ends the attack.
    pub fn tell(&self, moment: &Moment<'_>) -> Result<()> {
        self.0.iter().try_for_each(|listener| listener.hear(moment))
    }

    /// Whether one of them stops time at a step.
    pub fn stop_time(&self) -> bool {
        self.0.iter().any(|listener| listener.stops_time())
    }
}

impl std::fmt::Debug for Listeners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} listener(s)", self.0.len())
    }
}

/// How a double spend stands by what the nodes have told: the shop's branch against the highest one that is still secret. `None`
/// before the payment is out, and once the conflicting transaction is public.
pub fn standing(
    observer: &Observer,
    race: Race,
    shop: &str,
    (paid, conflicting): (Option<&str>, Option<&str>),
    shipped: bool,
) -> Option<Standing> {
    let public = observer.branch(&observer.tip(shop).ok()?.0);
    let place = |txid: &str| public.iter().position(|(_, block)| block.txids.iter().any(|own| own == txid));
    let held = place(paid?);
    if conflicting.and_then(place).is_some() {
        return None;
    }
    let confirmations = held.map_or(0, |at| public.len() - at);
    let secret = observer.blocks.iter().filter(|(_, block)| block.public_s.is_none());
    let (own, above) = match secret.max_by_key(|(_, block)| block.height) {
        Some((tip, _)) => {
            let own = observer.branch(tip);
            let shared = public.iter().zip(&own).take_while(|(a, b)| a.0 == b.0).count();
            (own.len() - shared, public.len() - shared)
        }
        // Nothing is secret yet: the race starts below the block that confirms the payment.
        None => (0, confirmations),
    };
    let count = |blocks: usize| u32::try_from(blocks).unwrap_or(u32::MAX);
    Some(Standing { race, confirmations: count(confirmations), own: count(own), public: count(above), shipped })
}
