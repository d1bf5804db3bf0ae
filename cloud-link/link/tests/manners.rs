//! What each end does when the other one does not keep to the protocol, or says no.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use branchline_journal::{BootId, Entry, Event, Stamp};
use branchline_link::{
    BACKOFF_MAX, BoxEnd, BoxEndConfig, BoxOutput, Closing, CloudEnd, CloudOutput, JournalState, KnownBox, Lost,
    Progress,
};
use branchline_wire::v1::{
    Ack, BoxId, Command, CommandId, Down, Enrol, Entries, Hello, Order, Outcome, OutcomeOf, Refusal, Tail, Up, Welcome,
};
use uuid::Uuid;

const THIS: BoxId = BoxId(Uuid::from_u128(1));
const OTHER: BoxId = BoxId(Uuid::from_u128(2));

#[expect(clippy::disallowed_methods, reason = "any instant will do")]
fn now() -> Instant {
    Instant::now()
}

fn entry(seq: u64) -> Entry {
    Entry {
        id: Uuid::from_u128(u128::from(seq)),
        seq,
        stamp: Stamp {
            utc_ms: 0,
            clock_trusted: true,
            mono_ms: 0,
            boot: BootId(Uuid::nil()),
        },
        event: Event::Heartbeat { live_calls: 0 },
    }
}

fn batch(seqs: &[u64], lost: u64) -> Up {
    Up::Entries(Entries {
        entries: seqs.iter().copied().map(entry).collect(),
        lost,
    })
}

fn hello(this: BoxId, versions: &[u16]) -> Up {
    Up::Hello(Hello {
        versions: versions.to_vec(),
        this,
        boot: Uuid::nil(),
        software: "0.1.0".to_owned(),
        tail: None,
        first_seq: 1,
        generation: 0,
        utc_ms: 0,
        clock_trusted: true,
    })
}

/// A session with a box whose entry 40 is the last that is stored.
fn cloud_up(now: Instant) -> CloudEnd {
    let mut end = CloudEnd::new(now, Some(THIS));
    end.handle_message(now, hello(THIS, &[1]));
    let known = KnownBox {
        acked: Some(tail(40)),
        ..KnownBox::default()
    };
    end.handle_known(now, known, 0);
    while end.poll_output().is_some() {}
    end
}

fn tail(seq: u64) -> Tail {
    Tail {
        seq,
        id: Uuid::from_u128(u128::from(seq)),
    }
}

fn closing(end: &mut CloudEnd) -> Option<Closing> {
    std::iter::from_fn(|| end.poll_output()).find_map(|output| match output {
        CloudOutput::Close(why) => Some(why),
        _ => None,
    })
}

#[test]
fn a_connection_says_who_it_is_and_only_who_its_certificate_says() {
    let enrol = Up::Enrol(Enrol {
        versions: vec![1],
        claim: String::new(),
        request: String::new(),
        name: String::new(),
        board: String::new(),
        software: String::new(),
    });
    let cases = [
        (Some(THIS), hello(THIS, &[1]), None),
        (
            Some(THIS),
            hello(OTHER, &[1]),
            Some("the box says it is another box than its certificate does"),
        ),
        (
            None,
            hello(THIS, &[1]),
            Some("the box says it is another box than its certificate does"),
        ),
        (None, enrol, None),
        (Some(THIS), batch(&[1], 0), Some("the box speaks before its hello")),
        (None, Up::Ping, None),
    ];
    for (certified, message, expected) in cases {
        let now = now();
        let mut end = CloudEnd::new(now, certified);
        end.handle_message(now, message.clone());
        let closed = closing(&mut end).map(|why| why.to_string());
        assert_eq!(closed.as_deref(), expected, "{certified:?} {message:?}");
    }
}

#[test]
fn a_box_of_a_later_version_only_is_told_so() {
    let now = now();
    let mut end = CloudEnd::new(now, Some(THIS));
    end.handle_message(now, hello(THIS, &[7, 8]));
    end.handle_known(now, KnownBox::default(), 0);
    let outputs: Vec<_> = std::iter::from_fn(|| end.poll_output()).collect();
    assert!(
        matches!(&outputs[1], CloudOutput::Send(Down::Refused(refusal)) if refusal.problem.contains("versions [1]")),
        "{outputs:?}"
    );
    assert!(matches!(outputs[2], CloudOutput::Close(Closing::Refused(_))));
}

#[test]
fn a_batch_follows_the_one_before_or_says_what_is_missing() {
    let gap = Some("the box leaves a gap that it does not tell of");
    let cases = [
        (vec![batch(&[41, 42], 0), batch(&[43], 0)], None),
        // Its journal was lost: it begins where it likes, never beyond what is stored.
        (vec![batch(&[1], 0), batch(&[2], 0)], None),
        (vec![batch(&[42], 0)], gap),
        (vec![batch(&[46], 5)], None),
        (vec![batch(&[41], 0), batch(&[44], 2)], None),
        (vec![batch(&[41], 0), batch(&[44], 1)], gap),
        (vec![batch(&[41], 0), batch(&[41], 0)], gap),
        (vec![batch(&[41, 43], 0)], gap),
        (vec![batch(&[41], u64::MAX), batch(&[42], u64::MAX)], gap),
        (vec![batch(&[], 0)], Some("the box sends a batch without entries")),
    ];
    for (batches, expected) in cases {
        let now = now();
        let mut end = cloud_up(now);
        for batch in &batches {
            end.handle_message(now, batch.clone());
        }
        let closed = closing(&mut end).map(|why| why.to_string());
        assert_eq!(closed.as_deref(), expected, "{batches:?}");
    }
}

