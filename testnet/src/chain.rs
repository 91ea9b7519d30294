//! From `--chain NAME|PATH` to a chain spec.

use crate::error::usage;
use anyhow::Result;
use chain_spec::ChainSpec;
use std::path::Path;

/// The chain that `up` starts unless told otherwise.
pub const DEFAULT: &str = "local";
/// Seconds between blocks assumed for hash rates where a spec does not say.
const SPACING_DEFAULT_S: u32 = 600;

/// A built-in chain's name, or the path of a spec file. `base` is what relative paths start from.
pub fn load(chain: &str, base: &Path) -> Result<ChainSpec> {
    if let Some(spec) = ChainSpec::builtin(chain) {
        return Ok(spec);
    }
    let path = base.join(chain);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            let names = ChainSpec::BUILTIN.join(", ");
            let path = path.display();
            return Err(usage(format!(
                "chain {chain:?} is neither built in ({names}) nor a readable file: {path}: {error}"
            )));
        }
    };
    ChainSpec::from_toml(&text).map_err(|error| usage(format!("chain spec {}: {error}", path.display())))
}

/// Hashes per second at which a chain's first blocks come at its spacing: the initial target's expected work over the spacing.
pub fn hashrate(spec: &ChainSpec) -> f64 {
    let spacing_s = if spec.spacing_s == 0 { SPACING_DEFAULT_S } else { spec.spacing_s };
    let work = spec.initial_target.to_target().unwrap_or(spec.target_limit).work().to_f64();
    (work / f64::from(spacing_s)).max(1.0)
}
