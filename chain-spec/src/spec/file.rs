//! Chain specs as TOML files.
//!
//! Unknown fields are refused, so that a misspelt one cannot silently leave its default in force. Numbers are in the units
//! their names end in; targets are compact (`"1d00ffff"`) or whole (64 hexadecimal digits); amounts are decimal coins.
mod genesis;

use super::{ChainSpec, DemoAccount, FUTURE_MAX_S, Retarget, SpecError};
use crate::amount::Amount;
use crate::hash::BlockHash;
use crate::proof_of_work::ProofOfWork;
use crate::target::{CompactTarget, Target};
use genesis::GenesisFile;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Longest chain name; it becomes part of directory and protocol names.
const NAME_LEN_MAX: usize = 40;
/// One second to one week.
const SPACING_RANGE_S: RangeInclusive<u32> = 1..=604_800;
/// Fewer than 4 blocks of a second each could round a target down to nothing.
const EPOCH_INTERVAL_RANGE: RangeInclusive<u32> = 4..=1_000_000;
/// One second to ten years.
const HALF_LIFE_RANGE_S: RangeInclusive<u32> = 1..=315_360_000;
/// One second to Bitcoin's two hours.
const FUTURE_RANGE_S: RangeInclusive<u32> = 1..=FUTURE_MAX_S;
const HALVING_INTERVAL_RANGE: RangeInclusive<u32> = 1..=u32::MAX;
const MATURITY_RANGE: RangeInclusive<u32> = 1..=1_000_000;
/// Whole coins, from one to Litecoin's cap.
const MONEY_MAX_RANGE_COINS: RangeInclusive<u64> = 1..=84_000_000;
/// A block must hold a coinbase; a message must hold a block.
const BLOCK_SIZE_RANGE: RangeInclusive<u64> = 1_000..=4_000_000;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SpecFile {
    name: String,
    spacing_s: u32,
    #[serde(default = "sha256d", skip_serializing_if = "is_sha256d")]
    pow: String,
    target_limit: String,
    initial_target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    money_max: Option<String>,
    initial_subsidy: String,
    halving_interval: u32,
    coinbase_maturity: u32,
    block_size_max: u64,
    address_version: u8,
    wif_version: u8,
    default_rpc_port: u16,
    default_p2p_port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    future_max_s: Option<u32>,
    #[serde(default)]
    bip94: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    whole_epochs: bool,
    #[serde(default = "one")]
    bip34_height: u32,
    #[serde(default = "one")]
    bip65_height: u32,
    #[serde(default = "one")]
    bip66_height: u32,
    #[serde(default = "one")]
    csv_height: u32,
    #[serde(default)]
    genesis_spendable: bool,
    retarget: RetargetFile,
    genesis: GenesisFile,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    bip30_exceptions: Vec<ExceptionFile>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    demo_accounts: Vec<DemoAccountFile>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RetargetFile {
    rule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    half_life_s: Option<u32>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ExceptionFile {
    height: u32,
    hash: BlockHash,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct DemoAccountFile {
    name: String,
    words: String,
    address: String,
}

fn one() -> u32 {
    1
}

fn sha256d() -> String {
    ProofOfWork::Sha256d.as_str().to_owned()
}

fn is_sha256d(text: &str) -> bool {
    text == ProofOfWork::Sha256d.as_str()
}

/// A field with what is wrong with it.
fn wrong(field: &str, what: impl std::fmt::Display) -> SpecError {
    SpecError(format!("chain spec: `{field}` {what}"))
}

pub(super) fn read(text: &str) -> Result<ChainSpec, SpecError> {
    let file: SpecFile =
        toml::from_str(text).map_err(|error| SpecError(format!("chain spec: {}", one_line(&error, text))))?;
    let spec = file.into_spec()?;
    match spec.supply() {
        Some(supply) if supply <= spec.money_max => Ok(spec),
        _ => {
            let coins = spec.money_max.units() / Amount::COIN.units();
            let what = format_args!("with `halving_interval` and genesis makes more than {coins} coins");
            Err(wrong("initial_subsidy", what))
        }
    }
}

/// The TOML reader's message with its line, without its drawing of the place.
fn one_line(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    match error.span() {
        Some(span) => {
            let line = 1 + text.as_bytes()[..span.start.min(text.len())].iter().filter(|byte| **byte == b'\n').count();
            format!("line {line}: {message}")
        }
        None => message,
    }
}

impl SpecFile {
    fn into_spec(self) -> Result<ChainSpec, SpecError> {
        check_name(&self.name)?;
        let spacing_s = in_range("spacing_s", self.spacing_s, &SPACING_RANGE_S)?;
        let retarget = self.retarget.read()?;
        // Each half-life ahead would halve the work of the next block.
        let future_max_s = self.future_max_s.unwrap_or(match retarget {
            Retarget::Asert { half_life_s } | Retarget::Ema { half_life_s } => half_life_s.min(FUTURE_MAX_S),
            Retarget::Fixed | Retarget::Epoch { .. } => FUTURE_MAX_S,
        });
        let target_limit = read_target("target_limit", &self.target_limit)?;
        let initial_target = read_compact("initial_target", &self.initial_target)?;
        if initial_target.to_target().is_none_or(|target| target > target_limit) {
            return Err(wrong("initial_target", format_args!("{initial_target} is easier than `target_limit`")));
        }
        if self.bip94 && !matches!(retarget, Retarget::Epoch { .. }) {
            return Err(wrong("bip94", "is a rule about epochs: it needs `retarget.rule = \"epoch\"`"));
        }
        if self.whole_epochs && !matches!(retarget, Retarget::Epoch { .. }) {
            return Err(wrong("whole_epochs", "is a rule about epochs: it needs `retarget.rule = \"epoch\"`"));
        }
        let genesis = self.genesis.read(self.address_version, initial_target)?;
        Ok(ChainSpec {
            genesis,
            genesis_spendable: self.genesis_spendable,
            spacing_s,
            proof_of_work: read_proof_of_work(&self.pow)?,
            retarget,
            whole_epochs: self.whole_epochs,
            money_max: read_money_max(self.money_max.as_deref())?,
            target_limit,
            initial_target,
            initial_subsidy: read_amount("initial_subsidy", &self.initial_subsidy)?,
            halving_interval: in_range("halving_interval", self.halving_interval, &HALVING_INTERVAL_RANGE)?,
            coinbase_maturity: in_range("coinbase_maturity", self.coinbase_maturity, &MATURITY_RANGE)?,
            block_size_max: in_range("block_size_max", self.block_size_max, &BLOCK_SIZE_RANGE)? as usize,
            address_version: self.address_version,
            wif_version: self.wif_version,
            default_rpc_port: self.default_rpc_port,
            default_p2p_port: self.default_p2p_port,
            future_max_s: in_range("future_max_s", future_max_s, &FUTURE_RANGE_S)?,
            bip94: self.bip94,
            bip34_height: self.bip34_height,
            bip65_height: self.bip65_height,
            bip66_height: self.bip66_height,
            csv_height: self.csv_height,
            bip30_exceptions: self.bip30_exceptions.into_iter().map(|entry| (entry.height, entry.hash)).collect(),
            demo_accounts: read_demo_accounts(self.demo_accounts, self.address_version)?,
            name: self.name,
        })
    }
}

impl RetargetFile {
    fn read(&self) -> Result<Retarget, SpecError> {
        match (self.rule.as_str(), self.interval, self.half_life_s) {
            ("fixed", None, None) => Ok(Retarget::Fixed),
            ("epoch", Some(interval), None) => {
                Ok(Retarget::Epoch { interval: in_range("retarget.interval", interval, &EPOCH_INTERVAL_RANGE)? })
            }
            ("asert", None, Some(half_life_s)) => {
                Ok(Retarget::Asert { half_life_s: in_range("retarget.half_life_s", half_life_s, &HALF_LIFE_RANGE_S)? })
            }
            ("ema", None, Some(half_life_s)) => {
                Ok(Retarget::Ema { half_life_s: in_range("retarget.half_life_s", half_life_s, &HALF_LIFE_RANGE_S)? })
            }
            ("fixed", ..) => Err(wrong("retarget", "`fixed` takes neither `interval` nor `half_life_s`")),
            ("epoch", ..) => Err(wrong("retarget", "`epoch` takes `interval` (blocks) and nothing else")),
            ("asert", ..) => Err(wrong("retarget", "`asert` takes `half_life_s` (seconds) and nothing else")),
            ("ema", ..) => Err(wrong("retarget", "`ema` takes `half_life_s` (seconds) and nothing else")),
            (other, ..) => {
                Err(wrong("retarget.rule", format_args!("is {other:?}; it may be fixed, epoch, asert or ema")))
            }
        }
    }
    fn write(retarget: &Retarget) -> RetargetFile {
        let (rule, interval, half_life_s) = match *retarget {
            Retarget::Fixed => ("fixed", None, None),
            Retarget::Epoch { interval } => ("epoch", Some(interval), None),
            Retarget::Asert { half_life_s } => ("asert", None, Some(half_life_s)),
            Retarget::Ema { half_life_s } => ("ema", None, Some(half_life_s)),
        };
        RetargetFile { rule: rule.to_owned(), interval, half_life_s }
    }
}

fn check_name(name: &str) -> Result<(), SpecError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > NAME_LEN_MAX || !name.bytes().all(allowed) {
        let what = format_args!("is {name:?}; it must be 1 to {NAME_LEN_MAX} of a-z, 0-9 and -").to_string();
        return Err(wrong("name", what));
    }
    Ok(())
}

fn in_range<T: PartialOrd + Copy + std::fmt::Display>(
    field: &str,
    value: T,
    range: &RangeInclusive<T>,
) -> Result<T, SpecError> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(wrong(field, format_args!("is {value}; it must be {} to {}", range.start(), range.end())))
}

fn read_amount(field: &str, text: &str) -> Result<Amount, SpecError> {
    text.parse().map_err(|error| wrong(field, format_args!("is no amount of coins: {error}")))
}

fn read_proof_of_work(text: &str) -> Result<ProofOfWork, SpecError> {
    let names = ProofOfWork::ALL.map(ProofOfWork::as_str).join(" or ");
    ProofOfWork::from_name(text).ok_or_else(|| wrong("pow", format_args!("is {text:?}; it may be {names}")))
}

/// The cap on values; Bitcoin's unless given.
fn read_money_max(text: Option<&str>) -> Result<Amount, SpecError> {
    let Some(text) = text else { return Ok(Amount::MAX_MONEY) };
    let coins = text.parse().ok().filter(|coins| MONEY_MAX_RANGE_COINS.contains(coins));
    let what = || {
        let (least, most) = (MONEY_MAX_RANGE_COINS.start(), MONEY_MAX_RANGE_COINS.end());
        format!("is {text:?}; write a whole number of coins, {least} to {most}")
    };
    coins.and_then(|coins| Amount::COIN.checked_mul(coins)).ok_or_else(|| wrong("money_max", what()))
}

/// Eight hexadecimal digits that are a target.
fn read_compact(field: &str, text: &str) -> Result<CompactTarget, SpecError> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let is_hexadecimal = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bits = is_hexadecimal.then(|| u32::from_str_radix(digits, 16).ok()).flatten();
    let compact = bits.map(CompactTarget::from_bits).filter(|compact| compact.to_target().is_some());
    compact.ok_or_else(|| wrong(field, format_args!("is {text:?}; write a compact target, for example \"1d00ffff\"")))
}

