//! Secrets that live as long as the wallet is open: each on memory pages of its own, which the system is asked not to swap out
//! and which are erased when the secret is dropped.
//!
//! A process that may lock all its memory does that once (the command line, at its start); under a limit (`ulimit -l`, often
//! 8 MiB) only single pages can be locked, and those are these. Where even that is refused, the wallet works all the same.
//! What passes through other memory for a moment (typed passwords, decrypted files, signing) is erased after use but not locked.

use std::ops::Deref;

use zeroize::{Zeroize, Zeroizing};

/// Bytes of a memory page. Where pages are larger (16 KiB on Apple's processors), neighbouring secrets can share one and are
/// unlocked with the first of them.
const PAGE: usize = 4_096;

/// Bytes at a fixed place in memory. `Debug` does not show them.
pub(crate) struct Secret {
    buffer: Vec<u8>,
    start: usize,
    len: usize,
}

impl Secret {
    /// Takes a copy; the caller erases the original.
    pub(crate) fn new(bytes: &[u8]) -> Secret {
        let pages = bytes.len().div_ceil(PAGE).max(1);
        let buffer = vec![0; (pages + 1) * PAGE];
        let start = buffer.as_ptr().align_offset(PAGE).min(PAGE);
        let mut secret = Secret { buffer, start, len: bytes.len() };
        secret.set_locked(true);
        secret.buffer[start..start + bytes.len()].copy_from_slice(bytes);
        secret
    }

    /// As an array, erased when dropped; `None` if it has another length.
    pub(crate) fn to_array<const N: usize>(&self) -> Option<Zeroizing<[u8; N]>> {
        <[u8; N]>::try_from(&**self).ok().map(Zeroizing::new)
    }

    /// Asks for the pages to stay in RAM, or lets them go again. Refusal is not an error, see the module's documentation.
    #[cfg(unix)]
    #[allow(unsafe_code)]
    fn set_locked(&mut self, locked: bool) {
        let length = self.len.div_ceil(PAGE).max(1) * PAGE;
        let place = self.buffer[self.start..self.start + length].as_mut_ptr().cast();
        // SAFETY: the range lies inside `buffer`, which is never grown and lives until `drop` has unlocked it again; locking
        // changes no byte.
        let _ = unsafe {
            match locked {
                true => rustix::mm::mlock(place, length),
                false => rustix::mm::munlock(place, length),
            }
        };
    }

    #[cfg(not(unix))]
    fn set_locked(&mut self, _locked: bool) {}
}

impl Deref for Secret {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[self.start..self.start + self.len]
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.buffer.as_mut_slice().zeroize();
        self.set_locked(false);
    }
}

impl Clone for Secret {
    fn clone(&self) -> Secret {
        Secret::new(self)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_any_length_are_kept_on_pages_of_their_own() {
        for length in [0, 1, 32, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE] {
            let bytes: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let secret = Secret::new(&bytes);
            assert_eq!((&*secret, &*secret.clone()), (&bytes[..], &bytes[..]));
            assert_eq!(secret.as_ptr().align_offset(PAGE), 0, "{length}");
        }
        assert_eq!(Secret::new(&[7; 32]).to_array::<32>().as_deref(), Some(&[7; 32]));
        assert_eq!(Secret::new(&[7; 31]).to_array::<32>(), None);
        assert_eq!(format!("{:?}", Secret::new(b"hidden")), "Secret(…)");
    }

    /// Where the limit allows it, the system says that the secret's page is locked.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_secret_is_locked_into_memory() {
        let secret = Secret::new(&[1; 32]);
        let address = secret.as_ptr() as u64;
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut is_inside = false;
        let mut flags = None;
        for line in smaps.lines() {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            if let Some((Ok(from), Ok(to))) =
                range.map(|(from, to)| (u64::from_str_radix(from, 16), u64::from_str_radix(to, 16)))
            {
                is_inside = (from..to).contains(&address);
            } else if let Some(rest) = line.strip_prefix("VmFlags:").filter(|_| is_inside) {
                flags = Some(rest.split_whitespace().any(|flag| flag == "lo"));
            }
        }
        let allowed = rustix::process::getrlimit(rustix::process::Resource::Memlock).current != Some(0);
        assert_eq!(flags, Some(allowed));
    }
}
