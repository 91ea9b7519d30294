//! The Python package of the lab: the module that Cargo has built is loaded by Python, and answers as the program does.
//!
//! Pandas is installed from its registry into a temporary environment. Where there is no Python or no registry, the test says
//! that it was skipped, and why; with `TESTOON_REQUIRE_CLIENTS=1`, as in `.ci/run`, it fails instead.

use kit::process::run;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is asked of the package; it prints one JSON object.
const SCRIPT: &str = r#"
import json, sys, testoon
found = {}
odds = testoon.odds(share=[0.1, 0.3], confirmations=[1, 6])
found["odds"] = odds[["share", "confirmations", "rosenfeld"]].values.tolist()
simulated = testoon.simulate(nodes=20, blocks=30, seed=5, delay_ms=[100, 5000])
found["simulated"] = simulated[["delay_ms", "trace_hash", "fork_rate"]].values.tolist()
found["columns"] = [name for name in simulated.columns if name.startswith("propagation")]
attack = testoon.attack("double-spend", share=[0.2, 0.4], confirmations=2, give_up=5, runs=400)
found["attack"] = attack.to_dict("records")
study = testoon.study({"name": "two points",
                       "sweep": {"attack": "double-spend", "share": [0.2, 0.4], "confirmations": 1, "give_up": 5},
                       "precision": {"width": 0.001, "runs_min": 400, "runs_max": 400}})
found["study"] = [len(study), study.attrs["complete"], study.attrs["study"]]
for wrong in [lambda: testoon.odds(share=2), lambda: testoon.odds(shares=0.2), lambda: testoon.attack("rob"),
              lambda: testoon.study("nowhere.toml")]:
    try:
        wrong()
        found.setdefault("errors", []).append("nothing")
    except (ValueError, RuntimeError) as error:
        found.setdefault("errors", []).append(str(error))
print(json.dumps(found))
"#;

#[test]
fn the_package_s_frames_are_what_the_program_answers() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let python = match package(directory.path()) {
        Ok(python) => python,
        Err(why) if std::env::var_os("TESTOON_REQUIRE_CLIENTS").is_none() => return println!("skipped: {why}"),
        Err(why) => panic!("{why}"),
    };
    let output = Command::new(python)
        .args(["-c", SCRIPT])
        .env("PYTHONPATH", directory.path().join("package"))
        .output()
        .expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");

    // Rosenfeld 2014, table 1: 20 % and 0.059 % of the double spends at a tenth of the hash rate.
    let rosenfeld = |row: usize| found["odds"][row][2].as_f64().expect("a number");
    assert!((rosenfeld(0) - 0.2).abs() < 1e-12 && (rosenfeld(1) - 0.000_59).abs() < 5e-6, "{}", found["odds"]);
    for (row, delay) in ["100", "5000"].into_iter().enumerate() {
        let options = ["simulate", "--nodes", "20", "--blocks", "30", "--seed", "5", "--delay-ms", delay, "--json"];
        let answer = run(&options).json();
        assert_eq!(found["simulated"][row][1], answer["trace_hash"], "{answer}");
    }
    let columns = found["columns"].as_array().expect("a list");
    assert!(columns.contains(&"propagation_ms_mean_interval95_low".into()), "{columns:?}");
    for (row, share) in ["0.2", "0.4"].into_iter().enumerate() {
        let options = ["attack", "double-spend", "--sim", "--share", share, "--confirmations", "2", "--give-up", "5"];
        let answer = run(&[&options[..], &["--runs", "400", "--json"]].concat()).json();
        let played = &found["attack"][row];
        assert_eq!((&played["rate"], &played["matching"]), (&answer["rate"], &answer["matching"]), "{answer}");
    }
    assert_eq!(found["study"], serde_json::json!([2, true, "two points"]));
    let errors: Vec<&str> = found["errors"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    for (error, expected) in errors.iter().zip(["between 0 and 1", "--shares", "rob", "nowhere.toml"]) {
        assert!(error.contains(expected), "{error}");
    }
}

/// Puts the package together in `directory` and returns a Python that has what it needs.
fn package(directory: &Path) -> Result<PathBuf, String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testnet/python/testoon");
    let target = directory.join("package/testoon");
    std::fs::create_dir_all(&target).expect("a directory can be made");
    std::fs::copy(sources.join("__init__.py"), target.join("__init__.py")).expect("the package's sources are there");
    let this = std::env::current_exe().expect("the system knows this executable");
    let built = this.ancestors().nth(2).expect("it is in deps/").join("examples/libtestoon_python.so");
    if !built.exists() {
        return Err(format!("{} is not built; `cargo test --workspace` builds it", built.display()));
    }
    std::fs::copy(built, target.join("_lab.abi3.so")).expect("the module can be copied");
    let environment = directory.join("environment");
    let step = |program: &Path, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        match output.map_err(|error| format!("{} cannot be started: {error}", program.display()))? {
            output if output.status.success() => Ok(()),
            output => {
                Err(format!("{} {arguments:?}: {}", program.display(), String::from_utf8_lossy(&output.stderr).trim()))
            }
        }
    };
    step(Path::new("python3"), &["-m", "venv", &environment.display().to_string()])?;
    let python = environment.join("bin/python");
    step(&python, &["-m", "pip", "install", "--quiet", "--only-binary", ":all:", "pandas"])?;
    Ok(python)
}
