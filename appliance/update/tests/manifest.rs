//! What is accepted, and everything else is refused: other keys, boxes, times and versions, and each changed bit.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use branchline_update::{
    Artefact, Digest, Examined, Manifest, Own, Record, Refusal, Rule, Rules, SigningKey, Time, TrustedKeys, Version,
    Weigh, examine, seal,
};
use proptest::prelude::*;

const NOW: i64 = 1_800_000_000_000;
const DAY: i64 = 86_400_000;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed([seed; 32]).unwrap()
}

fn trusted() -> TrustedKeys {
    TrustedKeys::new(vec![key(1).public(), key(2).public()]).unwrap()
}

fn archive() -> Vec<u8> {
    (0..300_u32).flat_map(u32::to_le_bytes).collect()
}

fn artefact() -> Artefact {
    let sha256: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(archive()).into();
    Artefact {
        target: "aarch64-unknown-linux-gnu".into(),
        boards: vec!["rpi4".into(), "rpi5".into()],
        file: "branchline-1.2.0.tar.gz".into(),
        bytes: archive().len() as u64,
        sha256: Digest(sha256),
    }
}

fn manifest() -> Manifest {
    Manifest {
        product: "branchline".into(),
        channel: "stable".into(),
        version: Version::new(1, 2, 0),
        follows: Version::new(1, 0, 0),
        not_before_utc_ms: NOW - DAY,
        expires_utc_ms: NOW + 30 * DAY,
        notes: "Better.".into(),
        artefacts: vec![artefact()],
    }
}

fn own() -> Own {
    Own {
        product: "branchline".into(),
        target: "aarch64-unknown-linux-gnu".into(),
        board: "rpi4".into(),
        channel: "stable".into(),
        version: Version::new(1, 1, 0),
    }
}

fn look(manifest: &Manifest, own: &Own, record: &Record, (time, rules): (Time, Rules)) -> Result<Examined, Refusal> {
    let envelope = seal(&key(2), manifest.write().unwrap().as_bytes());
    examine(&envelope, &trusted(), (own, record), (time, rules))
}

fn now() -> (Time, Rules) {
    (Time::Trusted(NOW), Rules::default())
}

#[test]
fn a_release_for_this_box_is_offered_with_its_archive() {
    let Ok(Examined::Offer(offer)) = look(&manifest(), &own(), &Record::default(), now()) else {
        panic!("refused");
    };
    assert_eq!((offer.version, offer.artefact), (Version::new(1, 2, 0), artefact()));
    let same = Own {
        version: Version::new(1, 2, 0),
        ..own()
    };
    assert_eq!(
        look(&manifest(), &same, &Record::default(), now()),
        Ok(Examined::UpToDate)
    );
}

#[test]
fn what_does_not_fit_is_refused_with_its_field_and_a_fix() {
    type Change = fn(&mut Manifest, &mut Own, &mut Record);
    let cases: [(&str, Change); 14] = [
        ("product: ", |m, _, _| m.product = "toaster".into()),
        ("channel: ", |m, _, _| m.channel = "beta".into()),
        ("target: ", |m, _, _| {
            m.artefacts[0].target = "riscv64gc-unknown-linux-gnu".into();
        }),
        ("boards: ", |_, own, _| own.board = "rpi3".into()),
        ("version: 1.2.0 is older than 1.3.0", |_, own, _| {
            own.version = Version::new(1, 3, 0);
        }),
        ("version: 1.2.0 is older than 1.3.0", |_, _, record| {
            record.highest = Some(Version::new(1, 3, 0));
        }),
        ("version: 1.2.0 was tried", |_, _, record| {
            record.taken_back = vec![(Version::new(1, 2, 0), "silent".into())];
        }),
        ("follows: ", |m, _, _| m.follows = Version::new(1, 1, 1)),
        ("expires_utc_ms: ", |m, _, _| m.expires_utc_ms = NOW),
        ("not_before_utc_ms: ", |m, _, _| m.not_before_utc_ms = NOW + 1),
        ("version: 1.2.0-rc.1 is older", |m, own, _| {
            m.version = "1.2.0-rc.1".parse().unwrap();
            own.version = Version::new(1, 2, 0);
        }),
        ("boards: ", |m, _, _| m.artefacts[0].boards = vec!["rpi".into()]),
        ("channel: ", |_, own, _| own.channel = "stable2".into()),
        ("target: ", |_, own, _| own.target = "aarch64".into()),
    ];
    for (begins, change) in cases {
        let (mut manifest, mut own, mut record) = (manifest(), own(), Record::default());
        change(&mut manifest, &mut own, &mut record);
        let refusal = look(&manifest, &own, &record, now()).unwrap_err().to_string();
        assert!(refusal.starts_with(begins), "{refusal}");
        assert!(refusal.contains(';'), "no fix: {refusal}");
    }
}

