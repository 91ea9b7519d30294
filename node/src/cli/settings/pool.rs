//! The pool's options.

use super::UsageError;
use crate::cli::options::Options;
use crate::miner::stratum::difficulty::Difficulty;
use crate::shell::stratum::PoolConfig;
use crate::shell::stratum::payout::{BASIS_POINTS, OUTPUTS_MAX, Scheme, Terms, User};
use chain_spec::{Address, ChainSpec, ProofOfWork};

/// Multiples of a block's work that PPLNS counts unless told otherwise.
const WINDOW_DEFAULT: f64 = 2.0;
/// Largest `--pool-window`.
const WINDOW_MAX: f64 = 1_000.0;
/// How long a ban lasts unless told otherwise, seconds.
const BAN_S_DEFAULT: u64 = 600;

/// The pool that was asked for, if there is one. `mine` is who is paid for the node's own mining.
pub fn config(options: &Options, spec: &ChainSpec, mine: Option<&Address>) -> Result<Option<PoolConfig>, UsageError> {
    let Some(listen) = options.stratum.clone() else {
        return match without_pool(options) {
            Some(flag) => Err(UsageError(format!("{flag} needs --stratum"))),
            None => Ok(None),
        };
    };
    let difficulty = options.stratum_difficulty.unwrap_or(match spec.proof_of_work {
        ProofOfWork::Sha256d => 0.01,
        ProofOfWork::Scrypt => 1.0,
    });
    let difficulty = Difficulty::new(difficulty)
        .ok_or_else(|| UsageError(format!("--stratum-difficulty {difficulty}: must be a number above 0")))?;
    let window = options.pool_window.unwrap_or(WINDOW_DEFAULT);
    if !(window > 0.0 && window <= WINDOW_MAX) {
        return Err(UsageError(format!("--pool-window {window}: must be above 0 and at most {WINDOW_MAX}")));
    }
    let terms = terms(options, spec, mine)?;
    Ok(Some(PoolConfig { listen, terms, window, difficulty, ban_s: options.stratum_ban.unwrap_or(BAN_S_DEFAULT) }))
}

fn terms(options: &Options, spec: &ChainSpec, mine: Option<&Address>) -> Result<Terms, UsageError> {
    let operator = match (&options.pool_address, mine) {
        (Some(text), _) => {
            Address::parse(text, spec).map_err(|error| UsageError(format!("--pool-address {text}: {error}")))?
        }
        (None, Some(mine)) => *mine,
        (None, None) => {
            let message = "--stratum needs --pool-address (or --mine): who has the fee and holds what is not paid yet";
            return Err(UsageError(message.into()));
        }
    };
    let scheme = match &options.pool_payout {
        None => Scheme::Pplns,
        Some(name) => Scheme::from_name(name).ok_or_else(|| {
            UsageError(format!("--pool-payout {name}: no such scheme; there are proportional, pplns and solo"))
        })?,
    };
    let percent = options.pool_fee.unwrap_or(0.0);
    let basis_points = percent * 100.0;
    let is_whole = (basis_points - basis_points.round()).abs() < 1e-6;
    if !is_whole || !(0.0..=f64::from(BASIS_POINTS)).contains(&basis_points) {
        let message = format!("--pool-fee {percent}: must be 0 to 100 percent with at most two decimal places");
        return Err(UsageError(message));
    }
    let outputs_max = options.pool_outputs.unwrap_or(OUTPUTS_MAX);
    if !(2..=OUTPUTS_MAX).contains(&outputs_max) {
        return Err(UsageError(format!("--pool-outputs {outputs_max}: must be between 2 and {OUTPUTS_MAX}")));
    }
    Ok(Terms { scheme, fee_basis_points: basis_points.round() as u16, outputs_max, operator: User::of(&operator) })
}

/// The first option that means nothing without a pool.
fn without_pool(options: &Options) -> Option<&'static str> {
    let given = [
        (options.stratum_difficulty.is_some(), "--stratum-difficulty"),
        (options.stratum_ban.is_some(), "--stratum-ban"),
        (options.pool_address.is_some(), "--pool-address"),
        (options.pool_payout.is_some(), "--pool-payout"),
        (options.pool_window.is_some(), "--pool-window"),
        (options.pool_fee.is_some(), "--pool-fee"),
        (options.pool_outputs.is_some(), "--pool-outputs"),
    ];
    given.into_iter().find_map(|(is_given, flag)| is_given.then_some(flag))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "mp6DTMXsQz6Wu6M8Zh2ZE2qScoEUUPVez6";

    fn pool(change: impl FnOnce(&mut Options)) -> Result<Option<PoolConfig>, UsageError> {
        let spec = ChainSpec::builtin("local").unwrap();
        let mut options =
            Options { stratum: Some("127.0.0.1:0".into()), pool_address: Some(ADDRESS.into()), ..Options::default() };
        change(&mut options);
        config(&options, &spec, None)
    }

    #[test]
    fn wrong_options_are_named() {
        for (change, words) in [
            (Box::new(|o: &mut Options| o.pool_address = None) as Box<dyn FnOnce(&mut Options)>, "--pool-address"),
            (Box::new(|o| o.pool_address = Some("x".into())), "--pool-address x"),
            (Box::new(|o| o.pool_payout = Some("pps".into())), "--pool-payout pps"),
            (Box::new(|o| o.pool_fee = Some(0.001)), "--pool-fee 0.001"),
            (Box::new(|o| o.pool_fee = Some(-1.0)), "--pool-fee -1"),
            (Box::new(|o| o.pool_fee = Some(100.5)), "--pool-fee 100.5"),
            (Box::new(|o| o.pool_fee = Some(f64::NAN)), "--pool-fee NaN"),
            (Box::new(|o| o.pool_window = Some(0.0)), "--pool-window 0"),
            (Box::new(|o| o.pool_window = Some(f64::NAN)), "--pool-window NaN"),
            (Box::new(|o| o.pool_outputs = Some(1)), "--pool-outputs 1"),
            (Box::new(|o| o.pool_outputs = Some(51)), "--pool-outputs 51"),
            (Box::new(|o| o.stratum_difficulty = Some(0.0)), "--stratum-difficulty 0"),
            (Box::new(|o| o.stratum = None), "--pool-address needs --stratum"),
        ] {
            let error = pool(change).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
    }

    #[test]
    fn terms_are_read() {
        let config = pool(|o| {
            o.pool_fee = Some(1.25);
            o.pool_payout = Some("proportional".into());
        });
        let terms = config.unwrap().unwrap().terms;
        assert_eq!((terms.fee_basis_points, terms.scheme, terms.outputs_max), (125, Scheme::Proportional, 50));
        assert!(config_without_pool().unwrap().is_none());
    }

    fn config_without_pool() -> Result<Option<PoolConfig>, UsageError> {
        config(&Options::default(), &ChainSpec::builtin("local").unwrap(), None)
    }
}
