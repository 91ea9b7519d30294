//! Coin selection: which coins pay an amount at a fee rate, and what comes back as change.
//!
//! `bdk_coin_select` searches by branch and bound; when its rounds run out, the largest coins are taken until they
//! suffice. The metric, the fee and the change are computed here in integers: the library's own work in `f32`, whose 24
//! bits cannot hold amounts of a few coins to the unit. Neighbours: [`crate::build`]. Absent: privacy heuristics.

use bdk_coin_select::float::Ordf32;
use bdk_coin_select::{BnbMetric, Candidate, CoinSelector};
use chain_spec::Amount;

use crate::fee::{DUST_LIMIT, FeeRate, INPUT_SIZE, OUTPUT_SIZE, transaction_size};

/// Inputs of the largest transaction nodes relay (100,000 bytes), with room for outputs.
pub const INPUTS_MAX: usize = 660;
/// The search may visit this many coins over all rounds together: bounds its time and, as each open branch holds its own
/// list, its memory (about 50 MB).
const SEARCH_VISITS_MAX: usize = 2_000_000;
/// Beyond this many rounds the search hardly improves.
const SEARCH_ROUNDS_MAX: usize = 20_000;

/// What is to be paid.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The sum of the outputs.
    pub amount: Amount,
    /// How many outputs.
    pub outputs: usize,
    /// Their bytes together.
    pub outputs_size: usize,
    /// Bytes of each input: [`INPUT_SIZE`] but for a sweep of an uncompressed key.
    pub input_size: usize,
    /// Units per byte.
    pub fee_rate: FeeRate,
    /// The whole fee, whatever the size; otherwise `fee_rate` gives it.
    pub fixed_fee: Option<Amount>,
    /// The receiver bears the fee: the coins need only cover `amount`.
    pub subtract_fee: bool,
    /// Only a choice of coins that leaves no change will do.
    pub no_change: bool,
}

/// Coins that are spent together or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Their sum.
    pub value: Amount,
    /// How many they are.
    pub inputs: usize,
}

impl Request {
    /// The fee with this many inputs and change outputs.
    fn fee(&self, inputs: usize, change: usize) -> Amount {
        if let Some(fee) = self.fixed_fee {
            return fee;
        }
        let outputs_size = self.outputs_size + change * OUTPUT_SIZE;
        self.fee_rate.fee(transaction_size(inputs, inputs * self.input_size, self.outputs + change, outputs_size))
    }
}

/// A choice of coins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Indices into the coins given.
    pub coins: Vec<usize>,
    /// What the selection leaves to the miner.
    pub fee: Amount,
    /// What comes back, unless it would be dust.
    pub change: Option<Amount>,
    /// What the receiver gets: the amount, or the amount without the fee.
    pub paid: Amount,
}

/// Why no choice of coins will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSelection {
    /// All coins together are too few; the fee is the one for spending them all.
    TooLittle {
        /// The amount and this fee.
        needed: Amount,
        /// The fee in it.
        fee: Amount,
    },
    /// They suffice, but no choice leaves nothing over.
    NoExactMatch,
    /// The coins suffice, but not the largest [`INPUTS_MAX`] of them, which is what fits one transaction.
    TooManyInputs,
}

/// Fee, change and payment for a given set of inputs; `None` if it does not suffice.
pub fn settle(request: &Request, value: Amount, inputs: usize) -> Option<(Amount, Option<Amount>, Amount)> {
    let left = value.checked_sub(request.amount)?;
    let (fee_plain, fee_with_change) = (request.fee(inputs, 0), request.fee(inputs, 1));
    let change = if request.subtract_fee { Some(left) } else { left.checked_sub(fee_with_change) };
    if let Some(change) = change.filter(|change| *change >= DUST_LIMIT) {
        let paid = if request.subtract_fee { request.amount.checked_sub(fee_with_change)? } else { request.amount };
        return Some((fee_with_change, Some(change), paid));
    }
    // What is left is too small to come back: it goes to the fee, and relieves a receiver who bears it.
    let paid = if request.subtract_fee {
        let borne = fee_plain.checked_sub(left).unwrap_or(Amount::ZERO);
        request.amount.checked_sub(borne)?
    } else {
        request.amount
    };
    let fee = value.checked_sub(paid)?;
    (fee >= fee_plain).then_some((fee, None, paid))
}