#[test]
fn an_archive_without_boards_is_for_all_of_them() {
    let mut manifest = manifest();
    manifest.artefacts[0].boards.clear();
    assert!(matches!(
        look(&manifest, &own(), &Record::default(), now()),
        Ok(Examined::Offer(_))
    ));
}

#[test]
fn an_old_release_in_a_manifest_of_another_key_or_a_relabelled_one_is_refused() {
    let envelope = seal(&key(3), manifest().write().unwrap().as_bytes());
    let refused = examine(&envelope, &trusted(), (&own(), &Record::default()), now());
    assert!(matches!(refused, Err(Refusal::UnknownKey(_))), "{refused:?}");

    let sealed = String::from_utf8(seal(&key(1), manifest().write().unwrap().as_bytes())).unwrap();
    let relabelled = sealed.replace("\"1.2.0\"", "\"9.9.9\"");
    assert_ne!(sealed, relabelled);
    let refused = examine(relabelled.as_bytes(), &trusted(), (&own(), &Record::default()), now());
    assert!(matches!(refused, Err(Refusal::Signature(_))), "{refused:?}");
}

#[test]
fn an_operator_can_waive_age_failure_and_clock_and_nothing_else() {
    let older = Own {
        version: Version::new(1, 3, 0),
        ..own()
    };
    let failed = Record {
        taken_back: vec![(Version::new(1, 2, 0), "silent".into())],
        ..Record::default()
    };
    let waived = |rules: Rules| (Time::Trusted(NOW), rules);
    let rollback = Rules {
        rollback: Rule::Waived,
        ..Rules::default()
    };
    assert!(look(&manifest(), &older, &Record::default(), waived(rollback)).is_ok());
    let again = Rules {
        failed: Rule::Waived,
        ..Rules::default()
    };
    assert!(look(&manifest(), &own(), &failed, waived(again)).is_ok());
    let all = Rules {
        rollback: Rule::Waived,
        failed: Rule::Waived,
        clock: Rule::Waived,
    };
    let expired = (Time::Trusted(NOW + 31 * DAY), all);
    assert!(matches!(
        look(&manifest(), &own(), &failed, expired),
        Err(Refusal::Expired { .. })
    ));
}

#[test]
fn without_a_set_clock_the_floor_proves_an_expiry_and_nothing_proves_that_there_is_none() {
    let without = Rules {
        clock: Rule::Waived,
        ..Rules::default()
    };
    let cases = [
        (Time::Floor(NOW + 31 * DAY), Rules::default(), "expired"),
        (Time::Floor(NOW + 31 * DAY), without, "expired"),
        (Time::Floor(NOW), Rules::default(), "clock"),
        (Time::Floor(0), Rules::default(), "clock"),
        (Time::Floor(0), without, "offer"),
        (Time::Trusted(0), without, "not yet"),
    ];
    for (time, rules, expected) in cases {
        let found = match look(&manifest(), &own(), &Record::default(), (time, rules)) {
            Ok(Examined::Offer(_)) => "offer",
            Err(Refusal::Expired { .. }) => "expired",
            Err(Refusal::Clock) => "clock",
            Err(Refusal::NotYet { .. }) => "not yet",
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected, "{time:?} {rules:?}");
    }
}

