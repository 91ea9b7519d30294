//! The benchmark, in a fraction of a second.

use super::*;

fn args(kernel: &str, seconds: f64, threads: Option<usize>) -> BenchArgs {
    BenchArgs { seconds, threads, kernel: kernel.to_owned(), csv: false, svg: None }
}

#[test]
fn bad_input_names_what_is_available() {
    let message = |args: BenchArgs| Plan::new(&args, true).unwrap_err().to_string();
    let unknown = message(args("fastest", 1.0, None));
    assert!(unknown.contains("fastest") && unknown.contains("scalar") && unknown.contains("all"), "{unknown}");
    assert!(message(args("all", 0.0, None)).contains("more than 0"));
    assert!(message(args("all", f64::NAN, None)).contains("more than 0"));
    assert!(message(args("all", 1.0, Some(0))).contains("cores"));
    let two_formats = BenchArgs { csv: true, ..args("all", 1.0, None) };
    assert!(message(two_formats).contains("--csv"));
}

#[test]
fn every_kernel_passes_its_self_test() {
    for name in KernelName::available(ProofOfWork::Sha256d) {
        measure::self_test(Kernel::named(name).unwrap()).unwrap();
    }
}

#[test]
fn a_short_run_measures_every_kernel_on_one_and_on_all_threads() {
    let plan = Plan::new(&args("all", 0.2, Some(2)), true).unwrap();
    let kernels: Vec<_> = plan.kernels.iter().map(|&name| Kernel::named(name).unwrap()).collect();
    let contenders: Vec<_> =
        std::iter::once(Contender::Crate).chain(kernels.iter().copied().map(Contender::Kernel)).collect();
    let report = Report::new(kernels[0], measure_all(&plan, &contenders));

    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(json["selected"], kernels[0].name().as_str());
    assert!(json["compiler"].as_str().unwrap().starts_with("rustc"));
    let results = json["results"].as_array().unwrap();
    assert_eq!(results.len(), 2 * (1 + kernels.len()));
    assert_eq!((&results[0]["kernel"], &results[1]["threads"]), (&"sha2-crate".into(), &2.into()));
    for result in results {
        let rate = |name: &str| result[name].as_f64().unwrap();
        assert!(rate("min") > 0.0 && rate("min") <= rate("hashes_per_second"), "{result}");
        assert!(rate("hashes_per_second") <= rate("max"), "{result}");
    }
    assert_eq!(report.csv().lines().count(), 1 + results.len());
    assert_eq!(report.svg().matches("<rect").count(), 1 + results.len());
    assert_eq!(report.table().matches(" MH/s\n").count(), results.len());
}
