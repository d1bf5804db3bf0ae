//! Frames under damage: nothing is invented, everything that checks is read.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use branchline_journal::*;
use proptest::prelude::*;

#[test]
fn a_frame_has_length_checksum_and_json() {
    let mut bytes = Vec::new();
    encode(&beat(1), &mut bytes).unwrap();
    let length = u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
    assert_eq!(bytes.len(), HEADER_BYTES + length);
    let json: serde_json::Value = serde_json::from_slice(&bytes[HEADER_BYTES..]).unwrap();
    assert_eq!(json["event"]["kind"], "heartbeat");
}

#[test]
fn cut_at_every_byte_all_whole_frames_remain_and_the_rest_is_torn() {
    let (bytes, ends) = frames(&[beat(1), ended(2, "Ann"), beat(3)]);
    for cut in 0..=bytes.len() {
        let mut decoder = Decoder::new(&bytes[..cut]);
        let seqs: Vec<u64> = decoder.by_ref().map(|framed| framed.entry.seq).collect();
        let whole = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(seqs, (1..=whole as u64).collect::<Vec<_>>(), "cut at {cut}");
        let good_end = if whole == 0 { 0 } else { ends[whole - 1] };
        let report = decoder.report();
        assert_eq!(
            (report.good_end, report.torn_bytes, report.corrupt_regions),
            (good_end, cut - good_end, 0)
        );
    }
}

#[test]
fn a_flipped_byte_costs_its_own_frame_only() {
    let (bytes, ends) = frames(&[beat(1), ended(2, "Ann"), beat(3)]);
    for at in ends[0]..ends[1] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x41;
        let mut decoder = Decoder::new(&damaged);
        let seqs: Vec<u64> = decoder.by_ref().map(|framed| framed.entry.seq).collect();
        assert_eq!(seqs, [1, 3], "flipped at {at}");
        let report = decoder.report();
        assert_eq!((report.corrupt_regions, report.corrupt_bytes), (1, ends[1] - ends[0]));
        assert_eq!(report.torn_bytes, 0);
    }
}

#[test]
fn the_worst_texts_still_fit_a_frame_once_shortened() {
    let mut entry = ended(1, &"\u{1}".repeat(60_000));
    let mut bytes = vec![7];
    assert!(matches!(encode(&entry, &mut bytes), Err(FrameError::TooLarge { .. })));
    assert_eq!(bytes, [7], "a refused entry leaves no bytes");
    entry.event.shorten();
    encode(&entry, &mut bytes).unwrap();
    assert_eq!(Decoder::new(&bytes[1..]).next().unwrap().entry, entry);
}

#[test]
fn a_measurement_that_is_no_number_does_not_cost_the_record() {
    let mut entry = ended(1, "Ann");
    if let Event::CallEnded(record) = &mut entry.event {
        record.legs[0].jitter_ms = f32::NAN;
        record.legs[0].mos = Some(f32::INFINITY);
    }
    let mut bytes = Vec::new();
    encode(&entry, &mut bytes).unwrap();
    match Decoder::new(&bytes).next().unwrap().entry.event {
        Event::CallEnded(record) => assert_eq!((record.legs[0].jitter_ms, record.legs[0].mos), (0.0, None)),
        other => panic!("read as {}", other.kind()),
    }
}

