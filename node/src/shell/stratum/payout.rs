//! Who is paid what for a block: the reward split by work, and the outputs of the coinbase.
//!
//! A coinbase has few outputs, so whoever has earned least is not paid at once but credited; what they have earned
//! is paid to the operator meanwhile, who holds it for them. In the books every amount paid has its credit: all
//! balances sum to zero, and the operator's is below zero by what is held. Pure arithmetic in whole units.

use crate::core::mempool::policy::DUST_UNITS;
use chain_spec::{Address, Amount, ChainSpec, Script};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// Most outputs of a coinbase. Templates keep 2,000 bytes and 100 signature operations free for header and coinbase;
/// an output that pays a public key hash takes 34 bytes and one operation.
pub const OUTPUTS_MAX: usize = 50;
/// Basis points of the whole.
pub const BASIS_POINTS: u16 = 10_000;

/// How rewards are split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// By the work of everybody since the pool's last block.
    Proportional,
    /// By the last work that was done, whoever found blocks meanwhile (pay per last N shares).
    Pplns,
    /// Whoever finds a block has it.
    Solo,
}

impl Scheme {
    /// As it is written in options and replies.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Proportional => "proportional",
            Scheme::Pplns => "pplns",
            Scheme::Solo => "solo",
        }
    }

    /// The scheme that is written so.
    pub fn from_name(name: &str) -> Option<Scheme> {
        [Scheme::Proportional, Scheme::Pplns, Scheme::Solo].into_iter().find(|scheme| scheme.name() == name)
    }
}

/// Whom the pool pays: a public key hash, whatever the chain's address version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct User([u8; 20]);

impl User {
    /// Of an address.
    pub fn of(address: &Address) -> User {
        User(address.public_key_hash)
    }

    /// The address on a chain.
    pub fn address(&self, spec: &ChainSpec) -> Address {
        Address { version: spec.address_version, public_key_hash: self.0 }
    }

    /// The output script that pays them.
    pub fn script(&self) -> Script {
        Script::pay_to_public_key_hash(&self.0)
    }
}

/// Hexadecimal digits of the public key hash.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}
impl Serialize for User {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self:?}"))
    }
}
impl<'de> Deserialize<'de> for User {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<User, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let mut hash = [0; 20];
        hex::decode_to_slice(text.as_ref(), &mut hash)
            .map_err(|_| serde::de::Error::custom("a public key hash has 40 hexadecimal digits"))?;
        Ok(User(hash))
    }
}

/// Work by user, in expected hashes.
pub type Weights = BTreeMap<User, u128>;
/// What users have earned and not been paid, units; below zero for who holds others' earnings.
pub type Balances = BTreeMap<User, i64>;

/// The pool's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How rewards are split.
    pub scheme: Scheme,
    /// The operator's part, in basis points of the reward.
    pub fee_basis_points: u16,
    /// Outputs of a coinbase, the operator's included: 1 to [`OUTPUTS_MAX`].
    pub outputs_max: usize,
    /// Who has the fee and holds what is not paid yet.
    pub operator: User,
}

/// What a block pays, and for what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The coinbase's outputs; they sum to the reward.
    #[serde(with = "amounts")]
    pub outputs: Vec<(User, Amount)>,
    /// What everybody earns by the block; it sums to the reward too.
    #[serde(with = "amounts")]
    pub earned: Vec<(User, Amount)>,
    /// The work it is for, which a proportional round has behind it then.
    pub weights: Vec<(User, u128)>,
}

impl Plan {
    /// Who finds the block has it, less the fee.
    pub fn solo(reward: Amount, finder: User, terms: &Terms) -> Plan {
        let fee = fee(reward, terms);
        let mut outputs = vec![(finder, less(reward, fee))];
        if fee > Amount::ZERO {
            outputs.push((terms.operator, fee));
        }
        Plan { earned: outputs.clone(), outputs, weights: Vec::new() }
    }