#[test]
fn each_bit_of_a_manifest_and_its_signature_counts() {
    let sealed = seal(&key(1), manifest().write().unwrap().as_bytes());
    let record = Record::default();
    assert!(examine(&sealed, &trusted(), (&own(), &record), now()).is_ok());
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let found = examine(&flipped, &trusted(), (&own(), &record), now());
        assert!(found.is_err(), "bit {bit} was not missed: {found:?}");
    }
    for length in 0..sealed.len() {
        assert!(examine(&sealed[..length], &trusted(), (&own(), &record), now()).is_err());
    }
}

fn weigh(archive: &[u8]) -> Result<(), Refusal> {
    let mut weigh = Weigh::new(&artefact());
    archive.chunks(1000).try_for_each(|piece| weigh.handle_piece(piece))?;
    weigh.finish()
}

#[test]
fn each_bit_and_the_length_of_an_archive_counts() {
    let archive = archive();
    assert_eq!(weigh(&archive), Ok(()));
    for bit in 0..archive.len() * 8 {
        let mut flipped = archive.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(weigh(&flipped), Err(Refusal::Digest { .. })), "bit {bit}");
    }
    assert!(matches!(weigh(&archive[1..]), Err(Refusal::Length { .. })));
    let longer = [archive, vec![0]].concat();
    assert!(matches!(weigh(&longer), Err(Refusal::Length { .. })));
}

#[test]
fn a_signed_manifest_that_says_nonsense_is_refused_all_the_same() {
    let good = manifest().write().unwrap();
    let cases = [
        (
            "\"file\": \"branchline-1.2.0.tar.gz\"",
            "\"file\": \"../../etc/passwd\"",
        ),
        ("\"file\": \"branchline-1.2.0.tar.gz\"", "\"file\": \".hidden\""),
        ("\"version\": \"1.2.0\"", "\"version\": \"1.2\""),
        ("\"version\": \"1.2.0\"", "\"version\": \"1.2.0\", \"force\": true"),
        ("\"channel\": \"stable\"", "\"channel\": \"\""),
        ("\"bytes\": 1200", "\"bytes\": 0"),
        ("\"bytes\": 1200", "\"bytes\": 20000000000"),
        ("\"notes\": \"Better.\",", ""),
    ];
    for (from, to) in cases {
        let text = good.replace(from, to);
        assert_ne!(text, good, "{from}");
        let found = examine(
            &seal(&key(1), text.as_bytes()),
            &trusted(),
            (&own(), &Record::default()),
            now(),
        );
        assert!(matches!(found, Err(Refusal::Field { .. })), "{to}: {found:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_are_accepted_that_nobody_signed(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(examine(&bytes, &trusted(), (&own(), &Record::default()), now()).is_err());
    }

    #[test]
    fn a_mutated_manifest_is_never_accepted(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let sealed = seal(&key(1), manifest().write().unwrap().as_bytes());
        let mut changed = sealed.clone();
        for (place, byte) in edits {
            let place = place.index(changed.len());
            changed[place] = byte;
        }
        let found = examine(&changed, &trusted(), (&own(), &Record::default()), now());
        prop_assert_eq!(found.is_ok(), changed == sealed);
        changed.truncate(cut.index(sealed.len()));
        prop_assert!(examine(&changed, &trusted(), (&own(), &Record::default()), now()).is_err());
    }

    #[test]
    fn a_signed_text_is_a_manifest_or_refused_and_nothing_panics(text in "\\PC{0,300}") {
        let sealed = seal(&key(1), text.as_bytes());
        prop_assert!(examine(&sealed, &trusted(), (&own(), &Record::default()), now()).is_err());
    }

    #[test]
    fn no_version_below_the_highest_is_offered(major in 0..3_u64, minor in 0..3_u64, highest in 0..3_u64) {
        let manifest = Manifest { version: Version::new(major, minor, 0), follows: Version::new(0, 0, 0), ..manifest() };
        let record = Record { highest: Some(Version::new(highest, 1, 0)), ..Record::default() };
        let own = Own { version: Version::new(0, 0, 1), ..own() };
        let is_offered = matches!(look(&manifest, &own, &record, now()), Ok(Examined::Offer(_)));
        prop_assert_eq!(is_offered, (major, minor) >= (highest, 1));
    }
}
