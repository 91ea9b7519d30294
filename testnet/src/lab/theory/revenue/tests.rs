use super::super::withholding::Named;
use super::*;

fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "found {found}, expected {expected}");
}

#[test]
fn selfish_mining_is_the_papers_table() {
    for (alpha, revenue) in [
        (0.25, [0.195122, 0.25, 0.304878]),
        (0.3, [0.273126, 0.326874, 0.380622]),
        (1.0 / 3.0, [0.333333, 0.384615, 0.435897]),
        (0.4, [0.483721, 0.525581, 0.567442]),
        (0.45, [0.651773, 0.680598, 0.709423]),
    ] {
        for (gamma, expected) in [0.0, 0.5, 1.0].into_iter().zip(revenue) {
            close(selfish(alpha, gamma), expected, 5e-7);
        }
    }
    close(selfish_threshold(0.0), 1.0 / 3.0, 1e-15);
    close(selfish_threshold(0.5), 0.25, 1e-15);
    close(selfish_threshold(1.0), 0.0, 1e-15);
    close(selfish(0.6, 0.0), 1.0, 0.0);
}

/// The process knows nothing of the closed form.
#[test]
fn the_process_gives_the_closed_forms() {
    // At .4 one race in some ten thousand is longer than the process is followed.
    for (share, gamma) in [(0.1, 0.0), (0.25, 0.5), (0.3, 1.0), (0.4, 0.0), (0.4, 0.5)] {
        let process = Process { share, gamma, length_max: 80 };
        close(process.revenue(&Named::Selfish), selfish(share, gamma), 1e-4);
        close(process.revenue(&Named::Honest), share, 1e-9);
    }
}

/// Reference values: lower bounds for branches of up to 40 blocks, four digits; at γ = 1 the optimum is α/(1 − α).
#[test]
fn the_optimum_is_the_known_one() {
    use rayon::prelude::*;
    let known = [
        (0.3, [0.3, 0.3269, 0.4286]),
        (1.0 / 3.0, [0.3370, 0.3918, 0.5]),
        (0.35, [0.3708, 0.4302, 0.5385]),
        (0.4, [0.4882, 0.5725, 0.6667]),
        (0.45, [0.6633, 0.7595, 0.8181]),
    ];
    let cells: Vec<(f64, f64, f64)> = known
        .into_iter()
        .flat_map(|(share, row)| [0.0, 0.5, 1.0].into_iter().zip(row).map(move |(gamma, known)| (share, gamma, known)))
        .collect();
    cells.into_par_iter().for_each(|(share, gamma, expected)| {
        let optimum = Process { share, gamma, length_max: 40 }.optimum();
        close(optimum.revenue, expected, 6e-5);
    });
}

#[test]
fn no_named_policy_earns_more_than_the_best() {
    for (share, gamma) in [(0.35, 0.3), (0.42, 0.8)] {
        let process = Process { share, gamma, length_max: 40 };
        let best = process.optimum().revenue;
        for policy in [
            Named::Honest,
            Named::Selfish,
            Named::Stubborn { lead: true, equal_fork: false, trail: 0 },
            Named::Stubborn { lead: false, equal_fork: true, trail: 0 },
            Named::Stubborn { lead: false, equal_fork: false, trail: 1 },
            Named::Stubborn { lead: true, equal_fork: true, trail: 1 },
        ] {
            let revenue = process.revenue(&policy);
            assert!(revenue > 0.0 && revenue <= best + 1e-9, "{policy:?}: {revenue}, best {best}");
        }
    }
    // Stubbornness pays where the connection is good and the share is large (Nayak and others, figure 3).
    let process = Process { share: 0.42, gamma: 0.8, length_max: 60 };
    let lead = process.revenue(&Named::Stubborn { lead: true, equal_fork: false, trail: 0 });
    assert!(lead > process.revenue(&Named::Selfish), "{lead}");
}
