//! Names that an engine takes: a name that it would refuse, or make something else of, is refused here and says which and why.

use crate::plan::Plan;

/// Compose's service that puts link conditions and partitions into force.
pub const LINKS: &str = "links";
/// Kubernetes' headless Service of all pods.
pub const PODS: &str = "pods";
/// Characters of a DNS label, at most (RFC 1123, section 2.1).
pub const LABEL_CHARACTERS_MAX: usize = 63;

/// For whom names must fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Docker Compose: a service's name is its host name on the network.
    Compose,
    /// Kubernetes: a node's name is that of its Service.
    Kubernetes,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Engine::Compose => "Compose",
            Engine::Kubernetes => "Kubernetes",
        }
    }

    /// Names that the export itself uses beside the nodes'.
    fn taken(self) -> &'static [&'static str] {
        match self {
            Engine::Compose => &["localhost", LINKS],
            Engine::Kubernetes => &["localhost", PODS, "kubernetes"],
        }
    }
}

/// That an engine takes the names of a plan's nodes and of the network itself; else one line that names the first it does not.
pub fn check(engine: Engine, network: &str, plan: &Plan) -> Result<(), String> {
    let refuse = |what: &str, name: &str, why: String| {
        let engine = engine.name();
        Err(format!(
            "{what} {name:?} cannot be used with {engine}: {why}; use lower-case letters, digits and '-' (DNS-1123)"
        ))
    };
    if let Some(why) = label_fault(network) {
        return refuse("the network's name", network, why);
    }
    for node in &plan.nodes {
        let name = node.name.as_str();
        let starts_with_digit = name.starts_with(|c: char| c.is_ascii_digit());
        if let Some(why) = label_fault(name) {
            return refuse("node", name, why);
        }
        if engine == Engine::Kubernetes && starts_with_digit {
            return refuse("node", name, "the name of a Service starts with a letter (DNS-1035)".to_owned());
        }
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            return refuse("node", name, "a name of digits alone reads as an address".to_owned());
        }
        if engine.taken().contains(&name) {
            return refuse("node", name, "the export uses this name itself".to_owned());
        }
    }
    Ok(())
}

/// What keeps a text from being a DNS label (RFC 1123); none if nothing does.
pub fn label_fault(name: &str) -> Option<String> {
    let length = name.chars().count();
    if length == 0 {
        return Some("it is empty".to_owned());
    }
    if length > LABEL_CHARACTERS_MAX {
        return Some(format!("it has {length} characters, and {LABEL_CHARACTERS_MAX} are the most"));
    }
    if let Some(upper) = name.chars().find(char::is_ascii_uppercase) {
        return Some(format!("it has an upper-case letter, {upper}"));
    }
    if name.contains('_') {
        return Some("it has an underscore".to_owned());
    }
    if let Some(other) = name.chars().find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')) {
        return Some(format!("it has the character {other:?}"));
    }
    (name.starts_with('-') || name.ends_with('-')).then(|| "it begins or ends with '-'".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::topology::Topology;

    fn check_node(engine: Engine, name: &str) -> Result<(), String> {
        let mut plan = Plan::standard(3, 1.0, Topology::Mesh);
        name.clone_into(&mut plan.nodes[1].name);
        check(engine, "testoon", &plan)
    }

    #[test]
    fn names_that_an_engine_refuses_are_named_with_the_reason() {
        for (name, reason) in [
            ("Node1", "upper-case letter, N"),
            ("node_1", "underscore"),
            ("node-", "begins or ends with '-'"),
            ("links", "uses this name itself"),
            ("localhost", "uses this name itself"),
            ("12", "digits alone"),
        ] {
            let error = check_node(Engine::Compose, name).unwrap_err();
            assert!(error.starts_with(&format!("node {name:?} cannot be used with Compose")), "{error}");
            assert!(error.contains(reason) && !error.contains('\n'), "{error}");
        }
        for name in ["node1", "a", "1a", "a-b-c", "on", "pods", "kubernetes"] {
            assert_eq!(check_node(Engine::Compose, name), Ok(()), "{name}");
        }
        for (name, reason) in [("1a", "starts with a letter"), ("pods", "uses this name itself"), ("A", "upper-case")] {
            let error = check_node(Engine::Kubernetes, name).unwrap_err();
            assert!(error.contains(reason) && error.contains("Kubernetes"), "{error}");
        }
        assert_eq!(check_node(Engine::Kubernetes, "links"), Ok(()));
    }

    #[test]
    fn a_network_s_name_is_a_label_of_63_characters_at_most() {
        let plan = Plan::standard(2, 1.0, Topology::Mesh);
        for (name, is_right) in
            [("a".repeat(63), true), ("a".repeat(64), false), (String::new(), false), ("7".into(), true)]
        {
            assert_eq!(check(Engine::Kubernetes, &name, &plan).is_ok(), is_right, "{name}");
        }
        let error = check(Engine::Compose, "Lab.1", &plan).unwrap_err();
        assert!(error.contains("the network's name \"Lab.1\"") && error.contains("upper-case"), "{error}");
        assert!(check(Engine::Compose, "lab.1", &plan).unwrap_err().contains("'.'"));
    }
}
