use super::experiment::Stage;
use super::file::Study;
use super::parameter::{self, Kind};
use super::progress::{Header, Played, Progress, Shard, merge};
use super::run::{self, Settings};
use super::table::{self, Row};
use super::{plot, report};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const SMALL: &str = r#"
name = "a small study"
seed = 3
[sweep]
attack = "double-spend"
share = [0.2, 0.3]
confirmations = { from = 1, to = 3, step = 1 }
[precision]
width = 0.06
runs_min = 500
runs_max = 3000
"#;

fn stage(directory: &Path) -> Stage {
    Stage { directory: directory.join("networks"), networks: 1 }
}

fn played(study: &Study, directory: &Path, settings: &Settings) -> anyhow::Result<BTreeMap<usize, Played>> {
    let (played, is_done) = run::play(study, directory, &stage(directory), settings)?;
    assert!(is_done);
    Ok(played)
}

fn settings(shard: Shard) -> Settings {
    Settings { shard, threads: 2, within_s: None, is_quiet: true }
}

/// What was measured, without what it took.
fn moments(played: &BTreeMap<usize, Played>) -> Vec<(usize, u32, String)> {
    played.iter().map(|(point, played)| (*point, played.batches, format!("{:?}", played.moments))).collect()
}

#[test]
fn what_is_wrong_in_a_study_file_is_named() {
    let with = |from: &str, to: &str| SMALL.replace(from, to);
    for (text, words) in [
        (with("share", "shore"), "shore"),
        (with("[0.2, 0.3]", "[0.2, 1.0]"), "share"),
        (with("[0.2, 0.3]", "[]"), "share"),
        (with("step = 1", "step = 0"), "confirmations"),
        (with("from = 1", "from = 4"), "confirmations"),
        (with("step = 1", "step = 0.5"), "confirmations"),
        (with("width = 0.06", "width = 0"), "width"),
        (with("runs_min = 500", "runs_min = 5000"), "runs_min"),
        (with("runs_min", "runs_least"), "runs_least"),
        (SMALL.to_owned() + "[plot]\nx = \"gamma\"\n", "gamma"),
    ] {
        let error = format!("{:#}", Study::parse(&text).expect_err(words));
        assert!(error.contains(words) && !error.contains('\n'), "{words}: {error}");
    }
    for (text, words) in [
        (with("double-spend", "teleport"), "teleport"),
        (with("attack = \"double-spend\"\n", ""), "attack"),
        (with("confirmations = {", "gamma = 0.5\nconfirmations = {"), "gamma"),
        (with("confirmations = {", "delay_ms = 5\nconfirmations = {"), "delay_ms"),
        (with("double-spend", "eclipse"), "eclipse"),
    ] {
        let study = Study::parse(&text).expect(words);
        let error = run::experiments(&study, &stage(Path::new("."))).err().expect(words).to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn ranges_hold_both_ends_and_points_are_all_combinations() {
    let range: toml::Value =
        toml::from_str::<toml::Table>("a = { from = 0.1, to = 0.3, step = 0.05 }").unwrap()["a"].clone();
    let values = parameter::values("share", Kind::Between(0.0, 1.0), &range).unwrap();
    assert_eq!(values, [json!(0.1), json!(0.15), json!(0.2), json!(0.25), json!(0.3)]);
    let study = Study::parse(SMALL).unwrap();
    assert_eq!((study.points.len(), &study.swept[..]), (6, &["confirmations", "share"][..]));
    assert!(study.points.iter().all(|point| point["attack"] == "double-spend"));
}

/// Ended in the middle of a line, a study goes on to what an uninterrupted one gives; so do shards put together.
#[test]
fn an_interrupted_study_and_merged_shards_give_what_a_whole_one_gives() {
    let place = tempfile::tempdir().unwrap();
    let study = Study::parse(SMALL).unwrap();
    let whole = played(&study, &place.path().join("whole"), &settings(Shard::WHOLE)).unwrap();
    assert_eq!(whole.len(), 6);

    let half = place.path().join("half");
    std::fs::create_dir(&half).unwrap();
    let text = std::fs::read_to_string(place.path().join("whole/progress.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    std::fs::write(half.join("progress.jsonl"), lines[..4].join("\n") + "\n" + &lines[4][..20]).unwrap();
    assert_eq!(moments(&played(&study, &half, &settings(Shard::WHOLE)).unwrap()), moments(&whole));

    let shards: Vec<PathBuf> = (1..=3).map(|number| place.path().join(format!("shard-{number}"))).collect();
    for (number, directory) in (1..).zip(&shards) {
        let own = played(&study, directory, &settings(Shard { number, of: 3 })).unwrap();
        assert_eq!(own.keys().copied().collect::<Vec<_>>(), [number - 1, number + 2]);
    }
    assert_eq!(moments(&merge(&study, &shards).unwrap()), moments(&whole));
    // One shard given twice is the same; another study's is not taken.
    assert!(merge(&study, &[shards[0].clone(), shards[0].clone()]).is_ok());
    let other = Study::parse(&SMALL.replace("seed = 3", "seed = 4")).unwrap();
    assert!(merge(&other, &shards).is_err());
    assert!(Progress::open(&shards[0], &Header::of(&other)).err().unwrap().to_string().contains("--out"));
}

/// Every point is as narrow as was asked for or has all its runs, and theory is inside all intervals but as chance allows.
#[test]
fn points_are_played_until_they_are_narrow_and_agree_with_theory() {
    let place = tempfile::tempdir().unwrap();
    let study = Study::parse(SMALL).unwrap();
    let played = played(&study, place.path(), &settings(Shard::WHOLE)).unwrap();
    let experiments = run::experiments(&study, &stage(place.path())).unwrap();
    let rows = table::rows(&study, &experiments, &played);
    for row in &rows {
        let width = row.estimate.interval95[1] - row.estimate.interval95[0];
        assert!(width <= 0.06 || row.runs >= 3_000, "{row:?}");
        assert!(row.z.unwrap().abs() < 4.0, "{row:?}");
    }
    let (squares, points) = table::chi_squared(&rows);
    // The 99.9 % quantile of χ² on 6.
    assert!(points == 6 && squares < 22.5, "{squares}");
    let text = report::report(&study, &experiments, &rows, true);
    assert!(text.contains(&study.digest) && text.contains("strictly more work"), "{text}");
    let picture = plot::picture(&study, &rows).unwrap().unwrap();
    assert!(picture.contains("</svg>") && picture.contains("polygon"), "no band");
}

#[test]
fn a_study_that_cannot_end_in_time_says_so_and_keeps_what_it_learnt() {
    let place = tempfile::tempdir().unwrap();
    let text = SMALL.replace("width = 0.06", "width = 0.000001").replace("runs_max = 3000", "runs_max = 1000000000");
    let study = Study::parse(&text).unwrap();
    let hurried = Settings { within_s: Some(1.0), ..settings(Shard::WHOLE) };
    let error = run::play(&study, place.path(), &stage(place.path()), &hurried).err().unwrap().to_string();
    assert!(error.contains("would take about") && error.contains("shards"), "{error}");
    let held = Progress::open(place.path(), &Header::of(&study)).unwrap();
    assert!(held.played.len() == 6 && held.played.values().all(|played| played.batches == 1));

    let live =
        "name = \"live\"\nmode = \"live\"\n[sweep]\nattack = \"selfish\"\nblocks = 100\n[precision]\nrunning = 1\n";
    assert!(Study::parse(live).is_err());
    let study = Study::parse(&live.replace("running = 1", "runs_min = 10")).unwrap();
    let error =
        run::play(&study, &place.path().join("live"), &stage(place.path()), &hurried).err().unwrap().to_string();
    assert!(error.contains("17 min"), "{error}");
}

fn row(attack: &str, theory: Option<f64>) -> Row {
    let estimate = crate::lab::theory::estimate::Proportion { runs: 10, successes: 4 }.estimate();
    let parameters = BTreeMap::from([("attack", json!(attack)), ("share", json!(0.25))]);
    let measure = super::experiment::Measure::Rate;
    Row { point: 0, parameters, measure, runs: 10, estimate, theory, z: theory.map(|_| 0.5), seconds: 1.5 }
}

#[test]
fn tables_are_read_back_as_they_were_written() {
    let rows = [row("double-spend", Some(0.375)), row("a, \"quoted\" one", None)];
    let text = table::csv(&rows);
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert!(lines[0].starts_with("attack,share,measure,runs,value,low95,high95,theory,z,p"), "{}", lines[0]);
    assert!(lines[1].starts_with("double-spend,0.25,success rate,10,0.4,"), "{}", lines[1]);
    assert!(lines[2].starts_with("\"a, \"\"quoted\"\" one\",0.25,"), "{}", lines[2]);

    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("results.parquet");
    table::write_parquet(&rows, &path).unwrap();
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let read: Vec<String> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
    assert_eq!(read.len(), 2);
    assert!(read[0].contains("attack: \"double-spend\"") && read[0].contains("theory: 0.375"), "{}", read[0]);
    assert!(read[1].contains("theory: null") && read[1].contains("share: 0.25"), "{}", read[1]);
}
