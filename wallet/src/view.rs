//! Questions about the wallet, answered from the [`Ledger`]: states, coins, balance, history.
//!
//! Everything is derived afresh for one moment; nothing here is stored.

use std::collections::{BTreeSet, HashMap};

use chain_spec::{Amount, Outpoint, Txid};

use crate::ledger::{Entry, Ledger, OwnOutput};

/// Unconfirmed chains are counted up to this length, which is one more than nodes accept (Core: `-limitancestorcount`).
pub const CHAIN_COUNTED_MAX: u32 = 26;

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In the active chain; 1 in the tip.
    Confirmed {
        /// Blocks from its own to the tip.
        confirmations: u32,
        /// Its block's height.
        height: u32,
    },
    /// Not yet in a block.
    Unconfirmed {
        /// Whether the node's mempool holds it. If not, ours are sent again at the next sync.
        in_mempool: bool,
    },
    /// Another transaction has spent what it spends, or it descends from such a one.
    Conflicted {
        /// The transaction that took its coins.
        by: Txid,
    },
    /// Given up by the user, or descends from one that was.
    Abandoned,
    /// The coinbase of a block that is no longer in the active chain.
    Orphaned,
}

impl State {
    /// `confirmed`, `unconfirmed`, `conflicted`, `abandoned` or `orphaned`.
    pub fn name(&self) -> &'static str {
        match self {
            State::Confirmed { .. } => "confirmed",
            State::Unconfirmed { .. } => "unconfirmed",
            State::Conflicted { .. } => "conflicted",
            State::Abandoned => "abandoned",
            State::Orphaned => "orphaned",
        }
    }

    /// Blocks from the transaction's to the tip, 0 while unconfirmed.
    pub fn confirmations(&self) -> u32 {
        match self {
            State::Confirmed { confirmations, .. } => *confirmations,
            _ => 0,
        }
    }
}

/// Whether, and when, a coin can be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CoinState {
    /// Confirmed and mature.
    Confirmed,
    /// Output of our own unconfirmed transaction in the mempool: spendable, since nobody but us can replace its parent.
    OwnUnconfirmed,
    /// Output of our own transaction that the node does not hold (yet): nothing can be built on it.
    Unsent,
    /// Somebody else's unconfirmed payment: not spent before it confirms.
    Incoming,
    /// A coinbase that may be spent in `blocks` more blocks.
    Immature {
        /// Blocks to wait.
        blocks: u32,
    },
}

/// An unspent output that pays us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalletCoin {
    /// Its name.
    pub outpoint: Outpoint,
    /// Its value.
    pub value: Amount,
    /// The key it pays.
    pub public_key_hash: [u8; 20],
    /// 0 while unconfirmed.
    pub confirmations: u32,
    /// Whether and when it can be spent.
    pub state: CoinState,
    /// Unconfirmed transactions in the longest chain that spending it would join: its ancestors, or the descendants of one
    /// of them, whichever are more. 0 for a confirmed coin, at most [`CHAIN_COUNTED_MAX`].
    pub chain: u32,
}

impl WalletCoin {
    /// Whether a payment may use it now.
    pub fn is_spendable(&self) -> bool {
        matches!(self.state, CoinState::Confirmed | CoinState::OwnUnconfirmed)
    }
}

/// Sums over the unspent coins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Confirmed and mature.
    pub confirmed: Amount,
    /// Unconfirmed: own change and payments by others.
    pub pending: Amount,
    /// Coinbases too young to spend.
    pub immature: Amount,
    /// What a payment can use now: confirmed, and unconfirmed own change.
    pub spendable: Amount,
}

impl Balance {
    /// The sums over some coins.
    pub fn of_coins(coins: &[WalletCoin]) -> Balance {
        let of = |wanted: fn(&WalletCoin) -> bool| sum(coins.iter().filter(|c| wanted(c)).map(|coin| coin.value));
        Balance {
            confirmed: of(|coin| coin.state == CoinState::Confirmed),
            pending: of(|coin| {
                matches!(coin.state, CoinState::OwnUnconfirmed | CoinState::Unsent | CoinState::Incoming)
            }),
            immature: of(|coin| matches!(coin.state, CoinState::Immature { .. })),
            spendable: of(WalletCoin::is_spendable),
        }
    }

