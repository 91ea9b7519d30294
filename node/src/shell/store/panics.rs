//! Catching panics of a dependency that meets damaged files, without its words on the user's terminal.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `operation`; a panic becomes its message.
///
/// The caller must not use what the operation was working on afterwards, unless it is only read: the store takes no further
/// writes once one has failed.
pub(super) fn catch_panic<T>(operation: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                others(panic);
            }
        }));
    });
    let before = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(operation));
    QUIET.set(before);
    result.map_err(|panic| {
        let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        message.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".to_owned())
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_panic_becomes_its_message_and_the_next_call_works() {
        let failed: Result<(), _> = super::catch_panic(|| panic!("page {} is gone", 7));
        assert_eq!(failed, Err("page 7 is gone".to_owned()));
        assert_eq!(super::catch_panic(|| 3), Ok(3));
    }
}
