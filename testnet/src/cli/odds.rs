//! `testoon odds`: the formulas of [`super`] as a page in the terminal, one line of JSON, or a picture.

use crate::output;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use crate::lab::theory::double_spend::{Race, confirmations_needed, nakamoto, rosenfeld};
use crate::lab::theory::stake;

/// Shares of the map's rows.
const MAP_SHARES: [f64; 10] = [0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.35, 0.40, 0.45, 0.51];
/// Confirmations of the map's columns.
const MAP_CONFIRMATIONS: [u32; 10] = [1, 2, 3, 4, 5, 6, 10, 20, 50, 100];
/// The risks a shop may be ready to take.
const RISKS: [(&str, f64); 3] = [("0.01", 0.01), ("0.001", 0.001), ("0.0001", 0.0001)];

/// The odds of a double spend, by the formula that matches this chain's rules and by the textbooks' formulas.
#[derive(Clone, Debug, clap::Args)]
pub struct OddsArgs {
    /// The attacker's share of the hash rate, between 0 and 1
    #[arg(long, env = "TESTOON_SHARE", default_value = "0.3", value_parser = parse_share)]
    pub share: f64,
    /// Confirmations the shop waits for
    #[arg(long, env = "TESTOON_CONFIRMATIONS", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub confirmations: u32,
    /// Blocks the attacker has mined in secret before paying
    #[arg(long, env = "TESTOON_PREMINE", default_value_t = 0)]
    pub premine: u32,
    /// The attacker gives up when, after shipping, this many blocks behind [default: never]
    #[arg(long, env = "TESTOON_GIVE_UP", value_parser = clap::value_parser!(u32).range(1..))]
    pub give_up: Option<u32>,
    /// Write the map of shares and confirmations to an SVG file
    #[arg(long, env = "TESTOON_SVG", value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// A share of the hash rate: strictly between 0 and 1.
pub fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("a share is a number between 0 and 1, both excluded, such as 0.3".into()),
    }
}

impl OddsArgs {
    fn race(&self) -> Race {
        Race { share: self.share, confirmations: self.confirmations, premine: self.premine, give_up: self.give_up }
    }
}

