//! Following payments until they are deep enough: a line at each change, with the odds of a reversal.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use chain_spec::{BlockHash, Txid};
use serde_json::json;

use super::Options;
use super::error::CliError;
use super::listing::{Severity, paint};
use super::output::{count, json_line, json_number};
use super::session::{read_online, sync};
use crate::client::{Client, ClientError};
use crate::clock;
use crate::odds::reversal;
use crate::view::State;
use crate::wallet::Wallet;

/// One wait for the next block; then the wallet looks again.
const WAIT_MS: u64 = 1_000;
/// How often it looks on a node without `waitfornewblock`.
const POLL_MS: u64 = 250;
/// Characters of the progress bar.
const BAR: usize = 20;

/// What to follow and for how long.
pub(super) struct WatchOptions {
    pub(super) txid: Option<Txid>,
    pub(super) confirmations: u32,
    pub(super) attacker: f64,
    pub(super) timeout: Option<u64>,
}

/// Waits for the next block, or a second.
pub(super) fn await_block(wallet: &Wallet, client: &Client) -> Result<(), CliError> {
    let tip = wallet.ledger().tip().map_or(BlockHash::ZERO, |(_, hash)| hash);
    match client.wait_for_block_after(&tip, WAIT_MS) {
        Ok(()) => Ok(()),
        // Nodes without the method, or without its second parameter, can only be asked again.
        Err(ClientError::Rpc { .. }) => {
            std::thread::sleep(Duration::from_millis(POLL_MS));
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Waits until a transaction has `wanted` confirmations, and gives how many it has.
pub(super) fn wait(
    wallet: &mut Wallet,
    client: &Client,
    txid: &Txid,
    wanted: u32,
    limit: Option<Duration>,
) -> Result<u32, CliError> {
    let (started, progress) = (clock::instant(), Progress::new());
    loop {
        sync(wallet, client)?;
        match wallet.state(txid) {
            Some(State::Conflicted { by }) => {
                return Err(CliError::Failure(format!("it will not confirm: {by} spent its coins")));
            }
            Some(state) if state.confirmations() >= wanted => return Ok(state.confirmations()),
            state => progress.show(state.map_or(0, |state| state.confirmations()), wanted),
        }
        if limit.is_some_and(|limit| started.elapsed() >= limit) {
            let reached = wallet.state(txid).map_or(0, |state| state.confirmations());
            return Err(CliError::Failure(format!("it has {reached} of {wanted} confirmations")));
        }
        await_block(wallet, client)?;
    }
}

/// One line of progress, where a person sees it; it is gone when the wait is over, however that ends.
struct Progress {
    is_shown: bool,
}

impl Progress {
    fn new() -> Progress {
        Progress { is_shown: std::io::stderr().is_terminal() }
    }

    fn show(&self, reached: u32, wanted: u32) {
        self.write(&format!("{reached} of {}", count(wanted, "confirmation")));
    }

    fn write(&self, text: &str) {
        if self.is_shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.write("");
    }
}

/// `watch`.
pub(super) fn run(options: &Options, wanted: &WatchOptions) -> Result<String, CliError> {
    let (mut wallet, client) = read_online(options)?;
    let (started, mut seen) = (clock::instant(), BTreeMap::<Txid, State>::new());
    loop {
        sync(&mut wallet, &client)?;
        let followed = followed(&wallet, wanted, &seen)?;
        if seen.is_empty() && followed.is_empty() {
            return Ok(if options.json { String::new() } else { "no payment is unconfirmed\n".into() });
        }
        for (txid, state) in &followed {
            if seen.insert(*txid, *state) != Some(*state) {
                let is_replaced = is_replaced(&wallet, state);
                let line = match options.json {
                    true => line_json(txid, state, is_replaced, wanted),
                    false => line_text(txid, state, is_replaced, wanted),
                };
                super::print(&line)?;
                let _ = std::io::stdout().flush();
            }
        }
        if followed.iter().all(|(_, state)| is_settled(state, wanted.confirmations)) {
            let is_lost = |state: &State| matches!(state, State::Conflicted { .. }) && !is_replaced(&wallet, state);
            let lost = followed.iter().any(|(_, state)| is_lost(state));
            return if lost { Err(CliError::Failure("a payment was lost".into())) } else { Ok(String::new()) };
        }
        if wanted.timeout.is_some_and(|limit| started.elapsed() >= Duration::from_secs(limit)) {
            return Err(CliError::Failure(format!("not all have {} confirmations yet", wanted.confirmations)));
        }
        await_block(&wallet, &client)?;
    }
}

/// Whether this wallet itself spent a payment's coins otherwise, by `bump` or `cancel`: nothing was lost then.
fn is_replaced(wallet: &Wallet, state: &State) -> bool {
    matches!(state, State::Conflicted { by } if wallet.has_made(by))
}

/// The payments to follow: the one named and what replaced it, or those that were unconfirmed at some look.
fn followed(
    wallet: &Wallet,
    wanted: &WatchOptions,
    seen: &BTreeMap<Txid, State>,
) -> Result<Vec<(Txid, State)>, CliError> {
    if let Some(txid) = wanted.txid {
        let unknown = || CliError::Failure(format!("{txid} does not concern this wallet"));
        let mut followed = vec![(txid, wallet.state(&txid).ok_or_else(unknown)?)];
        while let Some((_, state @ State::Conflicted { by })) = followed.last().copied()
            && is_replaced(wallet, &state)
            && followed.iter().all(|(txid, _)| *txid != by)
        {
            followed.push((by, wallet.state(&by).ok_or_else(unknown)?));
        }
        return Ok(followed);
    }
    let lines = wallet.history().into_iter();
    let is_followed =
        |txid: &Txid, state: &State| seen.contains_key(txid) || matches!(state, State::Unconfirmed { .. });
    Ok(lines.map(|line| (line.txid, line.state)).filter(|(txid, state)| is_followed(txid, state)).collect())
}

fn is_settled(state: &State, wanted: u32) -> bool {
    match state {
        State::Confirmed { confirmations, .. } => *confirmations >= wanted,
        State::Unconfirmed { .. } => wanted == 0,
        _ => true,
    }
}

fn line_json(txid: &Txid, state: &State, is_replaced: bool, wanted: &WatchOptions) -> String {
    let mut value = json!({
        "txid": txid.to_string(), "state": state.name(), "confirmations": state.confirmations(),
        "wanted": wanted.confirmations, "attacker": wanted.attacker,
    });
    if let State::Conflicted { by } = state {
        value["conflicted_by"] = json!(by.to_string());
        value["replaced"] = json!(is_replaced);
    } else {
        value["reversal"] = json_number(&format!("{:.8}", reversal(wanted.attacker, state.confirmations())));
    }
    json_line(&value)
}

fn line_text(txid: &Txid, state: &State, is_replaced: bool, wanted: &WatchOptions) -> String {
    let reached = state.confirmations().min(wanted.confirmations);
    let full = if wanted.confirmations == 0 { BAR } else { BAR * reached as usize / wanted.confirmations as usize };
    let bar = format!("[{}{}]", "#".repeat(full), ".".repeat(BAR - full));
    let coloured = |text: &str, severity| paint(text, severity, &std::io::stdout());
    match state {
        State::Confirmed { .. } | State::Unconfirmed { .. } => {
            let odds = percent(reversal(wanted.attacker, state.confirmations()));
            let share = percent(wanted.attacker);
            let bar =
                coloured(&bar, if reached < wanted.confirmations { Severity::Caution } else { Severity::Success });
            format!(
                "{bar} {reached}/{} {txid}: an attacker with {share} of the hash power reverses it with a probability of {odds}\n",
                wanted.confirmations
            )
        }
        State::Conflicted { by } if is_replaced => {
            format!("{}: by {by} of this wallet\n", coloured(&format!("replaced {txid}"), Severity::Caution))
        }
        State::Conflicted { by } => {
            format!("{}: {by} spends its coins\n", coloured(&format!("REVERSED {txid}"), Severity::Failure))
        }
        other => coloured(&format!("{} {txid}", other.name().to_uppercase()), Severity::Failure) + "\n",
    }
}

/// A probability for a person: enough digits to see that it falls.
fn percent(part: f64) -> String {
    let percent = part * 100.0;
    if percent >= 0.01 || percent == 0.0 { format!("{percent:.2} %") } else { format!("{percent:.1e} %") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_show_progress_and_odds() {
        let wanted = WatchOptions { txid: None, confirmations: 6, attacker: 0.1, timeout: None };
        let state = State::Confirmed { confirmations: 3, height: 9 };
        let line = line_text(&Txid::ZERO, &state, false, &wanted);
        assert!(line.starts_with("[##########..........] 3/6"), "{line}");
        // Rosenfeld's table: z = 3 at 10 %.
        assert!(
            line.ends_with("an attacker with 10.00 % of the hash power reverses it with a probability of 1.71 %\n"),
            "{line}"
        );
        let conflicted = State::Conflicted { by: Txid::ZERO };
        let conflict = line_text(&Txid::ZERO, &conflicted, false, &wanted);
        assert!(conflict.starts_with("REVERSED"), "{conflict}");
        let replaced = line_text(&Txid::ZERO, &conflicted, true, &wanted);
        assert!(replaced.starts_with("replaced") && replaced.contains("of this wallet"), "{replaced}");
        assert_eq!(percent(6.2e-7), "6.2e-5 %");
        assert!(line_json(&Txid::ZERO, &state, false, &wanted).contains("\"reversal\":0.01712"));
    }
}
