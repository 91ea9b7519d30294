//! The picture of an attack: both branches, block by block, as an SVG that stands alone.
//!
//! Heights go to the right, in rows. Blocks that were public when they were first seen stand above, those that were secret
//! below; each is where its lane has room, with a line to its parent. What a block means for the story is written at it.

use super::observer::{ObservedBlock, Observer};
use super::parties::SHIPS;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::Path;

/// Heights in a row.
const ROW_HEIGHTS: u64 = 20;
/// From one height to the next, pixels.
const STEP: f64 = 58.0;
/// From one lane to the next, pixels.
const LANE: f64 = 52.0;
/// A block, pixels.
const BOX: (f64, f64) = (42.0, 24.0);
/// Around everything, pixels.
const MARGIN: f64 = 24.0;
/// Characters of a line of text over the whole width.
const LINE_CHARACTERS: usize = 160;

const LEGEND: &str = "filled: on the chain that the shop ends with · dashed violet: secret when it was found · red line through: reversed, \
     it was public and is no longer on the shop's chain · seconds: when the public block above was first seen";

/// The transactions that matter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held<'a> {
    /// The payment to the shop.
    pub paid: Option<&'a str>,
    /// What spends its coins elsewhere.
    pub conflicting: Option<&'a str>,
}

/// Writes the picture of all that was seen; `shop` is the node whose chain counts in the end.
///
/// # Errors
/// The file cannot be written, or no node is called so.
pub fn write(observer: &Observer, title: &str, held: Held<'_>, shop: &str, path: &Path) -> Result<()> {
    let tip = observer.tip(shop)?.0;
    let kept = observer.branch(&tip).into_iter().map(|(hash, _)| hash.to_owned()).collect();
    let picture = Picture { blocks: &observer.blocks, kept, marks: &observer.marks, held };
    Ok(std::fs::write(path, picture.draw(title))?)
}

/// What is drawn.
struct Picture<'a> {
    blocks: &'a BTreeMap<String, ObservedBlock>,
    /// The chain that the shop ends with.
    kept: BTreeSet<String>,
    marks: &'a [(f64, String)],
    held: Held<'a>,
}

/// Where a block stands, pixels.
type Places = HashMap<String, (f64, f64)>;

