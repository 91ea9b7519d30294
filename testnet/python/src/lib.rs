//! The native half of the Python package `testoon`: runs one of the lab's commands in the caller's process and gives its JSON.
//!
//! Options are those of the command line and are judged by it, so that both say the same; the Python half
//! (`testoon/__init__.py`) turns keyword arguments into options and answers into data frames.

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use testnet::error::{is_usage, one_line};
use testnet::interrupt::Interrupt;

/// How often Python is asked whether the user pressed Ctrl-C.
const SIGNALS_INTERVAL: Duration = Duration::from_millis(100);

/// Runs a command of the lab, such as `["simulate", "--nodes=100"]`, and returns its answer as JSON text.
///
/// ValueError: the command or an option is wrong, and nothing was done. RuntimeError: it failed. KeyboardInterrupt: a study
/// has ended at its next batch and can be gone on with; anything else goes on in the background until it is done.
#[pyfunction]
fn answer(py: Python<'_>, arguments: Vec<String>) -> PyResult<String> {
    let interrupt = Interrupt::embedded();
    let is_study = arguments.first().is_some_and(|command| command == "study");
    let (sender, receiver) = channel();
    let run = std::thread::Builder::new().name("testoon".into()).spawn(move || {
        // Nobody receives after an interrupt.
        let _ = sender.send(testnet::cli::answer(arguments));
    });
    run.map_err(|error| PyRuntimeError::new_err(format!("cannot start a thread: {error}")))?;
    // Python's lock is released while this thread waits, which asks for something that threads can share.
    let receiver = Mutex::new(receiver);
    let wait = |time| receiver.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(time);
    let answered = loop {
        match py.detach(|| wait(SIGNALS_INTERVAL)) {
            Ok(answered) => break answered,
            Err(RecvTimeoutError::Timeout) => {
                if let Err(interrupted) = py.check_signals() {
                    if is_study {
                        interrupt.set();
                        // It has written what was played when it ends.
                        let _ = py.detach(|| wait(Duration::MAX));
                        interrupt.clear();
                    }
                    return Err(interrupted);
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err("the lab panicked; this is a bug, and standard error says where"));
            }
        }
    };
    answered.map(|answer| answer.to_string()).map_err(|error| {
        let text = one_line(&error);
        if is_usage(&error) { PyValueError::new_err(text) } else { PyRuntimeError::new_err(text) }
    })
}

/// The native half of the package `testoon`.
#[pymodule]
fn _lab(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(answer, module)?)
}