    /// Everything together.
    pub fn total(&self) -> Amount {
        sum([self.confirmed, self.pending, self.immature])
    }
}

/// What a transaction did to the wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Coins came in.
    Received,
    /// Coins went out.
    Sent,
    /// Only from ourselves to ourselves.
    Own,
    /// A block's subsidy and fees.
    Mined,
}

impl Kind {
    /// `received`, `sent`, `self` or `mined`.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Received => "received",
            Kind::Sent => "sent",
            Kind::Own => "self",
            Kind::Mined => "mined",
        }
    }
}

/// One line of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryLine {
    /// The transaction.
    pub txid: Txid,
    /// What it did.
    pub kind: Kind,
    /// What became of it.
    pub state: State,
    /// Block time or first seen, Unix seconds.
    pub time_s: u32,
    /// What its outputs pay us.
    pub received: Amount,
    /// What its inputs took from us.
    pub spent: Amount,
    /// The fee, known when all inputs are ours.
    pub fee: Option<Amount>,
    /// Public key hashes paid: the others' if we sent, ours if we received.
    pub paid: Vec<[u8; 20]>,
}

/// The ledger at one moment, with the state of every transaction settled.
pub struct View<'a> {
    ledger: &'a Ledger,
    maturity: u32,
    dead: HashMap<Txid, State>,
}

