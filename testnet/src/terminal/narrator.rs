//! An attack told to people while it lasts: what everybody has on the left, what only the attacker has on the right, the steps of
//! the story over the whole width, and at every block how the race stands. One column where the terminal is narrow.
//!
//! [`super::story_lines`] tells the same to programs.

use crate::lab::live::Outcome;
use crate::lab::live::observer::{ChainEvent, Observer};
use crate::lab::live::story::{Listener, Moment, What};
use crate::lab::theory::double_spend::standing::Standing;
use crate::output::line;
use anyhow::Result;
use crossterm::style::{Color, Stylize as _};
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};

/// From this width on there are two columns, characters.
const TWO_COLUMNS_MIN: usize = 80;
/// Assumed where there is no terminal, characters.
const WIDTH_DEFAULT: usize = 100;
/// Narrower terminals are treated as this wide, characters.
const WIDTH_MIN: usize = 30;
/// `  123.4 s `
const TIME_WIDTH: usize = 10;

/// How the narrator writes.
#[derive(Clone, Copy, Debug)]
struct Page {
    /// Characters of a line.
    width: usize,
    is_coloured: bool,
}

/// Tells a person.
#[derive(Debug)]
pub struct Narrator {
    page: Page,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    has_heading: bool,
    standing: Option<Standing>,
}

impl Narrator {
    /// On standard output, as wide as it is; coloured if it is a terminal and `NO_COLOR` is not set.
    pub fn new() -> Narrator {
        let is_terminal = std::io::stdout().is_terminal();
        let width = crossterm::terminal::size().ok().map(|(columns, _)| usize::from(columns));
        let width = width.filter(|columns| is_terminal && *columns > 0).unwrap_or(WIDTH_DEFAULT);
        let page = Page { width: width.max(WIDTH_MIN), is_coloured: is_terminal && super::is_colour_wanted() };
        Narrator { page, state: Mutex::default() }
    }
}

impl Default for Narrator {
    fn default() -> Narrator {
        Narrator::new()
    }
}

impl Listener for Narrator {
    fn hear(&self, moment: &Moment<'_>) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let page = self.page;
        if let (What::Event(_), false) = (&moment.what, state.has_heading) {
            state.has_heading = true;
            page.heading().iter().for_each(line);
        }
        match moment.what {
            What::Note(text) => page.sentence(moment.seconds, text, None).iter().for_each(line),
            What::Step(_, text) => page.sentence(moment.seconds, text, Some(Color::Cyan)).iter().for_each(line),
            What::Event(event) => page.event(moment, event).iter().for_each(line),
            What::Verdict(outcome) => page.verdict(outcome).iter().for_each(line),
            What::Kept => line("\nThe nodes stay for you to look at, their miners paused; Ctrl-C ends them."),
        }
        if let (What::Event(ChainEvent::Block { .. }), Some(standing)) = (&moment.what, moment.standing)
            && state.standing != Some(standing)
        {
            state.standing = Some(standing);
            page.sentence(moment.seconds, &stands(&standing), Some(Color::DarkGrey)).iter().for_each(line);
        }
        Ok(())
    }
}

/// How a race stands, in a sentence.
pub fn stands(standing: &Standing) -> String {
    let behind = match standing.behind() {
        0 => "the attacker is level with the public branch".to_owned(),
        behind @ 1.. => format!("the attacker is {behind} behind"),
        ahead => format!("the attacker is {} ahead", -ahead),
    };
    let confirmations = match standing.shipped {
        true => "the shop has shipped".to_owned(),
        false => format!("{} of {} confirmations", standing.confirmations, standing.race.confirmations),
    };
    format!("{confirmations}; {behind}, the odds now are {}", percent(standing.success()))
}

/// A probability with as many digits as it needs.
fn percent(odds: f64) -> String {
    match 100.0 * odds {
        small if small < 0.01 && small > 0.0 => format!("{small:.1e} %"),
        small if small < 10.0 => format!("{small:.2} %"),
        usual if usual < 99.95 => format!("{usual:.1} %"),
        // Nearly sure is not sure.
        sure if sure < 100.0 => ">99.9 %".to_owned(),
        sure => format!("{sure:.0} %"),
    }
}

