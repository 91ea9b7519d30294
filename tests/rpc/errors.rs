//! Wrong arguments: for every method, Core's code for each way in which a call can be wrong.
//!
//! Core compares the number of arguments, their names and their JSON types with the method's table before the method runs
//! (`RPCHelpMan::HandleRequest`, `RPCArg::MatchesType`): too few or too many are -1 with the help, an unknown name is -8, a wrong
//! type or a null where something is needed is -3. What the types are is taken from Core's own tables. Values that are
//! refused by the methods themselves follow in a second table, with the codes of Core's functional tests.

use kit::Node;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A method and its arguments by Core's table: `s` string, `n` number, `b` bool, `a` array, `o` object, `*` not checked before the
/// method runs; what follows `?` may be left out.
const TYPES: &[(&str, &str)] = &[
    ("dumptxoutset", "s?so"),
    ("getbestblockhash", ""),
    ("getblock", "s?*"),
    ("getblockchaininfo", ""),
    ("getblockcount", ""),
    ("getblockfilter", "s?s"),
    ("getblockfrompeer", "sn"),
    ("getblockhash", "n"),
    ("getblockheader", "s?b"),
    ("getblockstats", "*?a"),
    ("getchainstates", ""),
    ("getchaintips", ""),
    ("getchaintxstats", "?ns"),
    ("getdeploymentinfo", "?s"),
    ("getdescriptoractivity", "aa?b"),
    ("getdifficulty", ""),
    ("getmempoolancestors", "s?b"),
    ("getmempooldescendants", "s?b"),
    ("getmempoolcluster", "s"),
    ("getmempoolentry", "s"),
    ("getmempoolfeeratediagram", ""),
    ("getmempoolinfo", ""),
    ("getrawmempool", "?bb"),
    ("gettxout", "sn?b"),
    ("gettxoutproof", "a?s"),
    ("gettxoutsetinfo", "?s*b"),
    ("gettxspendingprevout", "a?o"),
    ("importmempool", "s?o"),
    ("invalidateblock", "s"),
    ("preciousblock", "s"),
    ("pruneblockchain", "n"),
    ("reconsiderblock", "s"),
    ("savemempool", ""),
    ("scanblocks", "s?annso"),
    ("scantxoutset", "s?a"),
    ("verifychain", "?nn"),
    ("verifytxoutproof", "s"),
    ("waitforblock", "s?n"),
    ("waitforblockheight", "n?n"),
    ("waitfornewblock", "?ns"),
    ("getmemoryinfo", "?s"),
    ("getrpcinfo", ""),
    ("help", "?s"),
    ("logging", "?aa"),
    ("stop", ""),
    ("uptime", ""),
    ("generateblock", "sa?b"),
    ("generatetoaddress", "ns?n"),
    ("generatetodescriptor", "ns?n"),
    ("getblocktemplate", "?o"),
    ("getmininginfo", ""),
    ("getnetworkhashps", "?nn"),
    ("getprioritisedtransactions", ""),
    ("submitblock", "s?s"),
    ("submitheader", "s"),
    ("addnode", "ss?b"),
    ("addpeeraddress", "sn?bs"),
    ("clearbanned", ""),
    ("disconnectnode", "?sn"),
    ("getaddednodeinfo", "?s"),
    ("getaddrmaninfo", ""),
    ("getconnectioncount", ""),
    ("getnettotals", ""),
    ("getnetworkinfo", ""),
    ("getnodeaddresses", "?ns"),
    ("getpeerinfo", ""),
    ("listbanned", ""),
    ("ping", ""),
    ("setban", "ss?nb"),
    ("setnetworkactive", "b"),
    ("combinerawtransaction", "a"),
    ("createrawtransaction", "a*?nbn"),
    ("decoderawtransaction", "s?b"),
    ("decodescript", "s"),
    ("getrawtransaction", "s?*s"),
    ("sendrawtransaction", "s?**"),
    ("signrawtransactionwithkey", "sa?as"),
    ("submitpackage", "a?**"),
    ("testmempoolaccept", "a?*"),
    ("deriveaddresses", "s?*"),
    ("estimatesmartfee", "n?s"),
    ("getdescriptorinfo", "s"),
    ("getindexinfo", "?s"),
    ("getzmqnotifications", ""),
    ("signmessagewithprivkey", "ss"),
    ("validateaddress", "s"),
    ("verifymessage", "sss"),
    ("getorphantxs", "?*"),
    ("mockscheduler", "n"),
    ("setmocktime", "n"),
    ("syncwithvalidationinterfacequeue", ""),
];

/// Not in the sweep: what is only here, those that take anything, and the one whose optional argument stands in the middle.
const OTHERS: &[&str] =
    &["echo", "echojson", "getlinks", "getpoolinfo", "prioritisetransaction", "reorg", "setlink", "setmining"];