/// Chooses among `coins`.
pub fn select(coins: &[Amount], request: &Request) -> Result<Selection, NoSelection> {
    let groups: Vec<Group> = coins.iter().map(|&value| Group { value, inputs: 1 }).collect();
    select_groups(&groups, request)
}

/// Chooses among groups of coins; the selection names groups.
pub fn select_groups(groups: &[Group], request: &Request) -> Result<Selection, NoSelection> {
    // Largest first: the order the search wants, and what the fallback takes.
    let mut order: Vec<usize> = (0..groups.len()).filter(|&index| groups[index].inputs <= INPUTS_MAX).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(groups[index].value), index));
    order.truncate(INPUTS_MAX);
    let candidates: Vec<Candidate> = order
        .iter()
        .map(|&index| Candidate {
            value: groups[index].value.units(),
            weight: (groups[index].inputs * request.input_size) as u64 * 4,
            input_count: groups[index].inputs,
            is_segwit: false,
        })
        .collect();
    let mut selector = CoinSelector::new(&candidates);
    let rounds = (SEARCH_VISITS_MAX / candidates.len().max(1)).min(SEARCH_ROUNDS_MAX);
    if selector.run_bnb(LowestFee { request }, rounds).is_err() {
        let enough = |s: &CoinSelector<'_>| settle_selected(request, s).is_some();
        selector.select_until(enough).ok_or_else(|| shortage(groups, request))?;
    }
    let (fee, change, paid) = settle_selected(request, &selector).ok_or_else(|| shortage(groups, request))?;
    let mut chosen: Vec<usize> = selector.selected_indices().iter().map(|&at| order[at]).collect();
    chosen.sort_unstable();
    Ok(Selection { coins: chosen, fee, change, paid })
}

/// Inputs of the selected groups together.
fn selected_inputs(selector: &CoinSelector<'_>) -> usize {
    selector.selected().map(|(_, candidate)| candidate.input_count).sum()
}

fn settle_selected(request: &Request, selector: &CoinSelector<'_>) -> Option<(Amount, Option<Amount>, Amount)> {
    let inputs = selected_inputs(selector);
    let settled = settle(request, Amount::from_units(selector.selected_value()), inputs)?;
    let fits = inputs <= INPUTS_MAX && !(request.no_change && settled.1.is_some());
    fits.then_some(settled)
}

fn shortage(groups: &[Group], request: &Request) -> NoSelection {
    let all = Amount::checked_sum(groups.iter().map(|group| group.value)).unwrap_or(Amount::MAX_MONEY);
    let inputs: usize = groups.iter().map(|group| group.inputs).sum();
    if settle(request, all, inputs).is_some() {
        return if request.no_change { NoSelection::NoExactMatch } else { NoSelection::TooManyInputs };
    }
    let inputs = inputs.clamp(1, INPUTS_MAX);
    let fee = if request.subtract_fee { Amount::ZERO } else { request.fee(inputs, 0) };
    NoSelection::TooLittle { needed: request.amount.checked_add(fee).unwrap_or(Amount::MAX_MONEY), fee }
}

/// Scores a selection by the fee now and the fee for spending its change later at the default rate.
struct LowestFee<'a> {
    request: &'a Request,
}

impl BnbMetric for LowestFee<'_> {
    fn score(&mut self, selector: &CoinSelector<'_>) -> Option<Ordf32> {
        let (fee, change, paid) = settle_selected(self.request, selector)?;
        let later = change.map_or(Amount::ZERO, |_| FeeRate::DEFAULT.fee(INPUT_SIZE));
        // What the receiver gets less than asked is a cost like the fee, and already part of it.
        debug_assert!(paid <= self.request.amount);
        Some(Ordf32(fee.units() as f32 + later.units() as f32))
    }

    /// The least fee any further choice can have: that of the fewest coins that still reach the amount.
    fn bound(&mut self, selector: &CoinSelector<'_>) -> Option<Ordf32> {
        let mut inputs = selected_inputs(selector);
        let mut value = selector.selected_value();
        let mut rest = selector.unselected();
        while settle(self.request, Amount::from_units(value), inputs).is_none() {
            let (_, next) = rest.next()?;
            value = value.checked_add(next.value)?;
            // A group brings at least one input.
            inputs += 1;
        }
        Some(Ordf32(self.request.fee(inputs, 0).units() as f32))
    }
}

#[cfg(test)]
mod tests;
