//! Prints how fast entries are taken, kept and applied: `cargo run --release -p branchline-calldb --example append_speed -- DIR`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement reads the clock and prints"
)]

use std::error::Error;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Instant;

use branchline_calldb::{CallDb, Limits, Notice, Paths, Setup};
use branchline_journal::{
    BootId, CallRecord, Direction, EndedBy, Entry, Event, LegQuality, LegSide, Mode, Outcome, RecordedParty, Stamp,
    Uuid, uuid_v7,
};

const ENTRIES: u64 = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("usage: append_speed DIR")?);
    std::fs::create_dir_all(&dir)?;
    for group in [1, 8, 64] {
        let (tell, acks) = mpsc::channel();
        let notify = move |notice| {
            if let Notice::Acked(ack) = notice {
                let _ = tell.send(ack.up_to_seq);
            }
        };
        let setup = Setup {
            paths: Paths::under(&dir),
            limits: Limits::default(),
            now: stamp(0),
        };
        let (mut call_db, _) = CallDb::open(&setup, notify)?;
        let started = Instant::now();
        let last_seq = call_db.next_seq() + ENTRIES - 1;
        let mut acked = call_db.next_seq() - 1;
        while acked < last_seq {
            // So many calls end at once; the next ones when these are kept.
            let from = call_db.next_seq();
            call_db.append((from..(from + group).min(last_seq + 1)).map(entry).collect())?;
            while acked + 1 < call_db.next_seq() {
                acked = acks.recv()?;
            }
        }
        let kept = started.elapsed();
        call_db.close();
        let per_entry_us = kept.as_micros() as f64 / ENTRIES as f64;
        println!(
            "{ENTRIES} call records, {group} at a time: kept in {:.2} s ({per_entry_us:.0} us each), applied after {:.2} s",
            kept.as_secs_f64(),
            started.elapsed().as_secs_f64(),
        );
    }
    Ok(())
}

fn stamp(mono_ms: u64) -> Stamp {
    let utc_ms = 1_700_000_000_000 + mono_ms as i64;
    Stamp {
        utc_ms,
        clock_trusted: true,
        mono_ms,
        boot: BootId(Uuid::from_u128(1)),
    }
}

fn entry(seq: u64) -> Entry {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&seq.to_be_bytes());
    let id = uuid_v7(stamp(seq).utc_ms, &random);
    let party = |number: u64| RecordedParty {
        dialled: number.to_string(),
        normalised: Some(format!("+4930{number}")),
        display: Some("Reception".into()),
    };
    let leg = |side| LegQuality {
        side,
        codec: "PCMA".into(),
        packets: 9000,
        lost: 12,
        loss_percent: 0.13,
        jitter_ms: 3.5,
        rtt_ms: Some(24.0),
        mos: Some(4.3),
    };
    let record = CallRecord {
        id,
        from: party(200 + seq % 100),
        to: party(300 + seq % 700),
        direction: Direction::Outbound,
        trunks: vec!["main".into()],
        extensions: vec![(200 + seq % 100).to_string()],
        emergency: false,
        started: stamp(seq),
        answered: Some(stamp(seq + 4)),
        ended: stamp(seq + 90),
        ring_ms: 4,
        talk_ms: 86,
        outcome: Outcome::Answered,
        q850_cause: 16,
        sip_status: 200,
        ended_by: EndedBy::Caller,
        transfers: vec![],
        mode: Mode::default(),
        legs: vec![leg(LegSide::Caller), leg(LegSide::Callee)],
    };
    Entry {
        id,
        seq,
        stamp: stamp(seq),
        event: Event::CallEnded(Box::new(record)),
    }
}