#[test]
fn nothing_is_acknowledged_before_it_is_stored() {
    let now = now();
    let mut end = cloud_up(now);
    end.handle_message(now, batch(&[41, 42], 0));
    assert!(matches!(end.poll_output(), Some(CloudOutput::Store { .. })));
    assert_eq!(end.poll_output(), None);
    end.handle_stored();
    assert_eq!(
        end.poll_output(),
        Some(CloudOutput::Send(Down::Ack(Ack { up_to: tail(42) })))
    );
}

#[test]
fn a_box_that_sends_without_waiting_for_the_store_is_closed() {
    let now = now();
    let mut end = cloud_up(now);
    for seq in 41..200 {
        end.handle_message(now, batch(&[seq], 0));
    }
    assert_eq!(closing(&mut end), Some(Closing::Protocol("sends more than its window")));
}

fn box_end(now: Instant) -> BoxEnd {
    let config = BoxEndConfig {
        this: THIS,
        boot: Uuid::nil(),
        software: "0.1.0".to_owned(),
        entries_per_s: 100,
        seed: [3; 32],
    };
    let journal = JournalState {
        first_seq: 1,
        tail: Some(tail(3)),
    };
    let mut end = BoxEnd::new(now, config, journal, 0);
    end.handle_timeout(now);
    assert_eq!(end.poll_output(now), Some(BoxOutput::Connect));
    end.handle_connected(now);
    assert!(matches!(end.poll_output(now), Some(BoxOutput::Send(Up::Hello(_)))));
    end
}

fn welcome(version: u16) -> Down {
    Down::Welcome(Welcome {
        version,
        acked: None,
        window: 10,
        health_s: 30,
        generation: 0,
        utc_ms: 0,
    })
}

fn pause(end: &BoxEnd, now: Instant) -> Duration {
    assert_eq!(end.progress(), Progress::Waiting);
    end.poll_timeout().unwrap().0 - now
}

#[test]
fn a_box_that_is_refused_asks_again_when_it_may_and_seldom_when_nobody_knows() {
    for (retry_after_s, at_least, at_most) in [(Some(20), 20, 25), (None, 300, 375), (Some(u32::MAX), 3600, 4500)] {
        let now = now();
        let mut end = box_end(now);
        let refusal = Refusal {
            problem: "the claim code was used".to_owned(),
            retry_after_s,
        };
        end.handle_message(now, Down::Refused(refusal.clone()));
        assert_eq!(end.poll_output(now), Some(BoxOutput::Disconnect));
        assert_eq!(end.lost(), Some(&Lost::Refused(refusal)));
        let pause = pause(&end, now).as_secs();
        assert!((at_least..=at_most).contains(&pause), "{pause} s");
        assert!(BACKOFF_MAX.as_secs() == 300);
    }
}

#[test]
fn a_cloud_that_breaks_the_protocol_or_is_silent_is_left() {
    let never_sent = Down::Ack(Ack { up_to: tail(2) });
    let cases = [
        (
            vec![welcome(9)],
            "the cloud chose a version that this box does not speak",
        ),
        (vec![welcome(1), welcome(1)], "the cloud greeted twice"),
        (
            vec![welcome(1), never_sent],
            "the cloud acknowledges what was never sent",
        ),
    ];
    for (messages, expected) in cases {
        let now = now();
        let mut end = box_end(now);
        for message in messages {
            end.handle_message(now, message);
        }
        assert_eq!(end.lost().map(ToString::to_string).as_deref(), Some(expected));
    }
    let started = now();
    let mut end = box_end(started);
    end.handle_message(started, welcome(1));
    let mut now = started;
    while end.progress() == Progress::Up {
        now = end.poll_timeout().unwrap().0;
        end.handle_timeout(now);
        while end.poll_output(now).is_some() {}
    }
    assert_eq!(end.lost(), Some(&Lost::Silent));
    assert_eq!(now - started, Duration::from_secs(50));
}

#[test]
fn a_command_is_carried_out_once_however_often_it_comes() {
    let now = now();
    let mut end = box_end(now);
    end.handle_message(now, welcome(1));
    while end.poll_output(now).is_some() {}
    let command = Command {
        id: CommandId(Uuid::from_u128(9)),
        ttl_s: 60,
        by: "ada".to_owned(),
        order: Order::Doctor,
    };
    let outcome = Outcome {
        command: command.id,
        outcome: OutcomeOf::Done {
            text: "all is well".to_owned(),
        },
    };
    for _ in 0..2 {
        end.handle_message(now, Down::Command(command.clone()));
    }
    assert_eq!(end.poll_output(now), Some(BoxOutput::Run(command.clone())));
    assert_eq!(end.poll_output(now), None);
    end.handle_outcome(outcome.clone());
    end.handle_message(now, Down::Command(command));
    for _ in 0..2 {
        assert_eq!(
            end.poll_output(now),
            Some(BoxOutput::Send(Up::Outcome(outcome.clone())))
        );
    }
}
