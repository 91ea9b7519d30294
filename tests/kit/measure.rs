//! What tests and benches measure: time, processor time, memory.

use std::time::Instant;

/// The clock of tests and benches.
#[allow(clippy::disallowed_methods)] // The rule keeps clocks out of the core; tests and benches measure time.
pub fn now() -> Instant {
    Instant::now()
}

/// User and system time of a process so far, all its threads together, seconds; `None` when it is gone.
pub fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let ticks: f64 = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    // USER_HZ is 100 on every Linux platform that Rust supports.
    Some(ticks / 100.0)
}

/// Resident memory of a process, bytes; `None` when it is gone.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    statm.split(' ').nth(1)?.parse::<u64>().ok().map(|pages| pages * 4096)
}

/// The middle of several measurements.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