#[test]
fn a_frame_that_checks_but_holds_no_entry_is_counted_and_passed_over() {
    let json = br#"{"seq":"none"}"#;
    let length = (json.len() as u32).to_le_bytes();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&length), json);
    let mut bytes = [&length[..], &crc.to_le_bytes(), json].concat();
    encode(&beat(9), &mut bytes).unwrap();
    let mut decoder = Decoder::new(&bytes);
    assert_eq!(decoder.next().unwrap().entry.seq, 9);
    assert_eq!(decoder.next(), None);
    assert_eq!((decoder.report().unreadable, decoder.report().corrupt_regions), (1, 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_record_reads_back_equal(seq in 1..u64::MAX, name in ".{0,80}", loss in 0f32..100.0, utc_ms in any::<i64>()) {
        let mut entry = ended(seq, &name);
        entry.stamp.utc_ms = utc_ms;
        if let Event::CallEnded(record) = &mut entry.event {
            record.legs[0].loss_percent = loss;
        }
        let mut bytes = Vec::new();
        encode(&entry, &mut bytes).unwrap();
        let mut decoder = Decoder::new(&bytes);
        prop_assert_eq!(decoder.next().unwrap().entry, entry);
        prop_assert_eq!(decoder.next(), None);
    }

    #[test]
    fn random_bytes_hold_no_entry_and_every_byte_is_accounted_for(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
        let mut decoder = Decoder::new(&bytes);
        prop_assert_eq!(decoder.next(), None);
        prop_assert_eq!(decoder.report().torn_bytes, bytes.len());
    }

    #[test]
    fn garbage_between_frames_is_skipped_and_counted(
        gaps in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 1..8),
    ) {
        let mut bytes = Vec::new();
        for (gap, seq) in gaps.iter().zip(1..) {
            bytes.extend_from_slice(gap);
            encode(&beat(seq), &mut bytes).unwrap();
        }
        let mut decoder = Decoder::new(&bytes);
        let seqs: Vec<u64> = decoder.by_ref().map(|framed| framed.entry.seq).collect();
        prop_assert_eq!(seqs, (1..=gaps.len() as u64).collect::<Vec<_>>());
        let report = decoder.report();
        prop_assert_eq!(report.corrupt_bytes, gaps.iter().map(Vec::len).sum::<usize>());
        prop_assert_eq!(report.corrupt_regions, gaps.iter().filter(|gap| !gap.is_empty()).count() as u64);
    }

    #[test]
    fn damage_never_invents_an_entry(flips in proptest::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..40)) {
        let entries: Vec<Entry> = (1..=6).map(|seq| ended(seq, "Ann")).collect();
        let (mut bytes, _) = frames(&entries);
        for (at, mask) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
        }
        let mut decoder = Decoder::new(&bytes);
        let mut last_seq = 0;
        for framed in decoder.by_ref() {
            prop_assert!(entries.contains(&framed.entry));
            prop_assert!(framed.entry.seq > last_seq);
            last_seq = framed.entry.seq;
        }
        prop_assert_eq!(decoder.report().good_end + decoder.report().torn_bytes, bytes.len());
    }
}

fn frames(entries: &[Entry]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Vec::new();
    let mut ends = Vec::new();
    for entry in entries {
        encode(entry, &mut bytes).unwrap();
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn stamp(mono_ms: u64) -> Stamp {
    Stamp {
        utc_ms: 1_700_000_000_000,
        clock_trusted: true,
        mono_ms,
        boot: BootId(Uuid::from_u128(5)),
    }
}

fn beat(seq: u64) -> Entry {
    Entry {
        id: uuid_v7(1_700_000_000_000, &[seq as u8; 10]),
        seq,
        stamp: stamp(seq),
        event: Event::Heartbeat { live_calls: 1 },
    }
}

fn ended(seq: u64, name: &str) -> Entry {
    let many = || vec![name.to_owned(); 20];
    let party = || RecordedParty {
        dialled: name.into(),
        normalised: Some(name.into()),
        display: Some(name.into()),
    };
    let transfer = Transfer {
        at: stamp(3),
        kind: TransferKind::Blind,
        by: name.into(),
        to: name.into(),
    };
    let leg = LegQuality {
        side: LegSide::Caller,
        codec: name.into(),
        packets: 500,
        lost: 3,
        loss_percent: 0.6,
        jitter_ms: 2.25,
        rtt_ms: Some(31.0),
        mos: None,
    };
    let record = CallRecord {
        id: uuid_v7(1, &[seq as u8; 10]),
        from: party(),
        to: party(),
        direction: Direction::Outbound,
        trunks: if name.len() > 1000 { many() } else { vec!["main".into()] },
        extensions: if name.len() > 1000 { many() } else { vec!["201".into()] },
        emergency: false,
        started: stamp(1),
        answered: Some(stamp(2)),
        ended: stamp(9),
        ring_ms: 1,
        talk_ms: 7,
        outcome: Outcome::Answered,
        q850_cause: 16,
        sip_status: 200,
        ended_by: EndedBy::Callee,
        transfers: vec![transfer; 12],
        mode: Mode::default(),
        legs: vec![leg; 12],
    };
    Entry {
        event: Event::CallEnded(Box::new(record)),
        ..beat(seq)
    }
}
