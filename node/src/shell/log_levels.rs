//! Which parts of the node log their details, changed while it runs (Core: `logging` and its categories).
//!
//! Ground floor: [`cli::logging`](crate::cli) installs what changes the log's filter, the RPC uses it. There is one log in a
//! process, so that this is one, too.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Core's categories, which typed clients want all of, and `libp2p`; and the modules each stands for here. What this node
/// has no part for stays off.
pub const CATEGORIES: &[(&str, &[&str])] = &[
    ("addrman", &["node::shell::network::address_book"]),
    ("bench", &[]),
    ("blockstorage", &["node::shell::store"]),
    ("cmpctblock", &["node::core::peers::compact"]),
    ("coindb", &["node::shell::store::state"]),
    ("estimatefee", &["node::shell::rpc::util::fees"]),
    ("http", &["node::shell::rpc::http"]),
    ("i2p", &[]),
    ("ipc", &[]),
    ("kernel", &[]),
    ("leveldb", &["sled"]),
    ("libevent", &[]),
    ("libp2p", &["libp2p", "libp2p_gossipsub", "libp2p_kad", "libp2p_swarm"]),
    ("mempool", &["node::core::mempool"]),
    ("mempoolrej", &["node::core::mempool::accept"]),
    ("net", &["node::shell::network", "node::core::peers"]),
    ("privatebroadcast", &[]),
    ("proxy", &[]),
    ("prune", &[]),
    ("qt", &[]),
    ("rand", &[]),
    ("reindex", &["node::shell::store::load"]),
    ("rpc", &["node::shell::rpc"]),
    ("scan", &[]),
    ("selectcoins", &[]),
    ("tor", &[]),
    ("txpackages", &["node::core::mempool::package"]),
    ("txreconciliation", &[]),
    ("validation", &["node::core::chainstate"]),
    ("walletdb", &[]),
    ("zmq", &[]),
];

/// Replaces the log's filter by one made from tracing's `target=level` list.
type Apply = Box<dyn Fn(&str) -> Result<(), String> + Send>;

struct Control {
    /// The list that the log was started with.
    base: String,
    detailed: BTreeSet<&'static str>,
    apply: Apply,
}

static CONTROL: OnceLock<Mutex<Control>> = OnceLock::new();

/// Why levels cannot be changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogLevelError {
    /// The name of no part.
    #[error("unknown logging category {0}")]
    Unknown(String),
    /// The process keeps another log, or none.
    #[error("this process does not keep the node's log")]
    NoLog,
    /// The log refused its new filter.
    #[error("the log's levels cannot be changed: {0}")]
    Refused(String),
}

/// Says how the log's filter is changed, and what it was started with. Only the first call of a process counts.
pub fn install(base: String, apply: impl Fn(&str) -> Result<(), String> + Send + 'static) {
    let control = Control { base, detailed: BTreeSet::new(), apply: Box::new(apply) };
    // A second log in one process is the first one's.
    let _ = CONTROL.set(Mutex::new(control));
}

fn control() -> Result<MutexGuard<'static, Control>, LogLevelError> {
    let control = CONTROL.get().ok_or(LogLevelError::NoLog)?;
    Ok(control.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The parts that names stand for: one, or all of them.
fn named(names: &[String]) -> Result<BTreeSet<&'static str>, LogLevelError> {
    let mut found = BTreeSet::new();
    for name in names {
        match (name.as_str(), CATEGORIES.iter().find(|(known, _)| known == name)) {
            ("all" | "1" | "", _) => found.extend(CATEGORIES.iter().map(|(known, _)| *known)),
            (_, Some((known, _))) => drop(found.insert(*known)),
            _ => return Err(LogLevelError::Unknown(name.clone())),
        }
    }
    Ok(found)
}

/// Switches details on, then off, and returns every part with whether it logs them now.
///
/// # Errors
/// A name is unknown, and nothing has changed; or there is no log to change.
pub fn change(include: &[String], exclude: &[String]) -> Result<Vec<(&'static str, bool)>, LogLevelError> {
    let (include, exclude) = (named(include)?, named(exclude)?);
    let mut control = control()?;
    let mut detailed = &control.detailed | &include;
    detailed = &detailed - &exclude;
    detailed.retain(|name| CATEGORIES.iter().any(|(known, modules)| known == name && !modules.is_empty()));
    if detailed != control.detailed {
        (control.apply)(&directives(&control.base, &detailed)).map_err(LogLevelError::Refused)?;
        control.detailed = detailed;
    }
    Ok(CATEGORIES.iter().map(|(name, _)| (*name, control.detailed.contains(name))).collect())
}

/// Tracing's list: of two entries for one target the later counts, so that details come last.
fn directives(base: &str, detailed: &BTreeSet<&'static str>) -> String {
    let modules = CATEGORIES.iter().filter(|(name, _)| detailed.contains(name)).flat_map(|(_, modules)| *modules);
    modules.fold(base.to_owned(), |list, module| format!("{list},{module}=debug"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn names_stand_for_parts_and_parts_for_modules() {
        assert_eq!(named(&names(&["all"])).unwrap().len(), CATEGORIES.len());
        assert_eq!(named(&names(&["net", "nope"])), Err(LogLevelError::Unknown("nope".into())));
        let net = named(&names(&["net"])).unwrap();
        assert_eq!(directives("info", &net), "info,node::shell::network=debug,node::core::peers=debug");
        assert_eq!(directives("info", &BTreeSet::new()), "info");
    }
}
