//! Both branches over time: a line in the terminal as it happens, and an SVG at the end.

use super::observer::{ChainEvent, Observer};
use std::fmt::Write as _;
use std::path::Path;

/// Columns of the terminal's left side.
const PUBLIC_COLUMNS: usize = 40;

/// One line for an event: public blocks on the left, secret ones on the right.
pub fn line(observer: &Observer, event: &ChainEvent, paid: Option<&str>, conflicting: Option<&str>) -> String {
    let time = format!("{:>7.1} s", observer.seconds());
    match event {
        ChainEvent::Block { hash, secret } => {
            let Some(block) = observer.blocks.get(hash) else { return String::new() };
            let holds = |txid: Option<&str>| txid.is_some_and(|txid| block.txids.iter().any(|own| own == txid));
            let note = match (holds(paid), holds(conflicting)) {
                (true, _) => "  <- the payment",
                (_, true) => "  <- the same coins, spent elsewhere",
                _ => "",
            };
            let text = format!("{:>4} {}… {}{note}", block.height, &hash[hash.len() - 8..], block.miner);
            if *secret {
                format!("{time} {:PUBLIC_COLUMNS$} | {text}", "")
            } else {
                format!("{time} {text:PUBLIC_COLUMNS$} |")
            }
        }
        ChainEvent::Published { blocks } => format!("{time} {blocks} secret block(s) come out"),
        ChainEvent::Reorganisation { node, depth } => {
            format!("{time} {node} leaves {depth} block(s) for a branch with more work")
        }
    }
}

/// The heading over the lines that [`line()`] gives.
pub fn heading() -> String {
    format!("{:>9} {:PUBLIC_COLUMNS$} | what only the attacker has", "", "what everybody has")
}

/// Writes the picture: time to the right, height upwards; public blocks filled, blocks that were secret at first ringed, and
/// a line from each block to its parent.
pub fn write(observer: &Observer, title: &str, path: &Path) -> std::io::Result<()> {
    const SIZE: (f64, f64) = (1_000.0, 480.0);
    const MARGIN: f64 = 60.0;
    let blocks = || observer.blocks.values().filter(|block| block.height > 0);
    let lowest = blocks().map(|block| block.height).min().unwrap_or(0);
    let highest = blocks().map(|block| block.height).max().unwrap_or(1).max(lowest + 1);
    let end = observer.seconds().max(1.0);
    let x = |seconds: f64| MARGIN + (SIZE.0 - 2.0 * MARGIN) * seconds / end;
    let y =
        |height: u64| SIZE.1 - MARGIN - (SIZE.1 - 2.0 * MARGIN) * (height - lowest) as f64 / (highest - lowest) as f64;
    let mut svg = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{}" height="{}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
<text x="{MARGIN}" y="24" font-size="16">{}</text>"#,
        SIZE.0,
        SIZE.1,
        escaped(title)
    );
    for (index, (seconds, words)) in observer.marks.iter().enumerate() {
        let (x, text_y) = (x(*seconds), 44.0 + 14.0 * (index % 3) as f64);
        let _ = writeln!(
            svg,
            r##"<line x1="{x:.1}" y1="50" x2="{x:.1}" y2="{:.1}" stroke="#888" stroke-dasharray="3 3"/><text x="{:.1}" y="{text_y}" fill="#444">{}</text>"##,
            SIZE.1 - MARGIN,
            x + 3.0,
            escaped(words)
        );
    }
    for block in blocks() {
        let (bx, by) = (x(block.seen_s), y(block.height));
        if let Some(parent) = observer.blocks.get(&block.previous).filter(|parent| parent.height > 0) {
            let _ = writeln!(
                svg,
                r##"<line x1="{:.1}" y1="{:.1}" x2="{bx:.1}" y2="{by:.1}" stroke="#bbb"/>"##,
                x(parent.seen_s),
                y(parent.height)
            );
        }
    }
    for (hash, block) in observer.blocks.iter().filter(|(_, block)| block.height > 0) {
        let (bx, by) = (x(block.seen_s), y(block.height));
        let was_secret = block.public_s.is_none_or(|public| public > block.seen_s);
        let (fill, stroke) = if was_secret { ("white", "#c00") } else { ("#2563eb", "#2563eb") };
        let _ = writeln!(
            svg,
            r#"<circle cx="{bx:.1}" cy="{by:.1}" r="6" fill="{fill}" stroke="{stroke}" stroke-width="2"><title>{} height {} by {}</title></circle>"#,
            escaped(hash),
            block.height,
            escaped(&block.miner)
        );
        if let Some(public) = block.public_s.filter(|_| was_secret) {
            let _ = writeln!(
                svg,
                r##"<line x1="{bx:.1}" y1="{by:.1}" x2="{:.1}" y2="{by:.1}" stroke="#c00" stroke-dasharray="2 3"/><circle cx="{:.1}" cy="{by:.1}" r="3" fill="#c00"/>"##,
                x(public),
                x(public)
            );
        }
    }
    for height in (lowest..=highest).step_by(((highest - lowest) / 10 + 1) as usize) {
        let _ = writeln!(svg, r#"<text x="8" y="{:.1}">{height}</text>"#, y(height) + 4.0);
    }
    let _ = writeln!(
        svg,
        r##"<text x="{MARGIN}" y="{:.1}" fill="#444">0 s</text><text x="{:.1}" y="{:.1}" fill="#444" text-anchor="end">{end:.0} s</text>
<text x="{MARGIN}" y="{:.1}" fill="#444">blue: public when first seen; red ring: secret, with a dotted line to the moment it came out</text>
</svg>"##,
        SIZE.1 - MARGIN + 20.0,
        SIZE.0 - MARGIN,
        SIZE.1 - MARGIN + 20.0,
        SIZE.1 - 12.0
    );
    std::fs::write(path, svg)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