/// A value of a type.
fn right(kind: char) -> Value {
    match kind {
        'n' => json!(1),
        'b' => json!(true),
        'a' => json!([]),
        'o' => json!({}),
        _ => json!("text"),
    }
}

/// A value of every other type.
fn wrong(kind: char) -> Vec<Value> {
    ['s', 'n', 'b', 'a', 'o'].into_iter().filter(|other| *other != kind).map(right).collect()
}

/// The names of a method's arguments, from its help.
fn names(node: &Node, method: &str) -> Vec<String> {
    let help = node.text("help", json!([method]));
    let usage = help.lines().next().unwrap_or_default().trim_start_matches(method);
    usage.split_whitespace().filter(|word| !["(", ")"].contains(word)).map(str::to_owned).collect()
}

fn code(node: &Node, method: &str, parameters: Value) -> i64 {
    let shown = parameters.to_string();
    match node.try_call(method, parameters) {
        Ok(answer) => panic!("{method} {shown} should be refused, but answers {answer}"),
        Err(error) => error.code,
    }
}

fn sweep(node: &Node, method: &str, types: &str) {
    let needed = types.split('?').next().unwrap_or_default().len();
    let kinds: Vec<char> = types.chars().filter(|kind| *kind != '?').collect();
    let values: Vec<Value> = kinds.iter().map(|kind| right(*kind)).collect();
    assert_eq!(names(node, method).len(), kinds.len(), "{method}: the arguments are others than Core's");
    let too_many = [values.clone(), vec![json!("more")]].concat();
    assert_eq!(code(node, method, json!(too_many)), -1, "{method}: too many");
    assert_eq!(code(node, method, json!({"no_such_name": 1})), -8, "{method}: an unknown name");
    for given in 0..needed {
        assert_eq!(code(node, method, json!(values[..given])), -1, "{method}: {given} of {needed}");
    }
    for (position, kind) in kinds.iter().enumerate().filter(|(_, kind)| **kind != '*') {
        let with = |value: Value| {
            let mut all = values.clone();
            all[position] = value;
            all.truncate((position + 1).max(needed));
            all
        };
        for value in wrong(*kind) {
            assert_eq!(code(node, method, json!(with(value.clone()))), -3, "{method}: {value} at {position}");
            let named: Map<String, Value> = names(node, method).into_iter().zip(with(value.clone())).collect();
            assert_eq!(code(node, method, Value::Object(named)), -3, "{method}: {value} by name at {position}");
        }
        if position < needed {
            assert_eq!(code(node, method, json!(with(Value::Null))), -3, "{method}: null at {position}");
        }
    }
}

#[test]
fn every_method_refuses_wrong_numbers_names_and_types_of_arguments_as_core_does() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let help = node.text("help", json!([]));
    let listed = help.lines().filter(|line| !line.starts_with("==")).filter_map(|line| line.split(' ').next());
    let known: BTreeMap<&str, &str> = TYPES.iter().copied().collect();
    for method in listed.filter(|method| !method.is_empty() && !OTHERS.contains(method)) {
        let types = known.get(method).unwrap_or_else(|| panic!("{method} is not in the table"));
        sweep(&node, method, types);
    }
    assert_eq!(code(&node, "no_such_method", json!([])), -32601);
    // Nothing of all that did anything.
    assert_eq!((node.height(), node.mempool().len()), (0, 0));
    assert_eq!(node.call("listbanned", json!([])), json!([]));
    assert_eq!(node.call("getnetworkinfo", json!([]))["networkactive"], true);
}

