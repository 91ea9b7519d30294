//! Pictures of a trace: a tree for the terminal, DOT for Graphviz, SVG.

use std::collections::BTreeMap;

use chain_spec::{ChainSpec, Outpoint};
use plotters::prelude::*;

use super::trace::TraceNode;
use crate::keystore::address;

/// One column of the SVG, and one row, in pixels.
const COLUMN: i32 = 330;
const ROW: i32 = 46;
const BOX: (i32, i32) = (290, 36);
/// Boxes drawn; a larger trace has no readable picture.
const BOXES_MAX: usize = 500;

/// What a person sees of an output.
fn label(node: &TraceNode, spec: &ChainSpec) -> String {
    let to = node.public_key_hash.map_or("no address".to_owned(), |hash| address(hash, spec).to_string());
    let kind = match (node.is_coinbase, node.is_unspent) {
        (true, true) => " coinbase, unspent",
        (true, false) => " coinbase",
        (false, true) => " unspent",
        (false, false) => "",
    };
    let cut = if node.is_cut { " …" } else { "" };
    format!("{} to {to} in block {}{kind}{cut}", node.value, node.height)
}

/// The tree as indented text.
pub fn text(root: &TraceNode, spec: &ChainSpec) -> String {
    let mut out = String::new();
    lines(root, spec, "", "", &mut out);
    out
}

fn lines(node: &TraceNode, spec: &ChainSpec, first: &str, rest: &str, out: &mut String) {
    out.push_str(&format!("{first}{}  {}\n", label(node, spec), node.coin));
    for (index, next) in node.next.iter().enumerate() {
        let (branch, below) = if index + 1 == node.next.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        lines(next, spec, &format!("{rest}{branch}"), &format!("{rest}{below}"), out);
    }
}

/// Outputs with their depth, and which leads to which.
type Graph<'a> = (Vec<(&'a TraceNode, usize)>, Vec<(Outpoint, Outpoint)>);

/// Every output once, with its depth, and the edges.
fn graph(root: &TraceNode) -> Graph<'_> {
    let (mut nodes, mut edges): (BTreeMap<Outpoint, (&TraceNode, usize)>, _) = (BTreeMap::new(), Vec::new());
    let mut waiting = vec![(root, 0)];
    while let Some((node, depth)) = waiting.pop() {
        let known = nodes.entry(node.coin).or_insert((node, depth));
        // The one that is not cut has the edges.
        if known.0.is_cut && !node.is_cut {
            *known = (node, depth);
        }
        for next in &node.next {
            edges.push((node.coin, next.coin));
            waiting.push((next, depth + 1));
        }
    }
    let mut nodes: Vec<_> = nodes.into_values().collect();
    nodes.sort_by_key(|(node, depth)| (*depth, node.height, node.coin));
    edges.sort();
    edges.dedup();
    (nodes, edges)
}

/// The trace in Graphviz' language.
pub fn dot(root: &TraceNode, spec: &ChainSpec) -> String {
    let (nodes, edges) = graph(root);
    let mut out = "digraph trace {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n".to_owned();
    for (node, _) in &nodes {
        let style = if node.is_coinbase { ", style=filled, fillcolor=gold" } else { "" };
        out.push_str(&format!("  \"{}\" [label=\"{}\"{style}];\n", node.coin, label(node, spec)));
    }
    edges.iter().for_each(|(from, to)| out.push_str(&format!("  \"{from}\" -> \"{to}\";\n")));
    out + "}\n"
}

/// The trace as a picture, from left to right.
pub fn svg(root: &TraceNode, spec: &ChainSpec) -> Result<String, String> {
    let (nodes, edges) = graph(root);
    if nodes.len() > BOXES_MAX {
        return Err(format!("{} outputs do not fit a picture: lower --depth, or use --dot", nodes.len()));
    }
    let mut rows: BTreeMap<usize, i32> = BTreeMap::new();
    let mut places: BTreeMap<Outpoint, (i32, i32)> = BTreeMap::new();
    for (node, depth) in &nodes {
        let row = rows.entry(*depth).or_default();
        places.insert(node.coin, (10 + *depth as i32 * COLUMN, 10 + *row * ROW)); // at most BOXES_MAX of either
        *row += 1;
    }
    let width = rows.len() as i32 * COLUMN;
    let height = rows.values().max().copied().unwrap_or(0) * ROW + 10;
    let mut out = String::new();
    {
        let area = SVGBackend::with_string(&mut out, (width as u32, height as u32)).into_drawing_area();
        let failed = |error: DrawingAreaErrorKind<std::io::Error>| error.to_string();
        area.fill(&WHITE).map_err(failed)?;
        for (from, to) in &edges {
            let (Some(from), Some(to)) = (places.get(from), places.get(to)) else { continue };
            let line = [(from.0 + BOX.0, from.1 + BOX.1 / 2), (to.0, to.1 + BOX.1 / 2)];
            area.draw(&PathElement::new(line.to_vec(), BLACK.mix(0.5))).map_err(failed)?;
        }
        for (node, _) in &nodes {
            let Some(&(x, y)) = places.get(&node.coin) else { continue };
            let colour = if node.is_coinbase { RGBColor(255, 225, 130) } else { RGBColor(225, 235, 250) };
            area.draw(&Rectangle::new([(x, y), (x + BOX.0, y + BOX.1)], colour.filled())).map_err(failed)?;
            let to = node.public_key_hash.map_or("no address".to_owned(), |hash| address(hash, spec).to_string());
            let style = ("sans-serif", 11).into_font();
            let cut = if node.is_cut { " …" } else { "" };
            let head = format!("{} in block {}{cut}", node.value, node.height);
            area.draw(&Text::new(head, (x + 6, y + 5), style.clone())).map_err(failed)?;
            area.draw(&Text::new(to, (x + 6, y + 20), style)).map_err(failed)?;
        }
        area.present().map_err(failed)?;
    }
    Ok(out)
}
