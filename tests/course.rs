//! The course in docs/lab: every command of every exercise is run, and what it prints is held against the exercise's tables.

use kit::run;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What a command's last line must have.
struct Expected {
    field: String,
    value: String,
    within: String,
}

/// The exercises' files in order.
fn exercises() -> Vec<PathBuf> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/lab");
    let entries = std::fs::read_dir(place).expect("the course is there").flatten();
    let is_exercise = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(|c: char| c.is_ascii_digit())
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_exercise).collect();
    files.sort();
    files
}

/// The commands in a file's `sh` blocks.
fn commands(text: &str) -> Vec<Vec<String>> {
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let lines = blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix("testoon "));
    lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

/// The tables below *Check*, one a command.
fn tables(text: &str) -> Vec<Vec<Expected>> {
    let checks = text.split("## Check\n").nth(1).expect("an exercise has a Check");
    let tables = checks.split("| field | value | within |\n|---|---|---|\n").skip(1);
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [field, value, within] = cells[..] else { panic!("{line} has other cells than the head") };
        Expected { field: field.into(), value: value.into(), within: within.into() }
    };
    tables.map(|table| table.lines().take_while(|line| line.starts_with('|')).map(row).collect()).collect()
}

fn check(what: &str, printed: &Value, expected: &Expected) {
    let found = printed.pointer(&format!("/{}", expected.field));
    let found = found.unwrap_or_else(|| panic!("{what}: no {} in {printed}", expected.field));
    if expected.within.is_empty() {
        assert_eq!(found.to_string(), expected.value, "{what}: {} in {printed}", expected.field);
        return;
    }
    let number = |text: &str| text.parse::<f64>().unwrap_or_else(|_| panic!("{what}: {text} is no number"));
    let found = found.as_f64().unwrap_or_else(|| panic!("{what}: {} is no number in {printed}", expected.field));
    let difference = (found - number(&expected.value)).abs();
    assert!(difference <= number(&expected.within), "{what}: {} is {found}, not {}", expected.field, expected.value);
}

#[test]
fn the_exercises_print_what_their_solutions_say() {
    let files = exercises();
    assert_eq!(files.len(), 8, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("an exercise");
        let (commands, tables) = (commands(&text), tables(&text));
        assert!(!commands.is_empty() && commands.len() == tables.len(), "{}: a table for each command", file.display());
        for (command, table) in commands.iter().zip(tables) {
            let place = tempfile::tempdir().expect("a temporary directory");
            let directory = place.path().join("net").display().to_string();
            let mut words: Vec<&str> = command.iter().map(String::as_str).collect();
            words.extend(["--dir", &directory]);
            let printed = run(&words).json();
            assert!(!table.is_empty(), "{}: an empty table", file.display());
            table.iter().for_each(|expected| check(&command.join(" "), &printed, expected));
        }
    }
}
