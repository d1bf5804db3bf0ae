//! Which source a leg listens to, and when it may change.

use super::*;

#[test]
fn a_stranger_is_never_heard_after_the_lock() {
    let mut bed = Bed::bridged();
    bed.rtp(A, PHONE_A, 1);
    for number in 0..200 {
        // The SSRC of the phone does not help, neither does its IP address.
        for source in [STRANGER, "192.0.2.10:7002"] {
            assert_eq!(bed.rtp(A, source, 100 + number), Verdict::Drop(Drop::Foreign));
        }
        assert_eq!(bed.rtp(A, PHONE_A, 2 + number), forward(B, PHONE_B));
        bed.pass_ms(20);
    }
    assert_eq!(bed.rtp(B, PHONE_B, 1), forward(A, PHONE_A), "the stranger gets nothing");
    assert_eq!(bed.relay.quality(LegId(1)).unwrap().dropped_foreign, 400);
}

#[test]
fn a_phone_behind_nat_is_learned_after_three_packets_in_a_row() {
    let mut bed = Bed::bridged_from("10.0.0.5:7000");
    let nat = "203.0.113.9:41000";
    assert_eq!(bed.rtp(A, nat, 1), Verdict::Drop(Drop::Unconfirmed));
    assert_eq!(bed.rtp(A, nat, 2), Verdict::Drop(Drop::Unconfirmed));
    assert_eq!(bed.rtp(A, nat, 3), forward(B, PHONE_B));
    assert_eq!(bed.rtp(B, PHONE_B, 1), forward(A, nat));
    let latched: Vec<SocketAddr> = bed.events().iter().filter_map(latched_source).collect();
    assert_eq!(latched, [nat.parse().unwrap(), PHONE_B.parse().unwrap()]);
    // RTCP of the same NAT is known by its SSRC, and answered where it comes from.
    assert_eq!(bed.rtcp(A + 1, "203.0.113.9:52111", 99), Verdict::Drop(Drop::Foreign));
    assert_eq!(
        bed.rtcp(A + 1, "203.0.113.9:52111", SSRC_A),
        forward(B + 1, "192.0.2.20:8001")
    );
    bed.rtcp(B + 1, "192.0.2.20:8001", 12);
    assert_eq!(
        bed.rtcp(B + 1, "192.0.2.20:8001", 12),
        forward(A + 1, "203.0.113.9:52111")
    );
}

#[test]
fn a_source_is_confirmed_only_by_consecutive_packets_of_one_ssrc_in_the_window() {
    let cases: [(&str, &[Sent]); 4] = [
        ("gaps", &[(0, 1, 5), (20, 3, 5), (20, 5, 5), (20, 7, 5)]),
        ("changing ssrc", &[(0, 1, 5), (20, 2, 6), (20, 3, 7), (20, 4, 8)]),
        ("too late", &[(10_001, 1, 5), (20, 2, 5), (20, 3, 5), (20, 4, 5)]),
        ("only two", &[(0, 1, 5), (20, 2, 5)]),
    ];
    for (name, packets) in cases {
        let mut bed = Bed::bridged_from("10.0.0.5:7000");
        for (ms, sequence, ssrc) in packets {
            bed.pass_ms(*ms);
            let verdict = bed.send(A, STRANGER, &rtp(8, *sequence, *ssrc, &[0; 160]));
            assert!(
                matches!(verdict, Verdict::Drop(Drop::Unconfirmed | Drop::Foreign)),
                "{name}: {verdict:?}"
            );
        }
    }
}

#[test]
fn a_stranger_cannot_outrun_the_signalled_address_or_fill_the_candidates() {
    let mut bed = Bed::bridged();
    let other_port = "192.0.2.10:7777";
    bed.rtp(A, other_port, 1);
    for number in 1..=3 {
        assert_eq!(
            bed.rtp(A, STRANGER, number),
            Verdict::Drop(Drop::Unconfirmed),
            "the signalled address is sending"
        );
        for host in 1..40 {
            bed.rtp(A, &format!("198.51.100.{host}:5"), number);
        }
    }
    bed.rtp(A, other_port, 2);
    assert_eq!(bed.rtp(A, other_port, 3), forward(B, PHONE_B));
}

#[test]
fn the_signalled_source_takes_the_lock_back_from_another() {
    let mut bed = Bed::bridged();
    for number in 1..=3 {
        bed.rtp(A, "192.0.2.10:7777", number);
    }
    assert_eq!(bed.rtp(A, PHONE_A, 10), Verdict::Drop(Drop::Unconfirmed));
    bed.rtp(A, PHONE_A, 11);
    assert_eq!(bed.rtp(A, PHONE_A, 12), forward(B, PHONE_B));
    assert_eq!(bed.rtp(A, "192.0.2.10:7777", 4), Verdict::Drop(Drop::Foreign));
}

