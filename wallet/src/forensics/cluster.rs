//! Which addresses belong to one owner, as far as the chain gives it away.
//!
//! Three rules, each of which can be switched off:
//! - *common inputs*: whoever signs for several coins in one transaction owns all of them (Nakamoto 2008, section 10).
//! - *fresh change*: of two outputs, the one whose address was never seen before is the payer's change, if the other's was
//!   (Androulaki et al. 2013, "shadow addresses"; Meiklejohn et al. 2013).
//! - *needless input*: an output smaller than every one of several inputs is change, since otherwise one input less would
//!   have paid the other output ("unnecessary input heuristic").
//!
//! Rules err: a joint payment merges strangers, change that is reused hides. [`Quality`] says how much, where the owners
//! are known.

use std::collections::{BTreeMap, HashMap, HashSet};

use chain_spec::{Amount, Transaction};

use super::ChainIndex;

/// A public key hash.
pub type Hash = [u8; 20];

/// Which rules are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Inputs of one transaction have one owner.
    pub common_inputs: bool,
    /// A never-seen output beside a known one is change.
    pub fresh_change: bool,
    /// An output smaller than every one of several inputs is change.
    pub needless_input: bool,
}

impl Rules {
    /// All of them.
    pub const ALL: Rules = Rules { common_inputs: true, fresh_change: true, needless_input: true };
}

/// Addresses taken for one owner's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its addresses, in the order in which the chain first names them.
    pub addresses: Vec<Hash>,
    /// What its addresses hold now.
    pub balance: Amount,
}

/// What one cluster paid another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// In how many transactions.
    pub transactions: u32,
    /// How much together.
    pub amount: Amount,
}

/// The whole chain's addresses in clusters.
#[derive(Clone, Debug, Default)]
pub struct Clusters {
    /// Largest first.
    pub clusters: Vec<Cluster>,
    /// Each address' cluster.
    pub of: HashMap<Hash, usize>,
    /// Payments from one cluster to another.
    pub flows: BTreeMap<(usize, usize), Flow>,
}

/// Addresses joined so far: each points to another of its cluster, at last to its representative.
#[derive(Default)]
struct Union {
    parent: Vec<usize>,
    number: HashMap<Hash, usize>,
    order: Vec<Hash>,
}

impl Union {
    fn add(&mut self, hash: Hash) -> usize {
        *self.number.entry(hash).or_insert_with(|| {
            self.order.push(hash);
            self.parent.push(self.parent.len());
            self.parent.len() - 1
        })
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.parent[at] != at {
            self.parent[at] = self.parent[self.parent[at]];
            at = self.parent[at];
        }
        at
    }

    fn join(&mut self, one: Hash, other: Hash) {
        let (one, other) = (self.add(one), self.add(other));
        let (one, other) = (self.root(one), self.root(other));
        self.parent[one.max(other)] = one.min(other);
    }
}

/// Groups the addresses of a chain.
pub fn clusters(index: &ChainIndex, rules: Rules) -> Clusters {
    let mut union = Union::default();
    for known in index.transactions() {
        let inputs = input_owners(index, &known.transaction);
        let change = change_of(&known.transaction, &inputs, &union, rules);
        for output in known.transaction.outputs.iter().filter_map(|output| output.script.public_key_hash()) {
            union.add(output);
        }
        if let Some((first, rest)) = inputs.split_first() {
            for other in rest.iter().filter(|_| rules.common_inputs) {
                union.join(first.0, other.0);
            }
            if let Some(change) = change {
                union.join(first.0, change);
            }
        }
    }
    collect(index, union)
}

/// Owner and value of each input that a public key hash locks.
fn input_owners(index: &ChainIndex, transaction: &Transaction) -> Vec<(Hash, Amount)> {
    let spent = transaction.inputs.iter().filter_map(|input| index.output(&input.outpoint));
    spent.filter_map(|output| Some((output.script.public_key_hash()?, output.value))).collect()
}

