//! Rules of a header: alone (proof of work), and after its ancestors and against now (Core: `ContextualCheckBlockHeader`).
use super::RuleError;
use crate::block::Header;
use crate::hash::BlockHash;
use crate::retarget::{Ancestors, median_time_past, required_target};
use crate::spec::{ChainSpec, Retarget};
use crate::target::{CompactTarget, Target};
use std::borrow::Cow;

/// How far a period's first block may be before its parent under BIP94, seconds (Core: `MAX_TIMEWARP`).
pub const TIMEWARP_MAX_S: u32 = 600;

/// The rule a header breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The compact target is negative, zero, overflowing or easier than the chain's limit.
    #[error("compact target {bits} is no target within this chain's limit {limit}")]
    TargetOutOfRange {
        /// In the header.
        bits: CompactTarget,
        /// The chain's easiest target.
        limit: Target,
    },
    /// Too little work.
    #[error("hash {hash} does not meet target {target}")]
    HighHash {
        /// The hash of the header that counts as work: on a chain with scrypt not the block's identity.
        hash: BlockHash,
        /// The header's own target.
        target: Target,
    },
    /// Another target than the retarget rule demands.
    #[error("compact target is {found}, the retarget rule demands {required}")]
    WrongTarget {
        /// In the header.
        found: CompactTarget,
        /// Demanded after its ancestors.
        required: CompactTarget,
    },
    /// Not after the median of the last eleven times.
    #[error("time {time} is not after {median_time_past}, the median of the last 11 blocks")]
    TimeTooOld {
        /// In the header, Unix seconds.
        time: u32,
        /// Of its parent, Unix seconds.
        median_time_past: u32,
    },
    /// The first block of a period is far before its parent (BIP94).
    #[error("time {time} is more than {TIMEWARP_MAX_S} s before {parent_time}, the parent's, at a retarget")]
    Timewarp {
        /// In the header, Unix seconds.
        time: u32,
        /// The parent's, Unix seconds.
        parent_time: u32,
    },
    /// Ahead of our clock: may become valid, so it is not remembered as invalid.
    #[error("time {time} is more than {max_s} s ahead of our clock, {now_s}")]
    TimeTooNew {
        /// In the header, Unix seconds.
        time: u32,
        /// Our clock, Unix seconds.
        now_s: u64,
        /// How far ahead the chain allows, seconds.
        max_s: u32,
    },
    /// A version below the floor of its height (BIP34, BIP66, BIP65).
    #[error("version {version} is below {floor}, the floor from height {height} on")]
    Version {
        /// In the header.
        version: i32,
        /// The least allowed here.
        floor: i32,
        /// Since which height.
        height: u32,
    },
}
impl HeaderError {
    /// Only our clock says no; ask again later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, HeaderError::TimeTooNew { .. })
    }
}
impl RuleError for HeaderError {
    fn reason(&self) -> &'static str {
        match self {
            HeaderError::TargetOutOfRange { .. } | HeaderError::HighHash { .. } => "high-hash",
            HeaderError::WrongTarget { .. } => "bad-diffbits",
            HeaderError::TimeTooOld { .. } => "time-too-old",
            HeaderError::Timewarp { .. } => "time-timewarp-attack",
            HeaderError::TimeTooNew { .. } => "time-too-new",
            HeaderError::Version { .. } => "bad-version",
        }
    }
    fn reject_string(&self) -> Cow<'static, str> {
        match self {
            HeaderError::Version { version, .. } => format!("bad-version(0x{version:08x})").into(),
            other => other.reason().into(),
        }
    }
}

/// The chain's [proof of work](crate::ProofOfWork) meets the header's own target, which is within the chain's limit. Needs
/// nothing but the header. The target is looked at first: with scrypt, the hash costs a thousand times as much.
///
/// # Errors
/// [`HeaderError::TargetOutOfRange`] or [`HeaderError::HighHash`].
pub fn check_proof_of_work(header: &Header, spec: &ChainSpec) -> Result<(), HeaderError> {
    let (bits, limit) = (header.bits, spec.target_limit);
    let target =
        bits.to_target().filter(|target| *target <= limit).ok_or(HeaderError::TargetOutOfRange { bits, limit })?;
    let hash = spec.proof_of_work.hash(header);
    if target.is_met_by(&hash) { Ok(()) } else { Err(HeaderError::HighHash { hash, target }) }
}

/// The target is the one demanded, the time is after the median of 11 and at most 2 h after `now_s`, BIP94, version floor.
///
/// # Errors
/// The first rule broken, in Core's order.
pub fn check_header(
    header: &Header,
    spec: &ChainSpec,
    ancestors: &dyn Ancestors,
    now_s: u64,
) -> Result<(), HeaderError> {
    has_required_target(header, spec, ancestors)?;
    is_after_median_time(header, ancestors)?;
    is_no_timewarp(header, spec, ancestors)?;
    is_before_future(header, spec, now_s)?;
    has_version_floor(header, spec, ancestors)
}

fn has_required_target(header: &Header, spec: &ChainSpec, ancestors: &dyn Ancestors) -> Result<(), HeaderError> {
    let (found, required) = (header.bits, required_target(spec, ancestors));
    if found == required { Ok(()) } else { Err(HeaderError::WrongTarget { found, required }) }
}

fn is_after_median_time(header: &Header, ancestors: &dyn Ancestors) -> Result<(), HeaderError> {
    let (time, median_time_past) = (header.time, median_time_past(ancestors));
    if time > median_time_past { Ok(()) } else { Err(HeaderError::TimeTooOld { time, median_time_past }) }
}

fn is_no_timewarp(header: &Header, spec: &ChainSpec, ancestors: &dyn Ancestors) -> Result<(), HeaderError> {
    let Retarget::Epoch { interval } = spec.retarget else { return Ok(()) };
    let height = u64::from(ancestors.height()) + 1;
    if !spec.bip94 || !height.is_multiple_of(u64::from(interval)) {
        return Ok(());
    }
    let (time, (parent_time, _)) = (header.time, ancestors.at(ancestors.height()));
    if time < parent_time.saturating_sub(TIMEWARP_MAX_S) {
        return Err(HeaderError::Timewarp { time, parent_time });
    }
    Ok(())
}

fn is_before_future(header: &Header, spec: &ChainSpec, now_s: u64) -> Result<(), HeaderError> {
    let (time, max_s) = (header.time, spec.future_max_s);
    if u64::from(time) > now_s.saturating_add(u64::from(max_s)) {
        return Err(HeaderError::TimeTooNew { time, now_s, max_s });
    }
    Ok(())
}

fn has_version_floor(header: &Header, spec: &ChainSpec, ancestors: &dyn Ancestors) -> Result<(), HeaderError> {
    let (version, at) = (header.version, u64::from(ancestors.height()) + 1);
    for (floor, height) in [(2, spec.bip34_height), (3, spec.bip66_height), (4, spec.bip65_height)] {
        if version < floor && at >= u64::from(height) {
            return Err(HeaderError::Version { version, floor, height });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