#[test]
fn a_re_invite_with_a_new_address_moves_the_lock() {
    let mut bed = Bed::bridged();
    bed.rtp(A, PHONE_A, 1);
    let mut legs = legs();
    legs[0].signalled = Some("192.0.2.10:7100".parse().unwrap());
    bed.plan(1, legs).unwrap();
    assert_eq!(bed.rtp(B, PHONE_B, 1), forward(A, "192.0.2.10:7100"));
    assert_eq!(bed.rtp(A, "192.0.2.10:7100", 1), forward(B, PHONE_B));
    assert_eq!(bed.rtp(A, PHONE_A, 2), Verdict::Drop(Drop::Foreign));
}

#[test]
fn after_silence_another_source_may_confirm_its_own_address_sooner() {
    for (source, silence_ms, is_learned) in [
        ("192.0.2.10:7500", 1_900, false),
        ("192.0.2.10:7500", 2_000, true),
        ("203.0.113.1:7500", 9_900, false),
        ("203.0.113.1:7500", 10_000, true),
    ] {
        let mut bed = Bed::bridged();
        bed.rtp(A, PHONE_A, 1);
        bed.pass_ms(silence_ms);
        let last = [2, 3, 4].map(|number| bed.rtp(A, source, number))[2];
        assert_eq!(
            last == forward(B, PHONE_B),
            is_learned,
            "{source} after {silence_ms} ms: {last:?}"
        );
    }
    // A held phone is silent because it was told to be.
    let mut bed = Bed::bridged();
    bed.rtp(A, PHONE_A, 1);
    let mut legs = legs();
    legs[0].direction = Direction::Inactive;
    bed.plan(1, legs).unwrap();
    bed.pass_ms(60_000);
    for number in 2..9 {
        assert_eq!(bed.rtp(A, "203.0.113.1:7500", number), Verdict::Drop(Drop::Foreign));
    }
}

#[test]
fn a_new_ssrc_of_the_locked_source_is_counted_and_heard() {
    let mut bed = Bed::bridged();
    bed.rtp(A, PHONE_A, 1);
    assert_eq!(
        bed.send(A, PHONE_A, &rtp(8, 40_000, 77, &[0; 160])),
        forward(B, PHONE_B)
    );
    let quality = bed.relay.quality(LegId(1)).unwrap();
    assert_eq!((quality.packets_in, quality.lost, quality.ssrc_changes), (2, 0, 1));
}

#[test]
fn a_new_ssrc_long_after_the_plan_is_heard_once_it_comes_in_a_row_and_a_forger_in_between_is_not() {
    let speech = |sequence: u16, ssrc: u32| rtp(8, sequence, ssrc, &[0; 160]);
    let mut bed = Bed::bridged();
    bed.rtp(A, PHONE_A, 1);
    bed.pass_ms(60_000);
    for n in 2..20 {
        assert_eq!(bed.rtp(A, PHONE_A, n), forward(B, PHONE_B), "the phone goes on");
        for burst in 0..4 {
            let forged = speech(500 + n * 4 + burst, 77);
            assert_ne!(bed.send(A, PHONE_A, &forged), forward(B, PHONE_B), "{n} {burst}");
        }
        bed.pass_ms(20);
    }
    let heard: Vec<bool> = (0..5)
        .map(|n| {
            let verdict = bed.send(A, PHONE_A, &speech(40_000 + n, 78));
            bed.pass_ms(20);
            verdict == forward(B, PHONE_B)
        })
        .collect();
    assert_eq!(heard, [false, false, true, true, true]);
}

#[test]
fn a_phone_that_begins_anew_when_a_hold_ends_loses_nothing() {
    let mut bed = Bed::bridged();
    for n in 1..3000 {
        bed.rtp(A, PHONE_A, n);
        bed.pass_ms(20);
    }
    let mut held = legs();
    held[0].direction = Direction::RecvOnly;
    bed.plan(1, held).unwrap();
    bed.pass_ms(20_000);
    bed.plan(1, legs()).unwrap();
    for n in 0..100 {
        let anew = rtp(8, 40_000 + n, 78, &[0; 160]);
        assert_eq!(bed.send(A, PHONE_A, &anew), forward(B, PHONE_B), "{n}");
        bed.pass_ms(20);
    }
    let quality = bed.relay.quality(LegId(1)).unwrap();
    assert_eq!((quality.packets_in, quality.lost, quality.ssrc_changes), (3099, 0, 1));
}