/// A compact target, or 64 hexadecimal digits that are not all zero.
fn read_target(field: &str, text: &str) -> Result<Target, SpecError> {
    if text.len() != 64 {
        return read_compact(field, text)
            .map(|compact| compact.to_target().expect("read_compact lets only targets through"));
    }
    let mut bytes = [0; 32];
    match hex::decode_to_slice(text, &mut bytes) {
        Ok(()) if bytes != [0; 32] => Ok(Target::from_be_bytes(bytes)),
        _ => Err(wrong(field, format_args!("is {text:?}; write 64 hexadecimal digits, not all zero"))),
    }
}

fn read_demo_accounts(files: Vec<DemoAccountFile>, address_version: u8) -> Result<Vec<DemoAccount>, SpecError> {
    let mut accounts: Vec<DemoAccount> = Vec::with_capacity(files.len());
    for DemoAccountFile { name, words, address } in files {
        genesis::read_address("demo_accounts.address", &address, address_version)?;
        if accounts.iter().any(|account| account.name == name) {
            return Err(wrong("demo_accounts.name", format_args!("{name:?} comes twice")));
        }
        accounts.push(DemoAccount { name, words, address });
    }
    Ok(accounts)
}

pub(super) fn write(spec: &ChainSpec) -> String {
    let compact_limit = spec.target_limit.to_compact();
    let limit_is_compact = compact_limit.to_target() == Some(spec.target_limit);
    let file = SpecFile {
        name: spec.name.clone(),
        spacing_s: spec.spacing_s,
        pow: spec.proof_of_work.as_str().to_owned(),
        money_max: (spec.money_max != Amount::MAX_MONEY)
            .then(|| (spec.money_max.units() / Amount::COIN.units()).to_string()),
        target_limit: if limit_is_compact { compact_limit.to_string() } else { spec.target_limit.to_string() },
        initial_target: spec.initial_target.to_string(),
        initial_subsidy: spec.initial_subsidy.to_string(),
        halving_interval: spec.halving_interval,
        coinbase_maturity: spec.coinbase_maturity,
        block_size_max: spec.block_size_max as u64,
        address_version: spec.address_version,
        wif_version: spec.wif_version,
        default_rpc_port: spec.default_rpc_port,
        default_p2p_port: spec.default_p2p_port,
        future_max_s: Some(spec.future_max_s),
        bip94: spec.bip94,
        whole_epochs: spec.whole_epochs,
        bip34_height: spec.bip34_height,
        bip65_height: spec.bip65_height,
        bip66_height: spec.bip66_height,
        csv_height: spec.csv_height,
        genesis_spendable: spec.genesis_spendable,
        retarget: RetargetFile::write(&spec.retarget),
        genesis: GenesisFile::whole(&spec.genesis),
        bip30_exceptions: spec
            .bip30_exceptions
            .iter()
            .map(|(height, hash)| ExceptionFile { height: *height, hash: *hash })
            .collect(),
        demo_accounts: spec
            .demo_accounts
            .iter()
            .map(|account| DemoAccountFile {
                name: account.name.clone(),
                words: account.words.clone(),
                address: account.address.clone(),
            })
            .collect(),
    };
    toml::to_string(&file).expect("strings, numbers and tables in an order TOML can write")
}
