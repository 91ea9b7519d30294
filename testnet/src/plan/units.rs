//! Quantities as people write them: `200ms`, `5%`, `1MB/s`, `128kH/s`. Each reader names what it cannot read and how to write it.

/// Splits `12.5kH/s` into 12.5 and `kH/s`; none without a plain decimal number that is finite and not negative.
fn number_and_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

/// Milliseconds: `200ms`, `1.5s`, `2min`.
pub fn duration_ms(text: &str) -> Result<u64, String> {
    let factor = |unit: &str| match unit {
        "us" => Some(0.001),
        "ms" => Some(1.0),
        "s" => Some(1_000.0),
        "min" => Some(60_000.0),
        _ => None,
    };
    let read = number_and_unit(text).and_then(|(number, unit)| Some((number * factor(unit)?).round()));
    match read {
        Some(ms) if ms <= 3_600_000.0 => Ok(ms as u64),
        _ => Err(format!("{text:?} is not a time up to an hour; write it like 200ms or 1.5s")),
    }
}

/// A fraction from 0 to 1: `5%` or `0.05`.
pub fn fraction(text: &str) -> Result<f64, String> {
    let read = match number_and_unit(text) {
        Some((number, "%")) => Some(number / 100.0),
        Some((number, "")) => Some(number),
        _ => None,
    };
    read.filter(|value| (0.0..=1.0).contains(value))
        .ok_or_else(|| format!("{text:?} is not a share from 0 to 1; write it like 5% or 0.05"))
}

/// Bytes per second: `1MB/s`, `500kbit/s`, `64000` (bytes); decimal multiples.
pub fn bandwidth(text: &str) -> Result<u64, String> {
    let factor = |unit: &str| match unit.strip_suffix("/s").unwrap_or(unit) {
        "" | "B" => Some(1.0),
        "kB" => Some(1e3),
        "MB" => Some(1e6),
        "GB" => Some(1e9),
        "bit" => Some(0.125),
        "kbit" => Some(125.0),
        "Mbit" => Some(125e3),
        "Gbit" => Some(125e6),
        _ => None,
    };
    let read = number_and_unit(text).and_then(|(number, unit)| Some((number * factor(unit)?).round()));
    match read {
        Some(bytes) if (1.0..=1e12).contains(&bytes) => Ok(bytes as u64),
        _ => Err(format!("{text:?} is not a bandwidth; write it like 1MB/s, 500kbit/s or 64000 (bytes a second)")),
    }
}

/// Hashes per second: `131072`, `128k`, `2MH/s`; decimal multiples.
pub fn hashrate(text: &str) -> Result<f64, String> {
    let factor = |unit: &str| match unit.strip_suffix("H/s").unwrap_or(unit) {
        "" => Some(1.0),
        "k" => Some(1e3),
        "M" => Some(1e6),
        "G" => Some(1e9),
        _ => None,
    };
    let read = number_and_unit(text).and_then(|(number, unit)| Some(number * factor(unit)?));
    read.filter(|rate| (1.0..=1e15).contains(rate))
        .ok_or_else(|| format!("{text:?} is not a hash rate; write it like 131072, 128k or 2MH/s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read() {
        assert_eq!(duration_ms("200ms"), Ok(200));
        assert_eq!(duration_ms("1.5 s"), Ok(1_500));
        assert_eq!(duration_ms("2min"), Ok(120_000));
        assert_eq!(fraction("5%"), Ok(0.05));
        assert_eq!(fraction("0.6"), Ok(0.6));
        assert_eq!(bandwidth("1MB/s"), Ok(1_000_000));
        assert_eq!(bandwidth("500kbit/s"), Ok(62_500));
        assert_eq!(hashrate("128kH/s"), Ok(128_000.0));
        assert_eq!(hashrate("131072"), Ok(131_072.0));
    }

    #[test]
    fn anything_else_is_named_in_the_error() {
        for wrong in ["200", "ms", "-1ms", "1e9s", "2h", "", "NaNms", "infs"] {
            assert!(duration_ms(wrong).is_err_and(|error| error.contains(&format!("{wrong:?}"))), "{wrong:?}");
        }
        for wrong in ["101%", "1.1", "-5%", "five", "5 percent"] {
            assert!(fraction(wrong).is_err(), "{wrong:?}");
        }
        for wrong in ["0", "0MB/s", "1XB/s", "fast", "-1"] {
            assert!(bandwidth(wrong).is_err(), "{wrong:?}");
        }
        for wrong in ["0", "k", "1T", "-5", "1e30"] {
            assert!(hashrate(wrong).is_err(), "{wrong:?}");
        }
    }
}
