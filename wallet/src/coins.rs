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
    /// The receiver bears the fee: the coins need only cover `amount`.
    pub subtract_fee: bool,
}

impl Request {
    /// The fee with this many inputs and change outputs.
    fn fee(&self, inputs: usize, change: usize) -> Amount {
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
    // Largest first: the order the search wants, and what the fallback takes.
    let mut order: Vec<usize> = (0..coins.len()).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(coins[index]), index));
    order.truncate(INPUTS_MAX);
    let candidates: Vec<Candidate> = order
        .iter()
        .map(|&index| Candidate {
            value: coins[index].units(),
            weight: request.input_size as u64 * 4,
            input_count: 1,
            is_segwit: false,
        })
        .collect();
    let mut selector = CoinSelector::new(&candidates);
    let rounds = (SEARCH_VISITS_MAX / candidates.len().max(1)).min(SEARCH_ROUNDS_MAX);
    if selector.run_bnb(LowestFee { request }, rounds).is_err() {
        let enough = |s: &CoinSelector<'_>| settle_selected(request, s).is_some();
        selector.select_until(enough).ok_or_else(|| shortage(coins, request))?;
    }
    let (fee, change, paid) = settle_selected(request, &selector).ok_or_else(|| shortage(coins, request))?;
    let mut chosen: Vec<usize> = selector.selected_indices().iter().map(|&at| order[at]).collect();
    chosen.sort_unstable();
    Ok(Selection { coins: chosen, fee, change, paid })
}

fn settle_selected(request: &Request, selector: &CoinSelector<'_>) -> Option<(Amount, Option<Amount>, Amount)> {
    settle(request, Amount::from_units(selector.selected_value()), selector.selected_indices().len())
}

fn shortage(coins: &[Amount], request: &Request) -> NoSelection {
    let all = Amount::checked_sum(coins.iter().copied()).unwrap_or(Amount::MAX_MONEY);
    if settle(request, all, coins.len()).is_some() {
        return NoSelection::TooManyInputs;
    }
    let inputs = coins.len().clamp(1, INPUTS_MAX);
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
        let mut inputs = selector.selected_indices().len();
        let mut value = selector.selected_value();
        let mut rest = selector.unselected();
        while settle(self.request, Amount::from_units(value), inputs).is_none() {
            value = value.checked_add(rest.next()?.1.value)?;
            inputs += 1;
        }
        Some(Ordf32(self.request.fee(inputs, 0).units() as f32))
    }
}

#[cfg(test)]
mod tests;
