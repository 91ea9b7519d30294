//! Ctrl-C, SIGTERM and SIGHUP as something that can be waited for.

use anyhow::{Context as _, Result};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Set once by the user's wish to end.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<(Mutex<bool>, Condvar)>);

/// The one of this process, once somebody has asked for it.
static INSTALLED: Mutex<Option<Interrupt>> = Mutex::new(None);

impl Interrupt {
    /// The interrupt of a program that uses this crate as a library and watches for signals itself: those who ask for the
    /// process's interrupt get this one, and no signal handler is set.
    pub fn embedded() -> Interrupt {
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        installed.get_or_insert_default().clone()
    }

    /// As if nothing had happened yet, for the next piece of work.
    pub fn clear(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }

    /// Takes over the process's interrupt signals. A process has one of them, which all who ask share.
    pub fn install() -> Result<Interrupt> {
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(interrupt) = &*installed {
            return Ok(interrupt.clone());
        }
        let interrupt = Interrupt::default();
        let handler = interrupt.clone();
        ctrlc::set_handler(move || handler.set()).context("cannot watch for Ctrl-C")?;
        *installed = Some(interrupt.clone());
        Ok(interrupt)
    }

    /// As if the user had pressed Ctrl-C.
    pub fn set(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Whether it has happened.
    pub fn is_set(&self) -> bool {
        self.wait(Duration::ZERO)
    }

    /// Waits until it happens.
    pub fn wait_forever(&self) {
        let set = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.0.1.wait_while(set, |set| !*set).unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits until it happens, at most `duration`; whether it has happened.
    pub fn wait(&self, duration: Duration) -> bool {
        let set = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.1.wait_timeout_while(set, duration, |set| !*set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_at_once_when_set_from_another_thread() {
        let interrupt = Interrupt::default();
        assert!(!interrupt.is_set());
        let other = interrupt.clone();
        let setter = std::thread::spawn(move || other.set());
        assert!(interrupt.wait(Duration::from_secs(60)));
        setter.join().unwrap();
        assert!(interrupt.is_set());
    }
}
