//! From OpenMetrics to the older text format of Prometheus (0.0.4).
//!
//! They differ in what counters and infos are called in their metadata (`_total` and `_info` are part of the name in the
//! older one, and an info is a gauge), in the unit's line, which the older one lacks, and in the end mark.

use std::collections::HashMap;

/// What the older format is served as.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of OpenMetrics in the older format.
pub fn from_openmetrics(page: &str) -> String {
    let types: HashMap<&str, &str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let mut text = String::with_capacity(page.len() + page.len() / 16);
    for line in page.lines() {
        let metadata = line.strip_prefix("# ").and_then(|rest| rest.split_once(' '));
        match metadata {
            Some(("UNIT", _)) => continue,
            Some((kind @ ("HELP" | "TYPE"), rest)) => {
                let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                let suffix = match types.get(name) {
                    Some(&"counter") => "_total",
                    Some(&"info") => "_info",
                    _ => "",
                };
                let rest = if (kind, rest) == ("TYPE", "info") { "gauge" } else { rest };
                text.push_str(&format!("# {kind} {name}{suffix} {rest}\n"));
            }
            _ if line == "# EOF" => {}
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_units_and_the_end_are_written_as_the_older_format_has_them() {
        let page = "# HELP a_blocks Blocks.\n# TYPE a_blocks counter\na_blocks_total 3\n\
                    # HELP a_time_seconds Time.\n# TYPE a_time_seconds histogram\n# UNIT a_time_seconds seconds\n\
                    a_time_seconds_sum 1.0\n# HELP a_build Version.\n# TYPE a_build info\na_build_info{v=\"1\"} 1\n# EOF\n";
        let expected = "# HELP a_blocks_total Blocks.\n# TYPE a_blocks_total counter\na_blocks_total 3\n\
                        # HELP a_time_seconds Time.\n# TYPE a_time_seconds histogram\na_time_seconds_sum 1.0\n\
                        # HELP a_build_info Version.\n# TYPE a_build_info gauge\na_build_info{v=\"1\"} 1\n";
        assert_eq!(from_openmetrics(page), expected);
    }
}
