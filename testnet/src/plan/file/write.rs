//! A network file as text: what [`NetworkFile::parse`] reads back as the same value.

use super::NetworkFile;
use crate::plan::{LinkPlan, NodePlan};
use toml::{Table, Value};

impl NetworkFile {
    /// The file's text. Who dials whom is written edge by edge, whatever preset it came from.
    pub fn to_toml(&self) -> String {
        let mut file = Table::new();
        let mut put = |key: &str, value: Option<Value>| value.map(|value| file.insert(key.to_owned(), value));
        put("chain", self.chain.clone().map(Value::String));
        put("hashrate", self.hashrate.map(Value::Float));
        let groups = |groups: &[Vec<String>]| Value::Array(groups.iter().map(|group| texts(group)).collect());
        put("partition", (!self.plan.partition.is_empty()).then(|| groups(&self.plan.partition)));
        if self.has_topology {
            let edges = self.plan.edges.iter().map(|(a, b)| texts(&[a.clone(), b.clone()])).collect();
            put("topology", Some(Value::Table(Table::from_iter([("edges".to_owned(), Value::Array(edges))]))));
        }
        put("node", Some(Value::Array(self.plan.nodes.iter().map(|node| Value::Table(self.node(node))).collect())));
        let links: Vec<Value> = self.plan.links.iter().map(|link| Value::Table(self::link(link))).collect();
        put("link", (!links.is_empty()).then_some(Value::Array(links)));
        // A table of texts, numbers and arrays of them has a form in TOML.
        toml::to_string(&file).unwrap_or_default()
    }

    fn node(&self, node: &NodePlan) -> Table {
        let mut table = Table::new();
        let mut put = |key: &str, value: Option<Value>| value.map(|value| table.insert(key.to_owned(), value));
        put("name", text(Some(&node.name)));
        put("role", Some(Value::String(node.role.to_string())));
        put("share", Some(Value::Float(node.share)));
        put("threads", i64::try_from(node.threads).ok().map(Value::Integer));
        put("arguments", (!node.arguments.is_empty()).then(|| texts(&node.arguments)));
        put("strategy", (!node.strategy.is_empty()).then(|| texts(&node.strategy)));
        if let Some(address) = self.addresses.get(&node.name) {
            put("rpc", text(Some(&address.rpc)));
            put("user", text(address.user.as_ref()));
            put("password", text(address.password.as_ref()));
            put("cookie", address.cookie.as_ref().map(|path| Value::String(path.display().to_string())));
            put("p2p", text(address.p2p.as_ref()));
            put("words", text(address.words.as_ref()));
        }
        table
    }
}

fn link(link: &LinkPlan) -> Table {
    let conditions = link.conditions;
    let mut table = Table::new();
    let mut put = |key: &str, value: Value| table.insert(key.to_owned(), value);
    put("between", texts(&[link.between.0.clone(), link.between.1.clone()]));
    put("delay", Value::String(format!("{}ms", conditions.delay_ms)));
    put("jitter", Value::String(format!("{}ms", conditions.jitter_ms)));
    put("loss", Value::Float(conditions.loss));
    if let Some(bandwidth) = i64::try_from(conditions.bandwidth).ok().filter(|bandwidth| *bandwidth > 0) {
        put("bandwidth", Value::Integer(bandwidth));
    }
    table
}

fn text(text: Option<&String>) -> Option<Value> {
    text.cloned().map(Value::String)
}

fn texts(texts: &[String]) -> Value {
    Value::Array(texts.iter().cloned().map(Value::String).collect())
}

#[cfg(test)]
mod tests {
    use super::super::address::NodeAddress;
    use super::*;

    #[test]
    fn what_is_written_is_read_back_the_same() {
        let text = include_str!("../../../../docs/net.toml");
        let mut file = NetworkFile::parse(text).unwrap();
        file.plan.partition = vec![vec!["a".into()], vec!["b".into(), "c".into()]];
        assert_eq!(NetworkFile::parse(&file.to_toml()), Ok(file.clone()));
        let address = NodeAddress {
            rpc: "http://127.0.0.1:18600".into(),
            user: Some("testoon".into()),
            password: Some("quote \" dollar $ = # 'x'".into()),
            p2p: Some("a:29733".into()),
            words: Some("abandon ability".into()),
            cookie: None,
        };
        file.addresses.insert("a".into(), address);
        assert_eq!(NetworkFile::parse(&file.to_toml()), Ok(file.clone()));
        let small = NetworkFile::parse("[[node]]\nname = \"on\"\n").unwrap();
        assert_eq!(NetworkFile::parse(&small.to_toml()), Ok(small));
    }
}
