//! Nonces that carry their own proof, also of whom they were sent to: nothing is kept for one that was never answered rightly.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::response::Hex;

/// When a nonce was minted and its random half: its name in the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct NonceId {
    minted_ms: u64,
    random: u64,
}

/// What a nonce that came back is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NonceState {
    Valid(NonceId),
    Expired,
    Foreign,
}

// Nonce counts seen: the highest, and which of the 64 below it. UDP may reorder requests.
#[derive(Clone, Copy)]
struct Uses {
    highest: u32,
    window: u64,
}

pub(crate) struct Nonces {
    /// Has taken in the key already, which is half of the work on so short a text.
    keyed: Hmac<Sha256>,
    rng: ChaCha20Rng,
    epoch: Instant,
    lifetime_ms: u64,
    used: BTreeMap<NonceId, Uses>,
    used_max: usize,
    // Nonces minted up to here have lost their counts and are worth nothing.
    forgotten_ms: Option<u64>,
}

const PROOF_BYTES: usize = 16;
const NONCE_HEX: usize = (8 + 8 + PROOF_BYTES) * 2;

impl Nonces {
    pub(crate) fn new(epoch: Instant, lifetime: Duration, used_max: usize, mut rng: ChaCha20Rng) -> Nonces {
        let mut key = [0; 64];
        rng.fill_bytes(&mut key);
        let lifetime_ms = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        Nonces {
            keyed: Hmac::<Sha256>::new(&key.into()),
            rng,
            epoch,
            lifetime_ms,
            used: BTreeMap::new(),
            used_max: used_max.max(1),
            forgotten_ms: None,
        }
    }

    pub(crate) fn mint(&mut self, now: Instant, source: IpAddr) -> String {
        let id = NonceId {
            minted_ms: self.elapsed_ms(now),
            random: self.rng.next_u64(),
        };
        let mut bytes = [0; NONCE_HEX / 2];
        bytes[..8].copy_from_slice(&id.minted_ms.to_be_bytes());
        bytes[8..16].copy_from_slice(&id.random.to_be_bytes());
        let proof = self.proof(&bytes[..16], source);
        bytes[16..].copy_from_slice(&proof);
        Hex::of(&bytes).as_str().to_owned()
    }

    pub(crate) fn check(&self, now: Instant, source: IpAddr, nonce: &str) -> NonceState {
        let Some(bytes) = unhex(nonce) else {
            return NonceState::Foreign;
        };
        let (id, proof) = bytes.split_at(16);
        if !bool::from(self.proof(id, source).ct_eq(proof)) {
            return NonceState::Foreign;
        }
        let half = |bytes: &[u8]| bytes.iter().fold(0u64, |sum, &byte| (sum << 8) | u64::from(byte));
        let id = NonceId {
            minted_ms: half(&id[..8]),
            random: half(&id[8..]),
        };
        let age_ms = self.elapsed_ms(now).saturating_sub(id.minted_ms);
        let forgotten = self.forgotten_ms.is_some_and(|until| id.minted_ms <= until) && !self.used.contains_key(&id);
        if age_ms > self.lifetime_ms || forgotten {
            NonceState::Expired
        } else {
            NonceState::Valid(id)
        }
    }

    /// True the first time that a nonce is used with this count; without a count it can be used once. Call it only for a right answer.
    pub(crate) fn use_once(&mut self, now: Instant, id: NonceId, count: Option<u32>) -> bool {
        self.forget_old(now);
        if let Some(uses) = self.used.get_mut(&id) {
            return match count {
                Some(count) => uses.take(count),
                None => false,
            };
        }
        if self.used.len() >= self.used_max
            && let Some((oldest, _)) = self.used.pop_first()
        {
            self.forgotten_ms = Some(oldest.minted_ms);
            if id <= oldest {
                return false;
            }
        }
        // Without a count every further use is a replay.
        let uses = count.map_or(
            Uses {
                highest: u32::MAX,
                window: u64::MAX,
            },
            |count| Uses {
                highest: count,
                window: 1,
            },
        );
        self.used.insert(id, uses);
        count != Some(0)
    }

    fn forget_old(&mut self, now: Instant) {
        let oldest_ms = self.elapsed_ms(now).saturating_sub(self.lifetime_ms);
        while let Some(first) = self.used.first_entry()
            && first.key().minted_ms < oldest_ms
        {
            first.remove();
        }
    }

