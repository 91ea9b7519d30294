//! Stops an attack at each step of its story: until Enter is pressed, or for some seconds. Time stands still meanwhile: the lab
//! pauses all miners.

use crate::interrupt::Interrupt;
use crate::lab::live::story::{Listener, Moment, What};
use anyhow::{Result, bail};
use std::io::BufRead as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Between two looks for Ctrl-C while it waits for a key.
const BEAT: Duration = Duration::from_millis(50);

/// How an attack goes from step to step.
#[derive(Debug)]
pub enum Stepper {
    /// At each line on standard input.
    Lines {
        /// Something came.
        lines: Mutex<Receiver<()>>,
        /// Ends the wait.
        interrupt: Interrupt,
        /// Says at each step what it waits for.
        prompts: bool,
    },
    /// After a pause.
    Pace {
        /// How long.
        pause: Duration,
        /// Ends the wait.
        interrupt: Interrupt,
    },
}

impl Stepper {
    /// Goes on whenever a line is read from standard input, or something else sends on the channel; `prompts` says so at each
    /// step.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn by_key(interrupt: Interrupt, steps: (Sender<()>, Receiver<()>), prompts: bool) -> Result<Stepper> {
        let (sender, lines) = steps;
        // It ends with standard input, or with the process.
        std::thread::Builder::new().name("keys".into()).spawn(move || {
            for line in std::io::stdin().lock().lines() {
                if line.is_err() || sender.send(()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Stepper::Lines { lines: Mutex::new(lines), interrupt, prompts })
    }
}

impl Listener for Stepper {
    fn hear(&self, moment: &Moment<'_>) -> Result<()> {
        if !matches!(moment.what, What::Step(..)) {
            return Ok(());
        }
        let is_interrupted = match self {
            Stepper::Pace { pause, interrupt } => interrupt.wait(*pause),
            Stepper::Lines { lines, interrupt, prompts } => {
                if *prompts {
                    eprintln!("          (time stands still; press Enter to go on)");
                }
                let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                loop {
                    match lines.recv_timeout(BEAT) {
                        // Without anybody who could press a key there is nothing to wait for.
                        Ok(()) | Err(RecvTimeoutError::Disconnected) => break interrupt.is_set(),
                        Err(RecvTimeoutError::Timeout) if interrupt.is_set() => break true,
                        Err(RecvTimeoutError::Timeout) => {}
                    }
                }
            }
        };
        if is_interrupted {
            bail!("interrupted; everything that was started has been ended");
        }
        Ok(())
    }

    fn stops_time(&self) -> bool {
        true
    }
}
