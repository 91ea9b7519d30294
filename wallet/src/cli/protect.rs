//! Keeps what is in this process' memory from others, where the system allows.

/// Lets the system write no core dump of this process and lets no other process of the same user read its memory; locks
/// its memory into RAM where there is no limit on that, so that nothing of it is swapped out.
///
/// Failure is not an error: the wallet works all the same, and secrets are erased from memory after use in any case.
pub(super) fn hide_memory() {
    #[cfg(target_os = "linux")]
    {
        use rustix::mm::{MlockAllFlags, mlockall};
        use rustix::process::{DumpableBehavior, Resource, getrlimit, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        // Under a limit, memory locked for good would make later allocations fail.
        if getrlimit(Resource::Memlock).current.is_none() {
            let _ = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT);
        }
    }
}
