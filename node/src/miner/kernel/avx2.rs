use super::Variant;
pub(super) fn variants() -> &'static [Variant] {
    &[]
}
