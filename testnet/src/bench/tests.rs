//! The benchmark, in a fraction of a second.

use super::*;
use measure::Round;

fn settings(kernel: &str, seconds: f64, threads: Option<usize>) -> Settings {
    Settings {
        seconds,
        threads,
        kernel: kernel.to_owned(),
        pow: None,
        difficulty: BITCOIN_DIFFICULTY,
        output: Output { json: true, csv: false },
        svg: None,
        compare: None,
        submit_json: None,
    }
}

#[test]
fn bad_input_names_what_is_available() {
    let message = |settings: Settings| Plan::new(&settings).unwrap_err().to_string();
    let unknown = message(settings("fastest", 1.0, None));
    assert!(unknown.contains("fastest") && unknown.contains("scalar") && unknown.contains("all"), "{unknown}");
    assert!(message(settings("all", 0.0, None)).contains("more than 0"));
    assert!(message(settings("all", f64::NAN, None)).contains("more than 0"));
    assert!(message(settings("all", 1.0, Some(0))).contains("cores"));
    let two_formats = Settings { output: Output { json: true, csv: true }, ..settings("all", 1.0, None) };
    assert!(message(two_formats).contains("--csv"));
    let other_pow = message(Settings { pow: Some("scrypt".into()), ..settings("scalar", 1.0, None) });
    assert!(other_pow.contains("scalar") && other_pow.contains("scrypt-portable"), "{other_pow}");
    assert!(message(Settings { pow: Some("x11".into()), ..settings("all", 1.0, None) }).contains("sha256d"));
    assert!(message(Settings { difficulty: 0.0, ..settings("all", 1.0, None) }).contains("--difficulty 0"));
}

#[test]
fn a_kernel_s_name_says_its_proof_of_work() {
    let plan = |settings: Settings| Plan::new(&settings).unwrap();
    assert_eq!(plan(settings("scrypt-portable", 1.0, None)).proof_of_work, ProofOfWork::Scrypt);
    let scrypt = plan(Settings { pow: Some("scrypt".into()), ..settings("all", 1.0, None) });
    assert_eq!(scrypt.kernels, KernelName::available(ProofOfWork::Scrypt));
    assert_eq!(plan(settings("all", 1.0, None)).kernels, KernelName::available(ProofOfWork::Sha256d));
}

#[test]
fn the_curve_goes_from_one_thread_to_all() {
    assert_eq!(curve(1), [1]);
    assert_eq!(curve(2), [1, 2]);
    assert_eq!(curve(12), [1, 2, 4, 8, 12]);
    assert_eq!(curve(16), [1, 2, 4, 8, 16]);
}

#[test]
fn every_kernel_passes_its_self_test() {
    for name in ProofOfWork::ALL.into_iter().flat_map(KernelName::available) {
        measure::self_test(Kernel::named(name).unwrap()).unwrap();
    }
}

/// A whole run's report.
fn measured(settings: &Settings) -> Report {
    let plan = Plan::new(settings).unwrap();
    let kernels: Vec<_> = plan.kernels.iter().map(|&name| Kernel::named(name).unwrap()).collect();
    let contenders: Vec<_> = std::iter::once(Contender::Crate(plan.proof_of_work))
        .chain(kernels.iter().copied().map(Contender::Kernel))
        .collect();
    let results = measure_all(&plan, &contenders);
    Report::new(&plan, settings.difficulty, kernels[0], results)
}

#[test]
fn a_short_run_measures_every_kernel_on_one_and_on_all_threads() {
    for pow in ["sha256d", "scrypt"] {
        let report = measured(&Settings { pow: Some(pow.into()), ..settings("all", 0.4, Some(2)) });
        let json: serde_json::Value = serde_json::from_str(&report::json::line(&report)).unwrap();
        assert_eq!((&json["schema"], &json["proof_of_work"]), (&report::json::SCHEMA.into(), &pow.into()));
        assert_eq!(json["selected"], report.selected.name().as_str());
        assert!(json["compiler"].as_str().unwrap().starts_with("rustc"));
        let results = json["results"].as_array().unwrap();
        assert_eq!(results.len(), 2 * (1 + KernelName::available(report.proof_of_work).len()));
        assert!(results[0]["kernel"].as_str().unwrap().ends_with("-crate"));
        assert_eq!(results[1]["threads"], 2);
        for result in results {
            let rate = |name: &str| result[name].as_f64().unwrap();
            assert!(rate("max") > 0.0 && rate("min") <= rate("hashes_per_second"), "{result}");
            assert!(rate("hashes_per_second") <= rate("max") && rate("cycles_per_hash") > 0.0, "{result}");
            assert_eq!(result["over_time"].as_array().unwrap().len(), 9);
        }
        assert_eq!(report::csv(&report).lines().count(), 1 + results.len());
        let svg = report::svg::picture(&report).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for measured in &report.results {
            assert!(svg.contains(&report.label(measured)), "{} is not drawn", report.label(measured));
        }
        let text = report::table::text(&report);
        assert_eq!(text.matches("H/s\n").count(), results.len(), "{text}");
        assert!(text.contains("blocks a day"), "{text}");
    }
}

