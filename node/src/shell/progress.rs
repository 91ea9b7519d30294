//! What a person sees of the chain moving: one log line per new tip, and while catching up one line a second with the
//! rate and the time left, beside a bar when standard error is a terminal.

use super::clock;
use crate::core::Core;
use crate::core::event::Time;
use chain_spec::BlockHash;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::sync::OnceLock;
use tracing::{info, warn};

/// Time between two log lines while catching up, milliseconds.
const SYNC_LINE_INTERVAL_MS: u64 = 1_000;
/// A reorganisation this deep is worth a warning.
const REORGANISATION_WARN_DEPTH: u32 = 2;

/// The bar at the foot of the terminal, if there is one; log lines are printed above it.
static BAR: OnceLock<ProgressBar> = OnceLock::new();

/// Runs `print` with the bar out of the way.
pub fn above_bar<T>(print: impl FnOnce() -> T) -> T {
    match BAR.get() {
        Some(bar) if !bar.is_finished() => bar.suspend(print),
        _ => print(),
    }
}

/// Shows bars on standard error from now on. For command lines; a library's user may own the terminal.
pub fn enable_bar() {
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} blocks {percent}% {rate} left {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("rate", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            // A bar that cannot be written is no reason to stop.
            let _ = write!(out, "{:.0} blocks/s", state.per_sec());
        });
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(4)).with_style(style);
    bar.finish_and_clear();
    // A second call keeps the first bar.
    let _ = BAR.set(bar);
}

/// Tells of the tip's changes.
#[derive(Debug, Default)]
pub struct Progress {
    last_line: Option<(Time, u32)>,
    catching_up: bool,
    /// The log has said that the clock is behind the chain.
    is_clock_behind: bool,
}

impl Progress {
    /// The tip changed: a line of its own, or part of the next line when there are many.
    pub fn tip_changed(&mut self, core: &Core, tip: &BlockHash, reorganised: u32) {
        let now = clock::now();
        if reorganised >= REORGANISATION_WARN_DEPTH {
            warn!("reorganisation: {reorganised} blocks undone, new tip {tip}");
        }
        if core.progress(now).initial_block_download {
            self.catching_up = true;
            self.sync_line(core, now);
            return;
        }
        if let Some(tip) = core.summary(tip) {
            info!(
                "new tip height={} hash={} txs={} work={} undone={reorganised}",
                tip.height, tip.hash, tip.transactions, tip.work
            );
        }
    }

    /// Time passed: finish the bar once there is nothing left to catch up.
    pub fn tick(&mut self, core: &Core) {
        self.check_clock(core);
        if !self.catching_up || core.progress(clock::now()).initial_block_download {
            return;
        }
        *self = Progress { is_clock_behind: self.is_clock_behind, ..Progress::default() };
        if let Some(bar) = BAR.get() {
            bar.finish_and_clear();
        }
        let tip = core.tip();
        info!("synchronised height={} hash={}", tip.height, tip.hash);
    }

    /// Says once that the clock was set back, or is wrong: blocks that are made now would be refused.
    fn check_clock(&mut self, core: &Core) {
        let earliest_s = u64::from(core.tip().median_time_past_s) + 1;
        let behind_s = clock::behind_chain_s(earliest_s, clock::now_s(), core.spec().future_max_s);
        match (behind_s, self.is_clock_behind) {
            (Some(behind_s), false) => warn!(
                "this computer's clock is {behind_s} s behind the chain: new blocks are refused as too far ahead until it \
                 has caught up; check the date and time"
            ),
            (None, true) => info!("this computer's clock has caught up with the chain"),
            _ => {}
        }
        self.is_clock_behind = behind_s.is_some();
    }

    fn sync_line(&mut self, core: &Core, now: Time) {
        let progress = core.progress(now);
        if let Some(bar) = BAR.get() {
            if bar.is_finished() {
                bar.reset();
            }
            bar.set_length(u64::from(progress.headers));
            bar.set_position(u64::from(progress.blocks));
        }
        let (since, blocks_then) = *self.last_line.get_or_insert((now, progress.blocks));
        let elapsed_ms = now.0.saturating_sub(since.0);
        if elapsed_ms < SYNC_LINE_INTERVAL_MS {
            return;
        }
        self.last_line = Some((now, progress.blocks));
        let rate = f64::from(progress.blocks.saturating_sub(blocks_then)) * 1_000.0 / elapsed_ms as f64;
        let left = f64::from(progress.headers.saturating_sub(progress.blocks));
        let percent = 100.0 * progress.verification_progress;
        let eta = if rate > 0.0 { format!("{:.0} s", left / rate) } else { "unknown".into() };
        info!(
            "catching up height={} of {} ({percent:.1} %) {rate:.0} blocks/s, time left {eta}",
            progress.blocks, progress.headers
        );
    }
}
