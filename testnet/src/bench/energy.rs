//! What the processor's package has used, where the system lets a program read its energy counters (RAPL, by Linux'
//! `powercap`).

use std::{fs, io, path::PathBuf};

/// Where Linux shows the counters.
const POWERCAP: &str = "/sys/class/powercap";

/// Counters of all packages.
#[derive(Debug)]
pub struct Counters {
    packages: Vec<Package>,
}

#[derive(Debug)]
struct Package {
    energy: PathBuf,
    /// Where the counter starts again from zero, microjoules.
    range_uj: u64,
}

/// The counters' values at one moment, microjoules.
#[derive(Clone, Debug)]
pub struct Reading(Vec<u64>);

impl Counters {
    /// The counters, or a sentence that says why there are none.
    pub fn open() -> Result<Counters, String> {
        Counters::in_directory(POWERCAP.into())
    }

    fn in_directory(directory: PathBuf) -> Result<Counters, String> {
        let entries = fs::read_dir(&directory).map_err(|error| {
            format!("this system shows no energy counters in {}: {}", directory.display(), reason(&error))
        })?;
        let mut packages = Vec::new();
        for entry in entries.flatten() {
            // `intel-rapl:0` is a package; `intel-rapl:0:1` is a part of it, and AMD's counters carry the same name.
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.strip_prefix("intel-rapl:").is_none_or(|number| number.contains(':')) {
                continue;
            }
            let energy = entry.path().join("energy_uj");
            read_number(&energy).map_err(|error| format!("cannot read {}: {}", energy.display(), reason(&error)))?;
            let range_uj = read_number(&entry.path().join("max_energy_range_uj")).unwrap_or(u64::MAX);
            packages.push(Package { energy, range_uj });
        }
        if packages.is_empty() {
            return Err(format!("{} has no processor package; a virtual machine often has none", directory.display()));
        }
        Ok(Counters { packages })
    }

    /// What they say now; `None` if one cannot be read any more.
    pub fn read(&self) -> Option<Reading> {
        self.packages.iter().map(|package| read_number(&package.energy).ok()).collect::<Option<_>>().map(Reading)
    }

    /// Joules used between two readings. A counter that started again from zero did so once at most.
    pub fn joules(&self, from: &Reading, to: &Reading) -> f64 {
        let used = self.packages.iter().zip(from.0.iter().zip(&to.0)).map(|(package, (from, to))| {
            to.checked_sub(*from).unwrap_or_else(|| package.range_uj.saturating_sub(*from).saturating_add(*to))
        });
        used.sum::<u64>() as f64 / 1e6
    }
}

fn read_number(path: &std::path::Path) -> io::Result<u64> {
    fs::read_to_string(path)?.trim().parse().map_err(|_| io::Error::other("it is no number"))
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "reading it needs root".to_owned(),
        io::ErrorKind::NotFound => "it is not there (a virtual machine often has none)".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_summed_and_their_parts_left_out() {
        let directory = tempfile::tempdir().unwrap();
        for (name, energy) in
            [("intel-rapl:0", "900"), ("intel-rapl:1", "100"), ("intel-rapl:0:0", "50"), ("dtpm", "7")]
        {
            let path = directory.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("energy_uj"), energy).unwrap();
            fs::write(path.join("max_energy_range_uj"), "1000").unwrap();
        }
        let counters = Counters::in_directory(directory.path().to_owned()).unwrap();
        let from = counters.read().unwrap();
        // One goes on, the other begins again: 300 and 900 microjoules.
        for (name, energy) in [("intel-rapl:0", "200"), ("intel-rapl:1", "1000")] {
            fs::write(directory.path().join(name).join("energy_uj"), energy).unwrap();
        }
        let joules = counters.joules(&from, &counters.read().unwrap());
        assert!((joules - 1_200e-6).abs() < 1e-12, "{joules}");
    }

    #[test]
    fn where_there_are_none_it_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let error = Counters::in_directory(directory.path().join("absent")).unwrap_err();
        assert!(error.contains("no energy counters") && error.contains("not there"), "{error}");
        let error = Counters::in_directory(directory.path().to_owned()).unwrap_err();
        assert!(error.contains("no processor package"), "{error}");
    }
}