/// A report of made-up rounds: `(threads, rates)` of the crate.
fn report_of(rows: &[(usize, &[f64])], cores: usize) -> Report {
    let plan = Plan::new(&settings("all", 1.0, Some(1))).unwrap();
    let results = rows.iter().map(|(threads, rates)| {
        let round = |(at, &rate): (usize, &f64)| Round {
            at_s: at as f64,
            hashes_per_second: rate,
            core_hz: 3e9,
            hashes_per_joule: None,
        };
        let rounds = rates.iter().enumerate().map(round).collect();
        Measured { rounds, ..Measured::new(Contender::Crate(ProofOfWork::Sha256d), *threads) }
    });
    let kernel = Kernel::untimed(ProofOfWork::Sha256d);
    Report { cores, ..Report::new(&plan, 1.0, kernel, results.collect()) }
}

#[test]
fn what_makes_a_figure_doubtful_is_said() {
    assert!(report_of(&[(1, &[5e6, 5.5e6]), (2, &[1e7, 1.1e7])], 2).warnings().is_empty());
    let crowded = report_of(&[(1, &[5e6]), (100, &[4e6])], 2).warnings();
    assert!(crowded.len() == 1 && crowded[0].contains("100 threads share 2 cores"), "{crowded:?}");
    let wide = report_of(&[(1, &[1e6, 6e6])], 2).warnings();
    assert!(wide.len() == 1 && wide[0].contains("6.0 times in sha2-crate × 1"), "{wide:?}");
    let several = report_of(&[(1, &[1e6, 2e6]), (2, &[2e6, 9e6])], 2).warnings();
    assert!(several.len() == 1 && several[0].contains("2 of 2 rows, 4.5 times"), "{several:?}");
    let slower = report_of(&[(1, &[5e6]), (2, &[4e6])], 2).warnings();
    assert!(slower.len() == 1 && slower[0].contains("slower than with 1"), "{slower:?}");
}

#[test]
fn more_threads_than_cores_do_no_more_hashes() {
    // Fifty threads a core: the sum of what each believes of its own turns would be fifty times too much.
    let cores = node::miner::cores();
    let report = measured(&settings("scalar", 1.0, Some(50 * cores)));
    let rate = |threads| {
        let row = report.results.iter().find(|row| row.threads == threads && row.contender.kernel().is_some());
        row.unwrap().spread().1
    };
    assert!(rate(50 * cores) < 4.0 * cores as f64 * rate(1), "{} and {}", rate(50 * cores), rate(1));
}

#[test]
fn a_sparkline_shows_what_falls_and_not_what_only_trembles() {
    assert_eq!(report::table::sparkline(&[1.0, 8.0, 4.5]), "▁█▅");
    assert_eq!(report::table::sparkline(&[100.0, 100.1, 100.0]).chars().last(), Some('▁'));
    assert_eq!(report::table::sparkline(&[1.0; 240]).chars().count(), 60);
}

#[test]
fn an_earlier_run_is_read_back_and_compared() {
    let report = report_of(&[(1, &[6e6])], 2);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("earlier.json");
    fs::write(&path, report::json::line(&report)).unwrap();
    let earlier = compare::read(&path).unwrap();
    let now = report_of(&[(1, &[9e6]), (2, &[1e7])], 2);
    let table = compare::table(&now, &earlier);
    assert!(table.contains("× 1.500") && table.contains("– →"), "{table}");
    let error = format!("{:#}", compare::read(&directory.path().join("absent.json")).unwrap_err());
    assert!(error.contains("absent.json"), "{error}");
}