#[test]
fn values_that_a_method_refuses_have_cores_codes() {
    let node = Node::fresh("bitcoin-regtest", &["--blockfilterindex"]);
    let genesis = node.text("getblockhash", json!([0]));
    let (unknown, short, letters) = ("00".repeat(32), "00".repeat(31), "zz".repeat(32));
    let one_hash = [
        "getblock",
        "getblockheader",
        "getblockfilter",
        "getdeploymentinfo",
        "invalidateblock",
        "preciousblock",
        "reconsiderblock",
        "waitforblock",
    ];
    for method in one_hash {
        for text in [&short, &letters] {
            assert_eq!(code(&node, method, json!([text])), -8, "{method} {text}");
        }
        if method != "waitforblock" {
            assert_eq!(code(&node, method, json!([unknown])), -5, "{method}");
        }
    }
    for method in ["getmempoolentry", "getmempoolancestors", "getmempooldescendants", "getrawtransaction"] {
        assert_eq!(code(&node, method, json!([short])), -8, "{method}");
        assert_eq!(code(&node, method, json!([unknown])), -5, "{method}");
    }
    let cases = [
        ("getblockhash", json!([-1]), -8),
        ("getblockhash", json!([1]), -8),
        ("getblockhash", json!([1.5]), -1),
        ("getblockstats", json!([-1]), -8),
        ("getblockstats", json!([1]), -8),
        ("getblockstats", json!([short]), -8),
        ("getblockstats", json!([unknown]), -5),
        ("getblockstats", json!([0, ["nonsense"]]), -8),
        ("getblockfilter", json!([genesis, "unknown"]), -5),
        ("getchaintxstats", json!([-1]), -8),
        ("getchaintxstats", json!([1, short]), -8),
        ("getchaintxstats", json!([1, unknown]), -5),
        ("gettxout", json!([short, 0]), -8),
        ("gettxoutproof", json!([[]]), -8),
        ("gettxoutproof", json!([[unknown, unknown]]), -8),
        ("gettxoutproof", json!([[unknown]]), -5),
        ("gettxoutproof", json!([["zz"]]), -8),
        ("gettxoutsetinfo", json!(["nonsense"]), -8),
        ("gettxspendingprevout", json!([[]]), -8),
        ("gettxspendingprevout", json!([[{"txid": unknown, "vout": -1}]]), -8),
        ("scantxoutset", json!(["nonsense"]), -8),
        ("scantxoutset", json!(["start", ["nonsense"]]), -5),
        ("scanblocks", json!(["nonsense"]), -8),
        ("verifytxoutproof", json!(["zz"]), -8),
        ("waitforblockheight", json!([1, -1]), -1),
        ("importmempool", json!(["no/such/file"]), -1),
        ("getmemoryinfo", json!(["nonsense"]), -8),
        ("logging", json!([["nonsense"]]), -8),
        ("mockscheduler", json!([0]), -1),
        ("mockscheduler", json!([3_601]), -1),
        ("setmocktime", json!([-1]), -8),
        ("generatetoaddress", json!([1, "nonsense"]), -5),
        ("generatetodescriptor", json!([1, "nonsense"]), -5),
        ("generateblock", json!(["nonsense", []]), -5),
        ("getblocktemplate", json!([{"mode": "nonsense"}]), -8),
        ("getblocktemplate", json!([{"mode": "proposal"}]), -3),
        ("getblocktemplate", json!([{"mode": "proposal", "data": "zz"}]), -22),
        ("getnetworkhashps", json!([0]), -8),
        ("getnetworkhashps", json!([120, 9]), -8),
        ("prioritisetransaction", json!([short, 0, 0]), -8),
        ("submitblock", json!(["zz"]), -22),
        ("submitheader", json!(["zz"]), -22),
        ("addnode", json!(["127.0.0.1:1", "nonsense"]), -1),
        ("addnode", json!(["127.0.0.1:1", "remove"]), -24),
        ("disconnectnode", json!(["192.0.2.1:1"]), -29),
        ("getaddednodeinfo", json!(["192.0.2.1:1"]), -24),
        ("getnodeaddresses", json!([-1]), -8),
        ("getnodeaddresses", json!([1, "nonsense"]), -8),
        ("setban", json!(["192.0.2.1", "nonsense"]), -1),
        ("setban", json!(["nonsense", "add"]), -30),
        ("setban", json!(["192.0.2.1", "remove"]), -30),
        ("combinerawtransaction", json!([["zz"]]), -22),
        ("createrawtransaction", json!([[{"txid": short, "vout": 0}], {}]), -8),
        ("createrawtransaction", json!([[{"txid": unknown}], {}]), -8),
        ("createrawtransaction", json!([[{"txid": unknown, "vout": -1}], {}]), -8),
        ("createrawtransaction", json!([[], {"nonsense": 1}]), -5),
        ("createrawtransaction", json!([[], {"data": "zz"}]), -8),
        ("createrawtransaction", json!([[], {}, -1]), -8),
        ("createrawtransaction", json!([[], {}, 4_294_967_296_i64]), -8),
        ("decoderawtransaction", json!(["zz"]), -22),
        ("sendrawtransaction", json!(["zz"]), -22),
        ("sendrawtransaction", json!(["00", -1]), -22),
        ("signrawtransactionwithkey", json!(["zz", []]), -22),
        ("testmempoolaccept", json!([[]]), -8),
        ("testmempoolaccept", json!([["zz"]]), -22),
        ("submitpackage", json!([[]]), -8),
        ("deriveaddresses", json!(["nonsense"]), -5),
        ("getdescriptorinfo", json!(["nonsense"]), -5),
        ("estimatesmartfee", json!([0]), -8),
        ("estimatesmartfee", json!([1_009]), -8),
        ("estimatesmartfee", json!([2, "nonsense"]), -8),
        ("signmessagewithprivkey", json!(["nonsense", "text"]), -5),
        ("verifymessage", json!(["nonsense", "AAAA", "text"]), -5),
        ("getorphantxs", json!([3]), -8),
    ];
    let mut others = Vec::new();
    for (method, parameters, expected) in cases {
        match node.try_call(method, parameters.clone()) {
            Err(error) if error.code == expected => {}
            other => others.push(format!("{method} {parameters}: {other:?}, Core: {expected}")),
        }
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
    let text = node.text("help", json!(["no_such_method"]));
    assert_eq!(text, "help: unknown command: no_such_method");
}
