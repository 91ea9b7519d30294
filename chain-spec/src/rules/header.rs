//! Rules of a header: alone (proof of work), and after its ancestors and against now (Core: `ContextualCheckBlockHeader`).
use super::Reject;
use crate::{ChainSpec, Header, retarget::Ancestors};
/// How far ahead of our clock a header may be, seconds (Core: `MAX_FUTURE_BLOCK_TIME`).
pub const FUTURE_MAX_S: u32 = 2 * 60 * 60;
/// The rule a header breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// x
    #[error("proof of work does not meet the target")]
    HighHash,
    /// Ahead of our clock: may become valid, so it is not remembered as invalid.
    #[error("x")]
    TimeTooNew,
}
impl HeaderError {
    /// Only our clock says no; ask again later.
    pub fn is_temporary(&self) -> bool {
        todo!()
    }
}
impl Reject for HeaderError {
    fn reason(&self) -> &'static str {
        todo!()
    }
}
/// The hash meets the header's own target, which is within the chain's limit. Needs nothing but the header.
pub fn check_proof_of_work(_header: &Header, _spec: &ChainSpec) -> Result<(), HeaderError> {
    todo!()
}
/// The target is the one demanded, the time is after the median of 11 and at most 2 h after `now_s`, BIP94, version floor.
pub fn check_header(
    _header: &Header,
    _spec: &ChainSpec,
    _ancestors: &dyn Ancestors,
    _now_s: u64,
) -> Result<(), HeaderError> {
    todo!()
}