    /// Splits a reward by work, of which there must be some, and chooses who is paid now.
    pub fn split(reward: Amount, weights: &Weights, balances: &Balances, terms: &Terms) -> Plan {
        let fee = fee(reward, terms);
        let total: u128 = weights.values().sum();
        let pot = u128::from(less(reward, fee).units());
        let part = |weight: u128| Amount::from_units(share(pot, weight, total.max(1)));
        let mut earned: BTreeMap<User, Amount> = weights.iter().map(|(user, weight)| (*user, part(*weight))).collect();
        let given = Amount::checked_sum(earned.values().copied()).unwrap_or(reward);
        // The fee, and the units that division leaves: fewer than there are users.
        let rest = less(reward, given);
        let operator = earned.entry(terms.operator).or_default();
        *operator = operator.checked_add(rest).unwrap_or(reward);
        let outputs = outputs(reward, &earned, balances, terms);
        earned.retain(|_, amount| *amount > Amount::ZERO);
        Plan {
            outputs,
            earned: earned.into_iter().collect(),
            weights: weights.iter().map(|(user, weight)| (*user, *weight)).collect(),
        }
    }
}

/// Pays who has most, until the reward or the outputs run out; the operator holds what is left.
fn outputs(reward: Amount, earned: &BTreeMap<User, Amount>, balances: &Balances, terms: &Terms) -> Vec<(User, Amount)> {
    let mut due: Balances = balances.clone();
    for (user, amount) in earned {
        *due.entry(*user).or_default() += units(*amount);
    }
    due.remove(&terms.operator);
    let mut due: Vec<(User, u64)> =
        due.into_iter().filter_map(|(user, units)| Some((user, u64::try_from(units).ok()?))).collect();
    due.retain(|(_, units)| *units >= DUST_UNITS);
    due.sort_by_key(|(user, units)| (std::cmp::Reverse(*units), *user));
    let mut left = reward.units();
    let mut outputs = Vec::new();
    // One output stays free for the operator.
    for (user, units) in due.into_iter().take(terms.outputs_max.clamp(1, OUTPUTS_MAX) - 1) {
        let paid = units.min(left);
        if paid < DUST_UNITS {
            break;
        }
        left -= paid;
        outputs.push((user, Amount::from_units(paid)));
    }
    if left > 0 || outputs.is_empty() {
        outputs.push((terms.operator, Amount::from_units(left)));
    }
    outputs
}

fn fee(reward: Amount, terms: &Terms) -> Amount {
    let part = u128::from(terms.fee_basis_points.min(BASIS_POINTS));
    Amount::from_units(share(u128::from(reward.units()), part, u128::from(BASIS_POINTS)))
}

/// `pot × part / whole`, rounded down; `part` is at most `whole`, which is not zero.
fn share(pot: u128, part: u128, whole: u128) -> u64 {
    // A pot has 51 bits. Work of more than 77 bits, beyond any chain's, is divided first.
    let shift = whole.ilog2().saturating_sub(76);
    let exact = pot * (part >> shift) / (whole >> shift).max(1);
    u64::try_from(exact.min(pot)).unwrap_or(u64::MAX)
}

fn less(amount: Amount, other: Amount) -> Amount {
    amount.checked_sub(other).unwrap_or(Amount::ZERO)
}

/// For sums in the books; amounts of money are far below the bound.
pub fn units(amount: Amount) -> i64 {
    i64::try_from(amount.units()).unwrap_or(i64::MAX)
}

