//! Studies by the command line: what is written, what is refused, and what shards give together.

use kit::run;
use serde_json::Value;
use std::path::Path;

const STUDY: &str = r#"
name = "odds of a shop"
seed = 5
[sweep]
attack = "double-spend"
share = [0.1, 0.3]
confirmations = [1, 3]
importance_sampling = true
[precision]
relative_width = 0.3
runs_min = 500
runs_max = 20000
[plot]
logarithmic = true
"#;

fn file(place: &Path, text: &str) -> String {
    let path = place.join("shop.toml");
    std::fs::write(&path, text).expect("a study file");
    path.display().to_string()
}

fn rows(report: &Value) -> Vec<(Value, Value)> {
    let rows = report["rows"].as_array().expect("rows");
    rows.iter().map(|row| (row["value"].clone(), row["runs"].clone())).collect()
}

#[test]
fn a_study_writes_its_results_and_shards_give_the_same() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let study = file(place.path(), STUDY);
    let whole = run(&["study", &study, "--json"]).json();
    assert_eq!((whole["complete"].as_bool(), whole["played"].as_u64()), (Some(true), Some(4)), "{whole}");
    for row in whole["rows"].as_array().expect("rows") {
        let number = |field: &str| row[field].as_f64().expect(field);
        assert!(number("z").abs() < 4.0, "{row}");
        assert!((number("high95") - number("low95")) / number("value") <= 0.3, "{row}");
    }
    let out = place.path().join("shop.results");
    for name in ["results.csv", "results.parquet", "plot.svg", "report.md", "progress.jsonl"] {
        assert!(std::fs::metadata(out.join(name)).is_ok_and(|file| file.len() > 100), "{name}");
    }
    let parquet = std::fs::read(out.join("results.parquet")).expect("it is there");
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));

    let out = |name: &str| place.path().join(name).display().to_string();
    for (shard, name) in [("1/2", "one"), ("2/2", "two")] {
        let played = run(&["study", &study, "--shard", shard, "--out", &out(name), "--json"]).json();
        assert_eq!((played["played"].as_u64(), played["complete"].as_bool()), (Some(2), Some(false)), "{played}");
    }
    let merged = run(&["study", "merge", &study, &out("one"), &out("two"), "--out", &out("both"), "--json"]).json();
    assert_eq!(merged["complete"], true, "{merged}");
    assert_eq!(rows(&merged), rows(&whole));
    // Another file's results are not gone on with.
    let other = file(place.path(), &STUDY.replace("seed = 5", "seed = 6"));
    run(&["study", &other]).refuses(2, &["another study file", "--out"]);
}

#[test]
fn studies_that_cannot_be_are_refused_in_one_line() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let refused = |from: &str, to: &str, words: &[&str]| {
        let study = file(place.path(), &STUDY.replace(from, to));
        run(&["study", &study]).refuses(2, words);
    };
    refused("share = [0.1, 0.3]", "share = [0.1, 1.3]", &["share", "1.3"]);
    refused("confirmations =", "confirmation =", &["confirmation"]);
    refused("attack = \"double-spend\"", "attack = \"eclipse\"", &["eclipse", "live"]);
    refused("importance_sampling = true", "gamma = 0.5", &["gamma", "double-spend"]);
    run(&["study"]).refuses(2, &["FILE"]);
    run(&["study", "nowhere.toml"]).refuses(1, &["nowhere.toml"]);
    run(&["study", "x.toml", "--shard", "3/2"]).refuses(2, &["3/2", "i/n"]);
    run(&["study", "x.toml", "--within", "soon"]).refuses(2, &["soon", "10m"]);
    let dear = STUDY.replace("relative_width = 0.3", "relative_width = 0.00001").replace("20000", "100000000");
    let study = file(place.path(), &dear);
    run(&["study", &study, "--within", "1s"]).refuses(2, &["would take about", "1 s"]);
}