impl Picture<'_> {
    fn draw(&self, title: &str) -> String {
        let words: Vec<String> = self.marks.iter().map(|(seconds, words)| format!("{seconds:.1} s {words}")).collect();
        let head: Vec<String> = wrapped(title).into_iter().chain(wrapped(&words.join(" · "))).collect();
        let top = MARGIN + 20.0 * head.len() as f64;
        let (places, lanes, height) = self.places(top + 20.0);
        let width = 2.0 * MARGIN + ROW_HEIGHTS as f64 * STEP;
        let legend = wrapped(LEGEND);
        let all = height + 18.0 * legend.len() as f64 + MARGIN;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{all:.0}\" viewBox=\"0 0 {width:.0} {all:.0}\" \
             font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        );
        for (row, text) in head.iter().enumerate() {
            let (y, size) = (MARGIN + 20.0 * row as f64, if row == 0 { 15 } else { 12 });
            text_at(&mut svg, (MARGIN, y), &format!("font-size=\"{size}\" fill=\"#222\""), text);
        }
        self.draw_lines(&mut svg, &places, &lanes);
        self.draw_blocks(&mut svg, &places);
        for (row, text) in legend.iter().enumerate() {
            text_at(&mut svg, (MARGIN, height + 18.0 * row as f64), "fill=\"#444\"", text);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn shown(&self) -> Vec<(&String, &ObservedBlock)> {
        let mut blocks: Vec<_> = self.blocks.iter().filter(|(_, block)| block.height > 0).collect();
        blocks.sort_by(|a, b| a.1.height.cmp(&b.1.height).then(a.1.seen_s.total_cmp(&b.1.seen_s)));
        blocks
    }

    /// Each block's lane, public ones from 0 up and secret ones from 0 up: its parent's, or the first with room at its height.
    fn lanes(&self) -> HashMap<String, (bool, usize)> {
        let mut lanes: HashMap<String, (bool, usize)> = HashMap::new();
        let mut taken: BTreeSet<(bool, usize, u64)> = BTreeSet::new();
        for (hash, block) in self.shown() {
            let is_secret = was_secret(block);
            let parent = lanes.get(&block.previous).filter(|(secret, _)| *secret == is_secret).map(|(_, lane)| *lane);
            let is_free = |lane: usize, taken: &BTreeSet<_>| !taken.contains(&(is_secret, lane, block.height));
            let lane = parent.into_iter().chain(0..).find(|lane| is_free(*lane, &taken)).unwrap_or(0);
            taken.insert((is_secret, lane, block.height));
            lanes.insert(hash.clone(), (is_secret, lane));
        }
        lanes
    }

    /// Where each block stands, where each row's seconds are written, and where the rows end.
    fn places(&self, top: f64) -> (Places, Vec<(u64, f64)>, f64) {
        let lanes = self.lanes();
        let blocks = self.shown();
        let lowest = blocks.first().map_or(1, |(_, block)| block.height);
        let row_of = |block: &ObservedBlock| (block.height - lowest) / ROW_HEIGHTS;
        let rows = blocks.last().map_or(0, |(_, block)| row_of(block) + 1);
        let (mut places, mut seconds, mut y) = (Places::new(), Vec::new(), top);
        for row in 0..rows {
            let here: Vec<_> = blocks.iter().filter(|(_, block)| row_of(block) == row).collect();
            let count = |secret: bool| {
                let lanes = here.iter().filter_map(|(hash, _)| lanes.get(*hash)).filter(|lane| lane.0 == secret);
                lanes.map(|(_, lane)| lane + 1).max().unwrap_or(0)
            };
            let public = count(false);
            for (hash, block) in &here {
                let Some((is_secret, lane)) = lanes.get(*hash).copied() else { continue };
                // The lane that goes on stands next to the secret ones.
                let lane = if is_secret { public + lane } else { public - 1 - lane };
                let column = (block.height - lowest) % ROW_HEIGHTS;
                places.insert((*hash).clone(), (MARGIN + column as f64 * STEP, y + lane as f64 * LANE));
            }
            y += (public + count(true)) as f64 * LANE;
            seconds.push((lowest + row * ROW_HEIGHTS, y));
            y += 44.0;
        }
        (places, seconds, y)
    }

    /// From each block to its parent, and each row's seconds.
    fn draw_lines(&self, svg: &mut String, places: &Places, rows: &[(u64, f64)]) {
        for (hash, block) in self.shown() {
            let (Some(to), Some(from)) = (places.get(hash), places.get(&block.previous)) else { continue };
            // A parent at the end of the row before: the line comes in from the left.
            let is_broken = from.0 >= to.0;
            let (x1, y1) = if is_broken { (to.0 - 14.0, to.1) } else { (from.0 + BOX.0, from.1) };
            let (colour, dash) =
                if was_secret(block) { ("#7a1fa2", " stroke-dasharray=\"5 3\"") } else { ("#777", "") };
            let (y1, y2) = (y1 + BOX.1 / 2.0, to.1 + BOX.1 / 2.0);
            // Writing to a String cannot fail.
            let _ = writeln!(
                svg,
                "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\"{dash}/>",
                to.0
            );
        }
        for (lowest, y) in rows {
            let here = |block: &&ObservedBlock| (*lowest..lowest + ROW_HEIGHTS).contains(&block.height);
            let mut first: BTreeMap<u64, f64> = BTreeMap::new();
            for block in self.blocks.values().filter(|block| !was_secret(block)).filter(here) {
                let seen = first.entry(block.height).or_insert(block.seen_s);
                *seen = seen.min(block.seen_s);
            }
            for (height, seen_s) in first {
                let x = MARGIN + (height - lowest) as f64 * STEP;
                text_at(svg, (x, *y), "fill=\"#555\"", &format!("{seen_s:.1} s"));
            }
        }
    }

    fn draw_blocks(&self, svg: &mut String, places: &Places) {
        let words = self.words();
        for (hash, block) in self.shown() {
            let Some((x, y)) = places.get(hash).copied() else { continue };
            let (is_kept, secret) = (self.kept.contains(hash), was_secret(block));
            let colour = if secret { "#7a1fa2" } else { "#1d4ed8" };
            let is_reversed = !is_kept && block.public_s.is_some();
            let (fill, ink) = if is_kept { (colour, "#fff") } else { ("#fff", "#333") };
            let stroke = if is_reversed { "#b3261e" } else { colour };
            let dash = if secret { " stroke-dasharray=\"4 3\"" } else { "" };
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{}\" height=\"{}\" rx=\"4\" fill=\"{fill}\" stroke=\"{stroke}\" \
                 stroke-width=\"2\"{dash}><title>{} height {} by {}, seen at {:.1} s{}</title></rect>",
                BOX.0,
                BOX.1,
                escaped(hash),
                block.height,
                escaped(&block.miner),
                block.seen_s,
                block.public_s.filter(|_| secret).map_or(String::new(), |s| format!(", public at {s:.1} s")),
            );
            let place = format!("text-anchor=\"middle\" fill=\"{ink}\"");
            text_at(svg, (x + BOX.0 / 2.0, y + 16.0), &place, &block.height.to_string());
            if is_reversed {
                let _ = writeln!(
                    svg,
                    "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#b3261e\" stroke-width=\"2\"/>",
                    x - 3.0,
                    y + BOX.1 + 2.0,
                    x + BOX.0 + 3.0,
                    y - 2.0
                );
            }
            for (row, word) in words.get(hash).into_iter().flatten().enumerate() {
                let place = format!("text-anchor=\"middle\" font-weight=\"bold\" fill=\"{stroke}\"");
                text_at(svg, (x + BOX.0 / 2.0, y - 5.0 - 11.0 * row as f64), &place, word);
            }
        }
    }

    /// What is written at a block, from below: a payment with one confirmation can be what the shop ships for.
    fn words(&self) -> HashMap<String, Vec<&'static str>> {
        let mut words: HashMap<String, Vec<&'static str>> = HashMap::new();
        for (hash, block) in self.shown() {
            let has = |txid: Option<&str>| txid.is_some_and(|txid| block.txids.iter().any(|own| own == txid));
            match (has(self.held.paid), has(self.held.conflicting)) {
                (true, _) => words.entry(hash.clone()).or_default().push("payment"),
                (_, true) => words.entry(hash.clone()).or_default().push("conflict"),
                _ => {}
            }
        }
        let shipped_s = self.marks.iter().find(|(_, words)| words == SHIPS).map(|(seconds, _)| *seconds);
        if let Some(shipped_s) = shipped_s {
            let public = self.shown().into_iter().filter(|(_, block)| block.public_s.is_some_and(|s| s <= shipped_s));
            if let Some((hash, _)) = public.max_by_key(|(_, block)| block.height) {
                words.entry(hash.clone()).or_default().push("shipped");
            }
        }
        // The highest of those that came out together stands for them.
        let mut published: BTreeMap<u64, (&String, u64)> = BTreeMap::new();
        for (hash, block) in self.shown().into_iter().filter(|(_, block)| was_secret(block)) {
            let Some(public_s) = block.public_s else { continue };
            let entry = published.entry((public_s * 1e3) as u64).or_insert((hash, block.height));
            if block.height >= entry.1 {
                *entry = (hash, block.height);
            }
        }
        for (hash, _) in published.into_values() {
            words.entry(hash.clone()).or_default().push("published");
        }
        words
    }
}

/// Whether only the attacker had it when it was first seen.
fn was_secret(block: &ObservedBlock) -> bool {
    block.public_s.is_none_or(|public| public > block.seen_s)
}

fn text_at(svg: &mut String, (x, y): (f64, f64), attributes: &str, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{}</text>", escaped(text));
}

/// Lines of at most [`LINE_CHARACTERS`], broken at spaces.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= LINE_CHARACTERS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests;