impl<'a> View<'a> {
    /// Settles every transaction's state. `maturity`: blocks before a coinbase can be spent.
    pub fn new(ledger: &'a Ledger, maturity: u32) -> View<'a> {
        let mut view = View { ledger, maturity, dead: HashMap::new() };
        let mut unconfirmed: Vec<_> = ledger.entries().filter(|(_, entry)| entry.position.is_none()).collect();
        // A parent may come after its child in the list, so go round until nothing changes.
        loop {
            let known = view.dead.len();
            unconfirmed.retain(|(txid, entry)| match view.cause_of_death(txid, entry) {
                Some(state) => view.dead.insert(**txid, state).is_some(),
                None => true,
            });
            if view.dead.len() == known {
                return view;
            }
        }
    }

    fn cause_of_death(&self, txid: &Txid, entry: &Entry) -> Option<State> {
        if entry.transaction.is_coinbase() {
            return Some(State::Orphaned);
        }
        if entry.abandoned {
            return Some(State::Abandoned);
        }
        entry.transaction.inputs.iter().find_map(|input| {
            if let Some(state) = self.dead.get(&input.outpoint.txid) {
                // A dead parent's cause is ours too; an orphaned coinbase has no rival, so name the coinbase itself.
                return Some(if *state == State::Orphaned {
                    State::Conflicted { by: input.outpoint.txid }
                } else {
                    *state
                });
            }
            let rival = self.ledger.spenders(&input.outpoint).iter().find(|rival| {
                *rival != txid
                    && self
                        .ledger
                        .entry(rival)
                        .is_some_and(|other| other.position.is_some() || (other.in_mempool && !entry.in_mempool))
            });
            rival.map(|by| State::Conflicted { by: *by })
        })
    }

    /// The height of the last block seen.
    pub fn height(&self) -> u32 {
        self.ledger.tip().map_or(0, |(height, _)| height)
    }

    /// What became of a transaction; `None` if it does not concern the wallet.
    pub fn state(&self, txid: &Txid) -> Option<State> {
        let entry = self.ledger.entry(txid)?;
        Some(match entry.position {
            Some(position) => State::Confirmed {
                confirmations: (self.height() + 1).saturating_sub(position.height),
                height: position.height,
            },
            None => self.dead.get(txid).copied().unwrap_or(State::Unconfirmed { in_mempool: entry.in_mempool }),
        })
    }

    fn is_live(&self, txid: &Txid) -> bool {
        matches!(self.state(txid), Some(State::Confirmed { .. } | State::Unconfirmed { .. }))
    }

    /// All unspent coins: spendable ones first, larger ones first.
    pub fn coins(&self) -> Vec<WalletCoin> {
        let mut coins: Vec<_> = self.ledger.own_outputs().filter_map(|(outpoint, _)| self.coin(outpoint)).collect();
        coins.sort_by_key(|coin| (coin.state, std::cmp::Reverse(coin.value), coin.outpoint));
        coins
    }

    /// One coin, if it is ours, unspent, and its transaction is alive.
    pub fn coin(&self, outpoint: &Outpoint) -> Option<WalletCoin> {
        let spent = self.ledger.spenders(outpoint).iter().any(|spender| self.is_live(spender));
        if spent { None } else { self.coin_even_if_spent(outpoint) }
    }

    /// One coin, if it is ours and its transaction is alive, whether or not something spends it already: what a
    /// deliberate double spend spends.
    pub fn coin_even_if_spent(&self, outpoint: &Outpoint) -> Option<WalletCoin> {
        let output = self.ledger.own_output(outpoint)?;
        let entry = self.ledger.entry(&outpoint.txid)?;
        let (state, confirmations) = match self.state(&outpoint.txid)? {
            State::Confirmed { confirmations, height } => {
                // Genesis' coins need not mature, see `ChainSpec::maturity_height`.
                let matures = entry.transaction.is_coinbase() && height > 0;
                match self.maturity.saturating_sub(confirmations) {
                    blocks if blocks > 0 && matures => (CoinState::Immature { blocks }, confirmations),
                    _ => (CoinState::Confirmed, confirmations),
                }
            }
            State::Unconfirmed { in_mempool } if self.is_from_us(entry) => {
                (if in_mempool { CoinState::OwnUnconfirmed } else { CoinState::Unsent }, 0)
            }
            // Out of the mempool it is no more than a promise that was once made.
            State::Unconfirmed { in_mempool: true } => (CoinState::Incoming, 0),
            _ => return None,
        };
        let OwnOutput { value, public_key_hash } = *output;
        let chain = if state == CoinState::OwnUnconfirmed { self.chain_joined(&outpoint.txid) } else { 0 };
        Some(WalletCoin { outpoint: *outpoint, value, public_key_hash, confirmations, state, chain })
    }

    /// Unconfirmed ancestors that a transaction spending these coins would have.
    pub fn chain_of(&self, coins: &[Outpoint]) -> u32 {
        let mut found = BTreeSet::new();
        coins.iter().for_each(|coin| self.collect_ancestors(&coin.txid, &mut found));
        found.len() as u32
    }

    /// Unconfirmed transactions that descend from this one, without it.
    pub fn descendants(&self, txid: &Txid) -> Vec<Txid> {
        let mut found = BTreeSet::new();
        self.collect_descendants(txid, &mut found);
        found.remove(txid);
        found.into_iter().collect()
    }

    fn chain_joined(&self, txid: &Txid) -> u32 {
        let mut ancestors = BTreeSet::new();
        self.collect_ancestors(txid, &mut ancestors);
        let families = ancestors.iter().map(|ancestor| {
            let mut descendants = BTreeSet::new();
            self.collect_descendants(ancestor, &mut descendants);
            descendants.len()
        });
        let longest = families.max().unwrap_or(0).max(ancestors.len());
        u32::try_from(longest).unwrap_or(CHAIN_COUNTED_MAX).min(CHAIN_COUNTED_MAX)
    }

    fn is_pending(&self, txid: &Txid) -> bool {
        matches!(self.state(txid), Some(State::Unconfirmed { .. }))
    }

    /// The transaction itself, if unconfirmed, and what it descends from, until [`CHAIN_COUNTED_MAX`] are found.
    fn collect_ancestors(&self, txid: &Txid, found: &mut BTreeSet<Txid>) {
        let mut waiting = vec![*txid];
        while let Some(txid) = waiting.pop() {
            if found.len() >= CHAIN_COUNTED_MAX as usize || !self.is_pending(&txid) || !found.insert(txid) {
                continue;
            }
            let inputs = self.ledger.entry(&txid).map_or(&[][..], |entry| &entry.transaction.inputs);
            waiting.extend(inputs.iter().map(|input| input.outpoint.txid));
        }
    }

    /// The transaction itself, if unconfirmed, and what descends from it, until [`CHAIN_COUNTED_MAX`] are found.
    fn collect_descendants(&self, txid: &Txid, found: &mut BTreeSet<Txid>) {
        let mut waiting = vec![*txid];
        while let Some(txid) = waiting.pop() {
            if found.len() >= CHAIN_COUNTED_MAX as usize || !self.is_pending(&txid) || !found.insert(txid) {
                continue;
            }
            let outputs = self.ledger.entry(&txid).map_or(0, |entry| entry.transaction.outputs.len() as u32);
            for index in 0..outputs {
                waiting.extend(self.ledger.spenders(&Outpoint { txid, index }));
            }
        }
    }

    fn is_from_us(&self, entry: &Entry) -> bool {
        entry.transaction.inputs.iter().all(|input| self.ledger.own_output(&input.outpoint).is_some())
    }

    /// The sums.
    pub fn balance(&self) -> Balance {
        Balance::of_coins(&self.coins())
    }

    /// Every transaction that paid us or spent ours, oldest first, the unconfirmed last.
    pub fn history(&self) -> Vec<HistoryLine> {
        let mut lines: Vec<_> = self.ledger.entries().filter_map(|(txid, entry)| self.line(txid, entry)).collect();
        lines.sort_by_key(|(order, _)| *order);
        lines.into_iter().map(|(_, line)| line).collect()
    }

    fn line(&self, txid: &Txid, entry: &Entry) -> Option<(impl Ord + Copy + use<>, HistoryLine)> {
        let transaction = &entry.transaction;
        let own_inputs: Vec<_> =
            transaction.inputs.iter().filter_map(|i| self.ledger.own_output(&i.outpoint)).collect();
        let own_output = |index| self.ledger.own_output(&Outpoint { txid: *txid, index });
        let (own, others): (Vec<_>, Vec<_>) =
            (0..).zip(&transaction.outputs).partition(|(index, _)| own_output(*index).is_some());
        if !self.ledger.involves_us(txid, entry) {
            return None;
        }
        let received = sum(own.iter().map(|(_, output)| output.value));
        let spent = sum(own_inputs.iter().map(|output| output.value));
        let paid_in_all = sum(transaction.outputs.iter().map(|output| output.value));
        let fee = if own_inputs.len() == transaction.inputs.len() { spent.checked_sub(paid_in_all) } else { None };
        let kind = match (transaction.is_coinbase(), own_inputs.is_empty(), others.is_empty()) {
            (true, _, _) => Kind::Mined,
            (_, true, _) => Kind::Received,
            (_, _, true) => Kind::Own,
            _ => Kind::Sent,
        };
        let shown = if kind == Kind::Sent { others } else { own };
        let paid = shown.iter().filter_map(|(_, output)| output.script.public_key_hash()).collect();
        let order = (entry.position.map_or((u32::MAX, u32::MAX), |p| (p.height, p.index)), entry.sequence);
        let state = self.state(txid)?;
        Some((order, HistoryLine { txid: *txid, kind, state, time_s: entry.time_s, received, spent, fee, paid }))
    }
}

/// Sums what the chain has bounded: every part is below the cap and the coins exist at once.
fn sum(amounts: impl IntoIterator<Item = Amount>) -> Amount {
    Amount::checked_sum(amounts).unwrap_or(Amount::MAX_MONEY)
}

#[cfg(test)]
mod tests;