    fn elapsed_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }

    fn proof(&self, id: &[u8], source: IpAddr) -> [u8; PROOF_BYTES] {
        let mut mac = self.keyed.clone();
        mac.update(id);
        mac.update(&network(source));
        let whole: [u8; 32] = mac.finalize().into_bytes().into();
        let mut proof = [0; PROOF_BYTES];
        proof.copy_from_slice(&whole[..PROOF_BYTES]);
        proof
    }
}

impl Uses {
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            self.window = self.window.checked_shl(count - self.highest).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let bit = 1u64.checked_shl(self.highest - count).unwrap_or(0);
        let fresh = bit != 0 && self.window & bit == 0 && count > 0;
        self.window |= bit;
        fresh
    }
}

/// An IPv4 address, also one mapped into IPv6; of IPv6 the /64, within which a host changes its address at will.
fn network(source: IpAddr) -> [u8; 16] {
    match source.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => (address.to_bits() >> 64 << 64).to_be_bytes(),
    }
}

fn unhex(text: &str) -> Option<[u8; NONCE_HEX / 2]> {
    if text.len() != NONCE_HEX {
        return None;
    }
    let mut bytes = [0; NONCE_HEX / 2];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn nonces(used_max: usize) -> (Nonces, Instant) {
        #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of a test")]
        let start = Instant::now();
        let rng = ChaCha20Rng::from_seed([7; 32]);
        (Nonces::new(start, Duration::from_secs(60), used_max, rng), start)
    }

    fn id(nonces: &Nonces, now: Instant, nonce: &str) -> NonceId {
        match nonces.check(now, SOURCE, nonce) {
            NonceState::Valid(id) => id,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_count_is_taken_once_and_may_come_out_of_order() {
        let (mut nonces, now) = nonces(10);
        let nonce = nonces.mint(now, SOURCE);
        let id = id(&nonces, now, &nonce);
        for (count, fresh) in [
            (1, true),
            (1, false),
            (3, true),
            (2, true),
            (2, false),
            (200, true),
            (100, false),
            (0x0000_00ff, true),
            (256, true),
            (0, false),
        ] {
            assert_eq!(nonces.use_once(now, id, Some(count)), fresh, "{count}");
        }
        assert!(!nonces.use_once(now, id, None));
    }

    #[test]
    fn a_nonce_expires_and_a_changed_one_is_foreign() {
        let (mut nonces, now) = nonces(10);
        let nonce = nonces.mint(now, SOURCE);
        assert_eq!(
            nonces.check(now + Duration::from_secs(61), SOURCE, &nonce),
            NonceState::Expired
        );
        let changed = nonce.replacen(&nonce[..2], "ff", 1);
        assert_eq!(nonces.check(now, SOURCE, &changed), NonceState::Foreign);
        assert_eq!(nonces.check(now, SOURCE, "abc"), NonceState::Foreign);
        assert_eq!(
            nonces.check(now, SOURCE, &"\u{e9}".repeat(NONCE_HEX / 2)),
            NonceState::Foreign
        );
    }

    #[test]
    fn a_nonce_is_worth_nothing_to_another_source() {
        let (mut nonces, now) = nonces(10);
        for (minted_for, used_by, is_valid) in [
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8::1", "2001:db8::2", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::1", "0.0.0.1", false),
        ] {
            let nonce = nonces.mint(now, minted_for.parse().unwrap());
            let state = nonces.check(now, used_by.parse().unwrap(), &nonce);
            assert_eq!(
                matches!(state, NonceState::Valid(_)),
                is_valid,
                "{minted_for} {used_by}"
            );
            assert_eq!(state == NonceState::Foreign, !is_valid, "{minted_for} {used_by}");
        }
    }

    #[test]
    fn the_table_is_bounded_and_what_it_forgot_cannot_be_replayed() {
        let (mut nonces, now) = nonces(3);
        let minted: Vec<String> = (0..5)
            .map(|second| nonces.mint(now + Duration::from_secs(second), SOURCE))
            .collect();
        let later = now + Duration::from_secs(10);
        for nonce in &minted {
            let id = id(&nonces, later, nonce);
            assert!(nonces.use_once(later, id, Some(1)));
        }
        assert_eq!(nonces.used.len(), 3);
        assert_eq!(nonces.check(later, SOURCE, &minted[0]), NonceState::Expired);
        let kept = id(&nonces, later, &minted[4]);
        assert!(!nonces.use_once(later, kept, Some(1)));
        nonces.use_once(now + Duration::from_secs(120), kept, None);
        assert!(nonces.used.len() <= 1);
    }
}
