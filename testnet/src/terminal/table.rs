//! Text tables that fit any terminal: the least important columns go first when it is narrow.

use crate::observer::status::NodeStatus;

/// Characters of a block hash that are shown.
const HASH_CHARACTERS: usize = 12;
/// Spaces between columns.
const GAP: usize = 2;

struct Column {
    title: &'static str,
    /// Columns with the highest number are dropped first.
    rank: u8,
    right: bool,
    cell: fn(&NodeStatus) -> String,
}

const COLUMNS: [Column; 9] = [
    Column { title: "node", rank: 0, right: false, cell: |node| node.name.clone() },
    Column { title: "role", rank: 6, right: false, cell: |node| node.role.to_string() },
    Column { title: "peers", rank: 5, right: true, cell: |node| number(node.peers) },
    Column { title: "height", rank: 1, right: true, cell: |node| number(node.height) },
    Column { title: "tip", rank: 2, right: false, cell: |node| tip(node) },
    Column { title: "mempool", rank: 4, right: true, cell: |node| number(node.mempool) },
    Column {
        title: "asked",
        rank: 7,
        right: true,
        cell: |node| percent(Some(node.share_asked).filter(|share| *share > 0.0)),
    },
    Column {
        title: "achieved",
        rank: 3,
        right: true,
        cell: |node| percent(node.share_achieved.filter(|_| node.share_asked > 0.0)),
    },
    Column { title: "rpc", rank: 8, right: false, cell: |node| node.rpc.clone() },
];

fn number(value: Option<u64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// The end of the hash: its beginning is zeros by work.
fn tip(node: &NodeStatus) -> String {
    match (&node.tip, node.pid.is_some() || node.is_remote) {
        (Some(hash), _) => format!("…{}", &hash[hash.len().saturating_sub(HASH_CHARACTERS)..]),
        (None, true) => "not answering".to_owned(),
        (None, false) => "down".to_owned(),
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1}%", share * 100.0))
}

/// The nodes as a table without a line longer than `width` characters: a title line and one line a node.
pub fn nodes(nodes: &[NodeStatus], width: usize) -> Vec<String> {
    let mut columns: Vec<(&Column, Vec<String>, usize)> = COLUMNS
        .iter()
        .map(|column| {
            let cells: Vec<String> = nodes.iter().map(column.cell).collect();
            let longest = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
            (column, cells, longest.max(column.title.len()))
        })
        .collect();
    let total = |columns: &[(&Column, Vec<String>, usize)]| -> usize {
        columns.iter().map(|(_, _, size)| size + GAP).sum::<usize>().saturating_sub(GAP)
    };
    while columns.len() > 1 && total(&columns) > width {
        let last = columns.iter().map(|(column, _, _)| column.rank).max();
        columns.retain(|(column, _, _)| Some(column.rank) != last);
    }
    let line = |text: &dyn Fn(&Column, &[String]) -> String| -> String {
        let cells = columns.iter().map(|(column, cells, size)| {
            let text = text(column, cells);
            if column.right { format!("{text:>size$}") } else { format!("{text:<size$}") }
        });
        let line = cells.collect::<Vec<_>>().join(&" ".repeat(GAP));
        line.trim_end().chars().take(width).collect()
    };
    let mut lines = vec![line(&|column, _| column.title.to_owned())];
    lines.extend((0..nodes.len()).map(|row| line(&|_, cells| cells[row].clone())));
    lines
}

/// One line about the whole network, for logs: `height 12  tip …abc  5 of 5 nodes agree  mempool 0`.
pub fn summary(nodes: &[NodeStatus]) -> String {
    let answering = nodes.iter().filter(|node| node.answers());
    let Some(best) = answering.clone().max_by_key(|node| node.height) else {
        return format!("none of {} nodes answers", nodes.len());
    };
    let agree = answering.filter(|node| node.tip == best.tip).count();
    let mempool = nodes.iter().filter_map(|node| node.mempool).max();
    format!(
        "height {}  tip {}  {agree} of {} nodes agree  mempool {}",
        number(best.height),
        tip(best),
        nodes.len(),
        number(mempool)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::status::tests::status;

    #[test]
    fn no_line_is_wider_than_the_terminal_and_names_stay() {
        let nodes_shown = [
            status("node0", 0.4, 0),
            NodeStatus { height: None, tip: None, pid: None, ..status("a-very-long-name", 0.0, 0) },
        ];
        for width in 0..140 {
            let lines = nodes(&nodes_shown, width);
            assert_eq!(lines.len(), 3);
            for line in &lines {
                assert!(line.chars().count() <= width, "{line:?} at width {width}");
            }
            assert!(lines[1].starts_with(&"node0"[..width.min(5)]), "{lines:?} at width {width}");
        }
    }

    #[test]
    fn wide_tables_show_everything() {
        let mut node = status("node0", 0.4, 0);
        node.share_achieved = Some(0.4123);
        let down =
            NodeStatus { height: None, tip: None, peers: None, mempool: None, pid: None, ..status("node1", 0.0, 0) };
        let lines = nodes(&[node, down], 200);
        assert_eq!(lines[0], "node   role   peers  height  tip            mempool  asked  achieved  rpc");
        assert!(lines[1].starts_with("node0  miner      4      12  …ef0123456789"), "{}", lines[1]);
        assert!(lines[1].contains("40.0%     41.2%  http://127.0.0.1:18443"), "{}", lines[1]);
        assert!(lines[2].contains("down"), "{}", lines[2]);
    }

    #[test]
    fn the_summary_counts_who_agrees() {
        let other = NodeStatus { height: Some(11), tip: Some("ff".into()), ..status("node1", 0.1, 0) };
        let line = summary(&[status("node0", 0.4, 0), other]);
        assert_eq!(line, "height 12  tip …ef0123456789  1 of 2 nodes agree  mempool 0");
        assert_eq!(summary(&[]), "none of 0 nodes answers");
    }
}