/// Prints the odds, as one line of JSON if `json`. Fails only if the picture cannot be written.
pub fn run(args: &OddsArgs, json: bool) -> anyhow::Result<()> {
    if let Some(path) = &args.svg {
        write_map(path, args).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if json {
        output::line(as_json(args));
    } else {
        output::line(as_text(args).trim_end());
        if let Some(path) = &args.svg {
            println!("\nThe map is in {}.", path.display());
        }
    }
    Ok(())
}

fn needed(args: &OddsArgs, risk: f64) -> Option<u32> {
    confirmations_needed(risk, |confirmations| Race { confirmations, ..args.race() }.success())
}

fn as_json(args: &OddsArgs) -> serde_json::Value {
    let needed: serde_json::Map<_, _> =
        RISKS.iter().map(|(name, risk)| ((*name).to_owned(), json!(needed(args, *risk)))).collect();
    json!({
        "share": args.share,
        "confirmations": args.confirmations,
        "premine": args.premine,
        "give_up": args.give_up,
        "matching": args.race().success(),
        "rosenfeld": rosenfeld(args.share, args.confirmations),
        "nakamoto": nakamoto(args.share, args.confirmations),
        "needed": needed,
        "value_least": stake::least(args.share, args.confirmations),
        "value_as_played": stake::as_played(&args.race()),
    })
}

fn as_text(args: &OddsArgs) -> String {
    let mut page = String::new();
    let race = args.race();
    let patience = race.give_up.map_or("never gives up".into(), |limit| format!("gives up {limit} blocks behind"));
    // Writing to a String cannot fail.
    let mut line = |text: String| {
        page.push_str(&text);
        page.push('\n');
    };
    line(format!(
        "An attacker with {:.1} % of the hash rate, {} block(s) mined in advance, who {patience};",
        100.0 * race.share,
        race.premine
    ));
    line(format!("a shop that waits for {} confirmation(s):\n", race.confirmations));
    line(format!(
        "  this chain's rules   {:>12}   a tie wins nothing: the branch seen first stays",
        percent(race.success())
    ));
    line(format!(
        "  Rosenfeld 2014       {:>12}   exact, with one block mined in advance",
        percent(rosenfeld(race.share, race.confirmations))
    ));
    line(format!(
        "  Nakamoto 2008        {:>12}   the paper's approximation, a tie wins",
        percent(nakamoto(race.share, race.confirmations))
    ));
    line(String::new());
    for (_, risk) in RISKS {
        let text = match needed(args, risk) {
            Some(confirmations) => format!("{confirmations} confirmation(s)"),
            None => "no number of confirmations".into(),
        };
        line(format!("  for a risk below {:>6}: {text}", format!("{} %", 100.0 * risk)));
    }
    let least = stake::least(race.share, race.confirmations);
    line(format!(
        "\n  The attack pays from a payment of {least:.2} block rewards on, if it is played in the best way{}.",
        stake::as_played(&race).map_or_else(String::new, |value| format!("; as said here, from {value:.2} on"))
    ));
    line("\nThe same attacker with other shares, and other shops (rows: share, columns: confirmations):\n".into());
    page.push_str(&map_text(args));
    page
}

fn percent(probability: f64) -> String {
    if probability > 0.0 && probability < 0.00005 {
        format!("{:.1e} %", 100.0 * probability)
    } else {
        format!("{:.3} %", 100.0 * probability)
    }
}

/// A probability in six columns, shaded by its decade.
fn cell(probability: f64) -> String {
    let shade = match probability {
        p if p >= 0.5 => '█',
        p if p >= 0.1 => '▓',
        p if p >= 0.01 => '▒',
        p if p >= 0.001 => '░',
        _ => ' ',
    };
    let number = match 100.0 * probability {
        p if p >= 99.95 => "100".into(),
        p if p >= 10.0 => format!("{p:.1}"),
        p if p >= 0.01 => format!("{p:.2}"),
        _ => "<.01".into(),
    };
    format!("{number:>5}{shade}")
}

fn map_text(args: &OddsArgs) -> String {
    let mut map = String::from("        ");
    for confirmations in MAP_CONFIRMATIONS {
        let _ = write!(map, " {confirmations:>5} ");
    }
    map.push('\n');
    for share in MAP_SHARES {
        let _ = write!(map, "  {:>4.0} % ", 100.0 * share);
        for confirmations in MAP_CONFIRMATIONS {
            let _ = write!(map, " {}", cell(Race { share, confirmations, ..args.race() }.success()));
        }
        map.push('\n');
    }
    map.push_str("\n  per cent; █ 50 and more, ▓ 10, ▒ 1, ░ 0.1\n");
    map
}

/// The map as a picture: one rectangle per share and confirmations, darker where the attacker is likelier to win.
fn write_map(path: &Path, args: &OddsArgs) -> std::io::Result<()> {
    const CELL: (usize, usize) = (64, 32);
    const MARGIN: (usize, usize) = (70, 64);
    let width = MARGIN.0 + CELL.0 * MAP_CONFIRMATIONS.len() + 20;
    let height = MARGIN.1 + CELL.1 * MAP_SHARES.len() + 20;
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
<text x="{}" y="20" font-size="14">Success of a double spend, per cent (rows: attacker's share; columns: confirmations)</text>"#,
        MARGIN.0
    );
    for (column, confirmations) in MAP_CONFIRMATIONS.into_iter().enumerate() {
        let x = MARGIN.0 + CELL.0 * column + CELL.0 / 2;
        let _ = writeln!(svg, r#"<text x="{x}" y="{}" text-anchor="middle">{confirmations}</text>"#, MARGIN.1 - 10);
    }
    for (row, share) in MAP_SHARES.into_iter().enumerate() {
        let y = MARGIN.1 + CELL.1 * row;
        let middle = y + CELL.1 / 2 + 4;
        let _ =
            writeln!(svg, r#"<text x="{}" y="{middle}" text-anchor="end">{:.0} %</text>"#, MARGIN.0 - 8, 100.0 * share);
        for (column, confirmations) in MAP_CONFIRMATIONS.into_iter().enumerate() {
            let success = Race { share, confirmations, ..args.race() }.success();
            // Five decades from white to red, so that one in a thousand can still be told from nothing.
            let heat = ((success.max(1e-5).log10() + 5.0) / 5.0).clamp(0.0, 1.0);
            let pale = (255.0 * (1.0 - heat)) as u8;
            let ink = if heat > 0.75 { "white" } else { "black" };
            let x = MARGIN.0 + CELL.0 * column;
            let _ = writeln!(
                svg,
                r#"<rect x="{x}" y="{y}" width="{}" height="{}" fill="rgb(255,{pale},{pale})" stroke="white"/><text x="{}" y="{middle}" text-anchor="middle" fill="{ink}">{}</text>"#,
                CELL.0,
                CELL.1,
                x + CELL.0 / 2,
                cell(success).trim_end_matches(['█', '▓', '▒', '░', ' ']).trim().replace('<', "&lt;")
            );
        }
    }
    svg.push_str("</svg>\n");
    std::fs::write(path, svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> OddsArgs {
        OddsArgs { share: 0.1, confirmations: 2, premine: 0, give_up: None, svg: None }
    }

    #[test]
    fn the_page_names_all_three_formulas() {
        let page = as_text(&args());
        for figure in ["0.951 %", "5.600 %", "5.098 %"] {
            assert!(page.contains(figure), "{figure} is missing in\n{page}");
        }
    }

    #[test]
    fn json_has_the_needed_confirmations() {
        let json = as_json(&OddsArgs { premine: 1, ..args() });
        assert_eq!(json["needed"]["0.001"], 6);
        assert_eq!(as_json(&OddsArgs { share: 0.6, ..args() })["needed"]["0.01"], serde_json::Value::Null);
    }

    #[test]
    fn shares_outside_the_open_interval_are_refused() {
        for text in ["0", "1", "-0.1", "1.5", "NaN", "inf", "x", ""] {
            assert!(parse_share(text).is_err(), "{text:?} was taken");
        }
        assert_eq!(parse_share("0.3"), Ok(0.3));
    }

    #[test]
    fn the_picture_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("odds.svg");
        run(&OddsArgs { svg: Some(path.clone()), ..args() }, true).unwrap();
        let svg = std::fs::read_to_string(path).unwrap();
        assert_eq!(svg.matches("<rect").count(), 1 + MAP_SHARES.len() * MAP_CONFIRMATIONS.len());
        let missing = directory.path().join("no/such/folder.svg");
        assert!(run(&OddsArgs { svg: Some(missing), ..args() }, true).is_err());
    }
}
