//! Loops over rounds, written out.

/// Repeats a block with a constant index. A loop would be for the compiler to unroll, and it would rather not: the
/// state would then be indexed in memory instead of named in registers.
macro_rules! unrolled {
    ($i:ident in [$($n:literal)*] $block:block) => { $({ let $i = $n; $block })* };
}
