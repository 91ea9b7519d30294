//! `net.toml`: a network described in a file. `docs/networks.md` shows every field.
//!
//! Unknown fields are errors, and every error names the line it is about. With the nodes' addresses ([`address`]) the file describes a
//! network that runs already, for `testoon attach`; [`write`] writes such a file.

pub mod address;
mod write;

use self::address::NodeAddress;
use super::topology::Topology;
use super::{LinkConditions, LinkPlan, NodePlan, Plan, Role, units};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use toml::Spanned;

/// A network file after reading: the plan, and the chain it asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkFile {
    /// `chain = …`: a built-in chain's name or a file's path.
    pub chain: Option<String>,
    /// `hashrate = …`, H/s; without it the chain decides.
    pub hashrate: Option<f64>,
    /// The nodes and links; its `hashrate` is a placeholder until the chain is known.
    pub plan: Plan,
    /// Whether the file says who dials whom.
    pub has_topology: bool,
    /// Where nodes that run already are reached, by name; empty in a file for `up`.
    pub addresses: BTreeMap<String, NodeAddress>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    chain: Option<String>,
    hashrate: Option<Spanned<Quantity>>,
    topology: Option<TopologyTable>,
    #[serde(default)]
    node: Vec<Spanned<NodeTable>>,
    #[serde(default)]
    link: Vec<Spanned<LinkTable>>,
    partition: Option<Spanned<Vec<Vec<String>>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TopologyTable {
    preset: Option<Spanned<String>>,
    k: Option<Spanned<usize>>,
    seed: Option<u64>,
    edges: Option<Spanned<Vec<(String, String)>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeTable {
    name: Spanned<String>,
    count: Option<Spanned<usize>>,
    role: Option<Role>,
    share: Option<Spanned<Quantity>>,
    threads: Option<Spanned<usize>>,
    #[serde(default)]
    arguments: Vec<String>,
    #[serde(default)]
    strategy: Vec<String>,
    rpc: Option<Spanned<String>>,
    user: Option<String>,
    password: Option<String>,
    cookie: Option<PathBuf>,
    p2p: Option<Spanned<String>>,
    words: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkTable {
    between: (String, String),
    delay: Option<Spanned<String>>,
    jitter: Option<Spanned<String>>,
    loss: Option<Spanned<Quantity>>,
    bandwidth: Option<Spanned<Quantity>>,
}

/// A number, or text with a unit.
#[derive(Deserialize)]
#[serde(untagged)]
enum Quantity {
    Whole(u64),
    Real(f64),
    Text(String),
}

impl Quantity {
    fn text(&self) -> String {
        match self {
            Quantity::Whole(number) => number.to_string(),
            Quantity::Real(number) => number.to_string(),
            Quantity::Text(text) => text.clone(),
        }
    }
}

/// Where a byte of the file is, for errors.
struct Lines<'a>(&'a str);

impl Lines<'_> {
    /// `line 7: what`
    fn error(&self, span: Range<usize>, what: impl std::fmt::Display) -> String {
        let before = &self.0.as_bytes()[..span.start.min(self.0.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line}: {what}")
    }

    /// Reads a field with a unit, or says in which line it is wrong.
    fn read<T, Q>(
        &self,
        field: &str,
        value: &Option<Spanned<Q>>,
        text: impl Fn(&Q) -> String,
        reader: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        let Some(value) = value else { return Ok(None) };
        match reader(&text(value.get_ref())) {
            Ok(read) => Ok(Some(read)),
            Err(what) => Err(self.error(value.span(), format!("{field}: {what}"))),
        }
    }
}

impl NetworkFile {
    /// Reads and checks a network file's text. Errors are one line that names the file's line.
    pub fn parse(text: &str) -> Result<NetworkFile, String> {
        let lines = Lines(text);
        let document: Document = toml::from_str(text).map_err(|error| match error.span() {
            Some(span) => lines.error(span, error.message()),
            None => error.message().to_owned(),
        })?;
        let hashrate = lines.read("hashrate", &document.hashrate, Quantity::text, units::hashrate)?;
        let mut plan = Plan {
            hashrate: hashrate.unwrap_or(0.0),
            nodes: Vec::new(),
            edges: Vec::new(),
            links: Vec::new(),
            partition: Vec::new(),
        };
        let mut addresses = BTreeMap::new();
        for table in &document.node {
            add_nodes(&lines, table, &mut plan)?;
            if let Some(address) = address::read(&lines, table)? {
                addresses.insert(table.get_ref().name.get_ref().clone(), address);
            }
        }
        if plan.nodes.is_empty() {
            return Err("no node is described; add a [[node]] table with a name".to_owned());
        }
        if let Some(topology) = &document.topology {
            connect(&lines, topology, &mut plan)?;
        } else {
            plan.connect(Topology::default());
        }
        for table in &document.link {
            let link = link(&lines, table.get_ref())?;
            plan.links.push(link);
            plan.check().map_err(|what| lines.error(table.span(), what))?;
        }
        if let Some(partition) = document.partition {
            let span = partition.span();
            plan.partition = partition.into_inner();
            plan.check().map_err(|what| lines.error(span, what))?;
        }
        plan.check()?;
        let has_topology = document.topology.is_some();
        Ok(NetworkFile { chain: document.chain, hashrate, plan, has_topology, addresses })
    }
}

/// One `[[node]]` table: one node, or `count` numbered ones that divide the table's share among them.
fn add_nodes(lines: &Lines<'_>, table: &Spanned<NodeTable>, plan: &mut Plan) -> Result<(), String> {
    let span = table.span();
    let table = table.get_ref();
    let share = lines.read("share", &table.share, Quantity::text, units::fraction)?.unwrap_or(0.0);
    let role = table.role.unwrap_or(if share > 0.0 { Role::Miner } else { Role::Relay });
    let threads = table.threads.as_ref().map_or(1, |threads| *threads.get_ref());
    let mut push = |name: String, share: f64| {
        let (arguments, strategy) = (table.arguments.clone(), table.strategy.clone());
        plan.nodes.push(NodePlan { name, role, share, threads, paused: false, arguments, strategy });
    };
    let name = table.name.get_ref();
    match &table.count {
        None => push(name.clone(), share),
        Some(count) if (1..=super::NODES_MAX).contains(count.get_ref()) => {
            let count = *count.get_ref();
            (0..count).for_each(|index| push(format!("{name}{index}"), share / count as f64));
        }
        Some(count) => return Err(lines.error(count.span(), format!("count: 1 to {} nodes", super::NODES_MAX))),
    }
    plan.check().map_err(|what| lines.error(span, what))
}

fn connect(lines: &Lines<'_>, table: &TopologyTable, plan: &mut Plan) -> Result<(), String> {
    let mut topology = match &table.preset {
        Some(preset) => {
            preset.get_ref().parse().map_err(|what: String| lines.error(preset.span(), format!("preset: {what}")))?
        }
        None => Topology::default(),
    };
    match (&mut topology, &table.k) {
        (Topology::RandomK { k, .. }, Some(peers)) => match *peers.get_ref() {
            0 => return Err(lines.error(peers.span(), "k: a node needs at least 1 peer")),
            peers => *k = peers,
        },
        (other, Some(peers)) => {
            return Err(lines.error(peers.span(), format!("k: topology {other} has no k; use random-k")));
        }
        (_, None) => {}
    }
    if let Some(given) = table.seed {
        topology = topology.with_seed(given);
    }
    match &table.edges {
        None => plan.connect(topology),
        Some(edges) if table.preset.is_some() => {
            return Err(lines.error(edges.span(), "edges: give either a preset or edges, not both"));
        }
        Some(edges) => {
            plan.edges = edges.get_ref().clone();
            plan.check().map_err(|what| lines.error(edges.span(), format!("edges: {what}")))?;
        }
    }
    Ok(())
}

fn link(lines: &Lines<'_>, table: &LinkTable) -> Result<LinkPlan, String> {
    let text = |text: &String| text.clone();
    let conditions = LinkConditions {
        delay_ms: lines.read("delay", &table.delay, text, units::duration_ms)?.unwrap_or(0),
        jitter_ms: lines.read("jitter", &table.jitter, text, units::duration_ms)?.unwrap_or(0),
        loss: lines.read("loss", &table.loss, Quantity::text, units::fraction)?.unwrap_or(0.0),
        bandwidth: lines.read("bandwidth", &table.bandwidth, Quantity::text, units::bandwidth)?.unwrap_or(0),
    };
    Ok(LinkPlan { between: table.between.clone(), conditions })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_read() {
        let text = include_str!("../../../docs/net.toml");
        let file = NetworkFile::parse(text).unwrap();
        assert_eq!(file.chain.as_deref(), Some("local"));
        assert_eq!(file.hashrate, Some(131_072.0));
        let names: Vec<&str> = file.plan.nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "shop", "relay0", "relay1"]);
        assert_eq!(file.plan.edges.len(), 6, "a ring of six");
        assert_eq!(
            file.plan.link("b", "a"),
            LinkConditions { delay_ms: 200, jitter_ms: 20, loss: 0.05, bandwidth: 1_000_000 }
        );
    }

    #[test]
    fn a_small_file_needs_only_names() {
        let file = NetworkFile::parse("[[node]]\nname = \"m\"\nshare = 1.0\ncount = 4\n").unwrap();
        assert_eq!(file.plan.nodes.len(), 4);
        assert_eq!(file.plan.nodes[3], NodePlan::miner("m3", 0.25));
        assert_eq!(file.plan.edges.len(), 6);
    }

    #[test]
    fn errors_name_the_line() {
        let node = "[[node]]\nname = \"a\"\n[[node]]\nname = \"b\"\n";
        for (text, expected) in [
            ("chain = \"local\"\n".to_owned(), "no node is described"),
            ("nodes = 5\n".to_owned(), "line 1: unknown field `nodes`"),
            ("hashrate = \"fast\"\n".to_owned(), "line 1: hashrate: \"fast\" is not a hash rate"),
            ("[[node]]\nname = \"a\"\nshare = 1.5\n".to_owned(), "line 3: share: \"1.5\" is not a share"),
            ("[[node]]\nname = \"a\"\nrole = \"king\"\n".to_owned(), "line 3: unknown variant `king`"),
            ("[[node]]\nname = \"a/b\"\n".to_owned(), "line 1: \"a/b\" cannot name a node"),
            (format!("{node}[[node]]\nname = \"a\"\n"), "line 5: two nodes are called \"a\""),
            (format!("{node}[topology]\npreset = \"torus\"\n"), "line 6: preset: no topology \"torus\""),
            (format!("{node}[topology]\npreset = \"ring\"\nk = 3\n"), "line 7: k: topology ring has no k"),
            (format!("{node}[topology]\nedges = [[\"a\", \"z\"]]\n"), "line 6: edges: no node is called \"z\""),
            (
                format!("{node}[[link]]\nbetween = [\"a\", \"b\"]\ndelay = \"200\"\n"),
                "line 7: delay: \"200\" is not a time",
            ),
            (format!("{node}[[link]]\nbetween = [\"a\", \"z\"]\n"), "line 5: no node is called \"z\""),
            (format!("partition = [[\"a\"], [\"a\"]]\n{node}"), "line 1: \"a\" is in two groups"),
            ("[[node]]\nname = \n".to_owned(), "line 2: "),
        ] {
            let error = NetworkFile::parse(&text).unwrap_err();
            assert!(error.starts_with(expected), "{text:?}: {error:?} should start with {expected:?}");
            assert!(!error.contains('\n'), "{error:?}");
        }
    }
}