/// Amounts as whole units.
mod amounts {
    use super::User;
    use chain_spec::Amount;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(amounts: &[(User, Amount)], serializer: S) -> Result<S::Ok, S::Error> {
        amounts.iter().map(|(user, amount)| (*user, amount.units())).collect::<Vec<_>>().serialize(serializer)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(User, Amount)>, D::Error> {
        let units = Vec::<(User, u64)>::deserialize(deserializer)?;
        Ok(units.into_iter().map(|(user, units)| (user, Amount::from_units(units))).collect())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub fn user(number: u8) -> User {
        User([number; 20])
    }

    fn terms(fee_basis_points: u16, outputs_max: usize) -> Terms {
        Terms { scheme: Scheme::Pplns, fee_basis_points, outputs_max, operator: user(0) }
    }

    fn coins(units: u64) -> Amount {
        Amount::from_units(units)
    }

    #[test]
    fn a_reward_is_split_by_work_and_the_operator_has_the_fee_and_the_odd_units() {
        let weights = Weights::from([(user(1), 1), (user(2), 2)]);
        let plan = Plan::split(coins(1_000_000), &weights, &Balances::new(), &terms(100, 10));
        // 1 % is 10,000; 990,000 / 3 is 330,000.
        assert_eq!(plan.outputs, [(user(2), coins(660_000)), (user(1), coins(330_000)), (user(0), coins(10_000))]);
        let plan = Plan::split(coins(1_000_000), &weights, &Balances::new(), &terms(0, 10));
        assert_eq!(plan.outputs, [(user(2), coins(666_666)), (user(1), coins(333_333)), (user(0), coins(1))]);
    }

    #[test]
    fn who_has_earned_least_is_paid_when_it_has_grown() {
        let weights = Weights::from([(user(1), 50), (user(2), 30), (user(3), 20)]);
        let (terms, reward) = (terms(0, 2), coins(100_000));
        let mut balances = Balances::new();
        let mut paid: BTreeMap<User, u64> = BTreeMap::new();
        for _ in 0..100 {
            let plan = Plan::split(reward, &weights, &balances, &terms);
            assert!(plan.outputs.len() <= 2);
            for (user, amount) in &plan.earned {
                *balances.entry(*user).or_default() += units(*amount);
            }
            for (user, amount) in &plan.outputs {
                *balances.entry(*user).or_default() -= units(*amount);
                *paid.entry(*user).or_default() += amount.units();
            }
            assert_eq!(balances.values().sum::<i64>(), 0);
        }
        // Everybody has had their part of 10,000,000 but for what is held, which does not grow.
        for (number, earned) in [(1, 5_000_000), (2, 3_000_000), (3, 2_000_000)] {
            let had = paid.get(&user(number)).copied().unwrap_or(0);
            assert!(had <= earned && earned - had <= 200_000, "user {number} has had {had} of {earned}");
        }
        assert!(balances[&user(0)] >= -200_000, "{balances:?}");
    }

    #[test]
    fn solo_pays_the_finder() {
        let plan = Plan::solo(coins(5_000), user(3), &terms(250, 1));
        assert_eq!(plan.outputs, [(user(3), coins(4_875)), (user(0), coins(125))]);
        assert_eq!(Plan::solo(coins(5_000), user(3), &terms(0, 1)).outputs, [(user(3), coins(5_000))]);
    }

    #[test]
    fn dust_is_held() {
        let weights = Weights::from([(user(1), 1_000_000), (user(2), 1)]);
        let plan = Plan::split(coins(100_000_000), &weights, &Balances::new(), &terms(0, 10));
        assert_eq!(plan.outputs.iter().map(|(user, _)| *user).collect::<Vec<_>>(), [user(1), user(0)]);
        assert!(plan.earned.contains(&(user(2), coins(99))), "{plan:?}");
    }

    #[test]
    fn a_plan_is_read_back_with_work_beyond_64_bits() {
        let weights = Weights::from([(user(1), 1 << 100), (user(2), 3)]);
        let plan = Plan::split(coins(5_000_000_000), &weights, &Balances::new(), &terms(50, 10));
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_made(
            reward in 0..=2_100_000_000_000_000_u64,
            weights in prop::collection::btree_map(0_u8..40, 1..=u128::from(u64::MAX) << 20, 1..40),
            held in prop::collection::btree_map(1_u8..60, 0..1_000_000_000_i64, 0..60),
            fee in 0..=BASIS_POINTS,
            outputs_max in 1..=OUTPUTS_MAX,
        ) {
            let weights: Weights = weights.into_iter().map(|(number, weight)| (user(number), weight)).collect();
            let mut balances: Balances = held.into_iter().map(|(number, units)| (user(number), units)).collect();
            balances.insert(user(0), -balances.values().sum::<i64>());
            let plan = Plan::split(coins(reward), &weights, &balances, &terms(fee, outputs_max));
            let sum = |amounts: &[(User, Amount)]| amounts.iter().map(|(_, amount)| amount.units()).sum::<u64>();
            prop_assert_eq!(sum(&plan.outputs), reward);
            prop_assert_eq!(sum(&plan.earned), reward);
            prop_assert!(plan.outputs.len() <= outputs_max);
            for (index, (paid, amount)) in plan.outputs.iter().enumerate() {
                prop_assert!(plan.outputs[..index].iter().all(|(earlier, _)| earlier != paid));
                let due = balances.get(paid).copied().unwrap_or(0)
                    + plan.earned.iter().filter(|(user, _)| user == paid).map(|(_, amount)| units(*amount)).sum::<i64>();
                prop_assert!(*paid == user(0) || (units(*amount) <= due && amount.units() >= DUST_UNITS));
            }
        }
    }
}