/// The output that the rules take for change. `union` knows the addresses of earlier transactions.
fn change_of(transaction: &Transaction, inputs: &[(Hash, Amount)], union: &Union, rules: Rules) -> Option<Hash> {
    let outputs: Vec<(Hash, Amount)> =
        transaction.outputs.iter().filter_map(|o| Some((o.script.public_key_hash()?, o.value))).collect();
    let [one, other] = outputs[..] else { return None };
    let pays_itself = outputs.iter().any(|(hash, _)| inputs.iter().any(|(input, _)| input == hash));
    if inputs.is_empty() || pays_itself || one.0 == other.0 {
        return None;
    }
    let is_fresh = |hash: &Hash| !union.number.contains_key(hash);
    if rules.fresh_change && is_fresh(&one.0) != is_fresh(&other.0) {
        return Some(if is_fresh(&one.0) { one.0 } else { other.0 });
    }
    let smallest = inputs.iter().map(|(_, value)| *value).min()?;
    let fits = |output: &(Hash, Amount)| output.1 < smallest;
    if rules.needless_input && inputs.len() > 1 && fits(&one) != fits(&other) {
        return Some(if fits(&one) { one.0 } else { other.0 });
    }
    None
}

fn collect(index: &ChainIndex, mut union: Union) -> Clusters {
    let mut groups: BTreeMap<usize, Vec<Hash>> = BTreeMap::new();
    for at in 0..union.order.len() {
        let root = union.root(at);
        groups.entry(root).or_default().push(union.order[at]);
    }
    let mut groups: Vec<Vec<Hash>> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let mut of = HashMap::new();
    for (number, group) in groups.iter().enumerate() {
        of.extend(group.iter().map(|hash| (*hash, number)));
    }
    let mut balances = vec![0_u64; groups.len()];
    let mut flows: BTreeMap<(usize, usize), Flow> = BTreeMap::new();
    for known in index.transactions() {
        let from = input_owners(index, &known.transaction).first().and_then(|(hash, _)| of.get(hash).copied());
        let mut reached = HashSet::new();
        for (at, output) in (0..).zip(&known.transaction.outputs) {
            let Some(to) = output.script.public_key_hash().and_then(|hash| of.get(&hash).copied()) else { continue };
            let coin = chain_spec::Outpoint { txid: known.txid, index: at };
            if index.spender(&coin).is_none() {
                balances[to] = balances[to].saturating_add(output.value.units());
            }
            if let Some(from) = from.filter(|from| *from != to) {
                let flow = flows.entry((from, to)).or_default();
                flow.transactions += u32::from(reached.insert(to));
                flow.amount = flow.amount.checked_add(output.value).unwrap_or(Amount::MAX_MONEY);
            }
        }
    }
    let clusters = groups
        .into_iter()
        .zip(balances)
        .map(|(addresses, balance)| Cluster { addresses, balance: Amount::from_units(balance) })
        .collect();
    Clusters { clusters, of, flows }
}

/// How well clusters match the real owners, over pairs of addresses whose owners are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// Addresses with a known owner that the chain names.
    pub addresses: usize,
    /// Pairs put into one cluster.
    pub pairs_joined: u64,
    /// Pairs of one owner.
    pub pairs_owned: u64,
    /// Pairs of one owner put into one cluster.
    pub pairs_right: u64,
}

impl Quality {
    /// Of the pairs put together, the part that belongs together; none were: 1.
    pub fn precision(&self) -> f64 {
        ratio(self.pairs_right, self.pairs_joined)
    }

    /// Of the pairs that belong together, the part that was put together; there are none: 1.
    pub fn recall(&self) -> f64 {
        ratio(self.pairs_right, self.pairs_owned)
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

/// Holds clusters against the owners.
pub fn quality(clusters: &Clusters, owners: &HashMap<Hash, String>) -> Quality {
    let mut by_cluster: BTreeMap<usize, u64> = BTreeMap::new();
    let mut by_owner: BTreeMap<&str, u64> = BTreeMap::new();
    let mut by_both: BTreeMap<(usize, &str), u64> = BTreeMap::new();
    let mut addresses = 0;
    for (hash, owner) in owners {
        let Some(cluster) = clusters.of.get(hash) else { continue };
        addresses += 1;
        *by_cluster.entry(*cluster).or_default() += 1;
        *by_owner.entry(owner).or_default() += 1;
        *by_both.entry((*cluster, owner)).or_default() += 1;
    }
    let pairs = |counts: &mut dyn Iterator<Item = &u64>| counts.map(|count| count * (count - 1) / 2).sum();
    Quality {
        addresses,
        pairs_joined: pairs(&mut by_cluster.values()),
        pairs_owned: pairs(&mut by_owner.values()),
        pairs_right: pairs(&mut by_both.values()),
    }
}