/// What a block means for the story, in a word.
pub fn holds(moment: &Moment<'_>, hash: &str) -> Option<&'static str> {
    let block = moment.observer.blocks.get(hash)?;
    let has = |txid: Option<&str>| txid.is_some_and(|txid| block.txids.iter().any(|own| own == txid));
    match (has(moment.paid), has(moment.conflicting)) {
        (true, _) => Some("payment"),
        (_, true) => Some("conflict"),
        _ => None,
    }
}

/// An event that is no block, in a sentence.
pub fn sentence_of(event: &ChainEvent) -> Option<String> {
    match event {
        ChainEvent::Block { .. } => None,
        ChainEvent::Published { blocks: 1 } => Some("a secret block comes out".into()),
        ChainEvent::Published { blocks } => Some(format!("{blocks} secret blocks come out")),
        ChainEvent::Reorganisation { node, depth: 1 } => {
            Some(format!("{node} leaves a block for a branch with more work"))
        }
        ChainEvent::Reorganisation { node, depth } => {
            Some(format!("{node} leaves {depth} blocks for a branch with more work"))
        }
    }
}

impl Page {
    fn paint(self, text: String, colour: Option<Color>) -> String {
        match colour.filter(|_| self.is_coloured) {
            Some(colour) => text.with(colour).to_string(),
            None => text,
        }
    }

    /// Characters of each of two columns; `None` where there is room for one.
    fn column(self) -> Option<usize> {
        (self.width >= TWO_COLUMNS_MIN).then(|| ((self.width - TIME_WIDTH - 3) / 2).min(44))
    }

    fn heading(self) -> Vec<String> {
        let Some(column) = self.column() else { return Vec::new() };
        vec![format!("{:TIME_WIDTH$}{:column$} | what only the attacker has", "", "what everybody has")]
    }

    fn event(self, moment: &Moment<'_>, event: &ChainEvent) -> Vec<String> {
        let ChainEvent::Block { hash, secret } = event else {
            let colour = if matches!(event, ChainEvent::Published { .. }) { Color::Magenta } else { Color::Red };
            return self.sentence(moment.seconds, &sentence_of(event).unwrap_or_default(), Some(colour));
        };
        self.block(moment.seconds, moment.observer, (hash, *secret), holds(moment, hash)).into_iter().collect()
    }

    fn block(self, seconds: f64, observer: &Observer, block: (&str, bool), holds: Option<&str>) -> Option<String> {
        let (hash, is_secret) = block;
        let block = observer.blocks.get(hash)?;
        // The end of the hash: its beginning is zeros by work.
        let end = hash.get(hash.len().saturating_sub(8)..).unwrap_or(hash);
        let text = format!("{:>4} …{end} {:8} {}", block.height, block.miner, holds.unwrap_or(""));
        let colour = match (holds, is_secret) {
            (Some("payment"), _) => Some(Color::Green),
            (_, true) => Some(Color::Magenta),
            _ => None,
        };
        let time = format!("{seconds:>7.1} s ");
        let text = text.trim_end();
        Some(match (self.column(), is_secret) {
            (Some(column), false) => {
                format!("{time}{} |", self.paint(format!("{:column$}", cut(text, column)), colour))
            }
            (Some(column), true) => {
                format!("{time}{:column$} | {}", "", self.paint(cut(text, column).to_owned(), colour))
            }
            (None, _) => {
                let text = format!("{} {text}", if is_secret { "secret" } else { "public" });
                format!("{time}{}", self.paint(cut(&text, self.width - TIME_WIDTH).to_owned(), colour))
            }
        })
    }

    /// A sentence after the time, in as many lines as it needs.
    fn sentence(self, seconds: f64, text: &str, colour: Option<Color>) -> Vec<String> {
        let mut lead = format!("{seconds:>7.1} s ");
        let mut lines = Vec::new();
        for part in wrapped(text, self.width - TIME_WIDTH) {
            lines.push(format!("{lead}{}", self.paint(part, colour)));
            lead = " ".repeat(TIME_WIDTH);
        }
        lines
    }

    fn verdict(self, outcome: &Outcome) -> Vec<String> {
        let is_revenue = outcome.more.contains_key("revenue");
        let (result, colour) = match (is_revenue, outcome.succeeded) {
            (true, _) => ("Revenue", Color::Cyan),
            (false, true) => ("The attack succeeded", Color::Red),
            (false, false) => ("The attack failed", Color::Green),
        };
        let mut lines = vec![String::new()];
        let text = wrapped(&format!("{result}: {}", outcome.verdict), self.width);
        lines.extend(text.into_iter().map(|part| self.paint(part, Some(colour))));
        for (node, depth) in &outcome.reorg_depth {
            lines.push(format!("  deepest reorganisation of {node}: {depth} block(s)"));
        }
        if let Some(share) = outcome.share_achieved {
            let (achieved, asked) = (100.0 * share, 100.0 * outcome.share_asked);
            lines.push(format!("  hash share: {achieved:.1} % achieved, {asked:.1} % asked"));
        }
        for cost in outcome.ledger.lines(&outcome.costs) {
            lines.extend(wrapped(&cost, self.width.saturating_sub(2)).into_iter().map(|part| format!("  {part}")));
        }
        lines.push(format!("  {:.1} s", outcome.seconds));
        lines
    }
}

/// The first `width` characters.
fn cut(text: &str, width: usize) -> &str {
    text.char_indices().nth(width).map_or(text, |(end, _)| &text[..end])
}

/// Lines of at most `width` characters, broken between words; longer words stand alone.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push(String::new());
            used = 0;
        }
        let Some(last) = lines.last_mut() else { continue };
        if used > 0 {
            last.push(' ');
            used += 1;
        }
        last.push_str(word);
        used += length;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::theory::double_spend::Race;

    #[test]
    fn a_standing_is_said_with_the_formula_s_odds() {
        let race = Race { share: 0.3, confirmations: 2, premine: 0, give_up: None };
        let standing = Standing { race, confirmations: 1, own: 0, public: 2, shipped: false };
        let told = stands(&standing);
        assert!(told.starts_with("1 of 2 confirmations; the attacker is 2 behind, the odds now are "), "{told}");
        let shipped = Standing { confirmations: 2, shipped: true, ..standing };
        // (3/7)³ = 7.87 %
        assert_eq!(stands(&shipped), "the shop has shipped; the attacker is 2 behind, the odds now are 7.87 %");
        let ahead = Standing { own: 3, ..shipped };
        assert_eq!(stands(&ahead), "the shop has shipped; the attacker is 1 ahead, the odds now are 100 %");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let text = "mallory prepares to pay the shop 50 coins with a transaction";
        for width in [30, 40, 79, 80, 120] {
            let page = Page { width, is_coloured: false };
            for line in page.sentence(12.3, text, None).iter().chain(&page.heading()) {
                assert!(line.chars().count() <= width, "{line:?} at {width}");
            }
            assert_eq!(page.column().is_some(), width >= 80);
        }
        let said: Vec<String> = wrapped(text, 20);
        assert_eq!(said.join(" "), text);
    }

    #[test]
    fn colours_are_used_only_when_wanted() {
        let plain = Page { width: 80, is_coloured: false };
        assert_eq!(plain.paint("x".into(), Some(Color::Red)), "x");
    }
}
