//! Checks many signatures together. Each gets its own answer, but the two divisions that every check needs are shared.
//!
//! A check divides once by `s` and once to bring the resulting point to affine form, a seventh of its time. Montgomery's
//! trick (Montgomery 1987, section 10.3.1) does all divisions of a batch with one. Unlike the batch verification of
//! Schnorr signatures, nothing is left to chance and the invalid signature is known. The curve's arithmetic is in
//! [`ecmult`](mod@super::ecmult).

use super::ecmult::ecmult;
use k256::ecdsa::{Signature, VerifyingKey};
use k256::elliptic_curve::ops::Reduce;
use k256::elliptic_curve::point::{AffineCoordinates, BatchNormalize};
use k256::{FieldBytes, ProjectivePoint, Scalar};

/// One ECDSA check: whether `signature` is a signature of `digest` by `key`.
#[derive(Clone, Debug)]
pub(crate) struct SignatureCheck {
    pub(super) key: VerifyingKey,
    pub(super) digest: [u8; 32],
    pub(super) signature: Signature,
}

/// Index of the first signature that is not valid (SEC 1, section 4.1.4).
pub(crate) fn first_invalid(checks: &[SignatureCheck]) -> Option<usize> {
    if checks.is_empty() {
        return None;
    }
    let inverses = inverses(checks.iter().map(|check| *check.signature.s()).collect());
    let points: Vec<ProjectivePoint> = checks
        .iter()
        .zip(inverses)
        .map(|(SignatureCheck { key, digest, signature }, inverse)| {
            let (u1, u2) = (scalar(&(*digest).into()) * inverse, *signature.r() * inverse);
            let key = ProjectivePoint::from(*key.as_affine());
            ecmult(&u1, &u2, &key)
        })
        .collect();
    // The point at infinity comes out with x = 0, which no signature's r is.
    let points = <ProjectivePoint as BatchNormalize<[_]>>::batch_normalize_vartime(points.as_slice());
    checks.iter().zip(points).position(|(check, point)| scalar(&point.x()) != *check.signature.r())
}

/// A number modulo the group's order.
fn scalar(bytes: &FieldBytes) -> Scalar {
    <Scalar as Reduce<FieldBytes>>::reduce(bytes)
}

/// The inverse of each number, none of which is zero.
fn inverses(mut numbers: Vec<Scalar>) -> Vec<Scalar> {
    // products[i] is the product of the numbers before i.
    let mut product = Scalar::ONE;
    let mut products = Vec::with_capacity(numbers.len());
    for number in &numbers {
        products.push(product);
        product *= number;
    }
    let mut inverse = product.invert_vartime().unwrap_or(Scalar::ZERO);
    for (number, before) in numbers.iter_mut().zip(products).rev() {
        let next = inverse * *number;
        *number = inverse * before;
        inverse = next;
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use k256::ecdsa::SigningKey;
    use k256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
    use k256::elliptic_curve::ops::Neg;

    fn check(key: u8, digest: u8) -> SignatureCheck {
        let signing = SigningKey::from_slice(&[key; 32]).unwrap();
        let signature: Signature = signing.sign_prehash(&[digest; 32]).unwrap();
        SignatureCheck { key: *signing.verifying_key(), digest: [digest; 32], signature }
    }

    /// Ways of being wrong, by number.
    fn spoil(check: &mut SignatureCheck, way: usize) {
        let (r, s) = check.signature.split_scalars();
        let swapped = |r: Scalar, s: Scalar| Signature::from_scalars(r, s).unwrap().normalize_s();
        match way % 5 {
            0 => check.digest[31] ^= 1,
            1 => check.key = *SigningKey::from_slice(&[0x77; 32]).unwrap().verifying_key(),
            2 => check.signature = swapped(*s, *r),
            3 => check.signature = swapped(*r + Scalar::ONE, *s),
            _ => check.signature = swapped(*r.neg(), *s),
        }
    }

    #[test]
    fn a_batch_says_what_single_checks_say() {
        for length in [0, 1, 2, 3, 17, 64] {
            let good: Vec<SignatureCheck> = (0..length).map(|index| check(index + 1, index)).collect();
            assert_eq!(first_invalid(&good), None, "{length} good ones");
            for broken in 0..usize::from(length) {
                let mut batch = good.clone();
                spoil(&mut batch[broken], broken);
                if let Some(later) = batch.get_mut(broken + 3) {
                    spoil(later, broken + 1);
                }
                let one_by_one =
                    batch.iter().position(|one| one.key.verify_prehash(&one.digest, &one.signature).is_err());
                assert_eq!(one_by_one, Some(broken));
                assert_eq!(first_invalid(&batch), Some(broken), "{length} with number {broken} broken");
            }
        }
    }

    /// A digest of zero makes the generator's share vanish; a key that is the generator makes both terms alike.
    #[test]
    fn odd_digests_and_keys_hold_too() {
        let mut secret = [0; 32];
        secret[31] = 1;
        let one = SigningKey::from_slice(&secret).unwrap();
        for digest in [[0; 32], [0xff; 32], secret] {
            let signature: Signature = one.sign_prehash(&digest).unwrap();
            let check = SignatureCheck { key: *one.verifying_key(), digest, signature };
            assert_eq!(first_invalid(&[check.clone(), check]), None);
        }
    }

    #[test]
    fn the_point_at_infinity_is_no_signature() {
        // u1·G + u2·Q is infinite when Q = G and r = -digest.
        let mut secret = [0; 32];
        secret[31] = 1;
        let generator = *SigningKey::from_slice(&secret).unwrap().verifying_key();
        let digest = [9; 32];
        let r = scalar(&digest.into()).neg();
        let signature = Signature::from_scalars(r, Scalar::ONE).unwrap();
        assert!(generator.verify_prehash(&digest, &signature).is_err());
        assert_eq!(first_invalid(&[check(2, 2), SignatureCheck { key: generator, digest, signature }]), Some(1));
    }
}
