//! What the store promises, on both engines.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod rig;

use branchline_journal::{BootId, CallRecord, Direction, EndedBy, Entry, Event, Mode, Outcome, RecordedParty, Stamp};
use branchline_store::{
    Batch, CallFilter, ClaimFault, Deed, Enrolled, GivenCommand, NewBox, Place, Store, StoredGeneration, Tenant,
    TenantId,
};
use branchline_wire::v1::{
    Applied, BoxId, Command, CommandId, Health, Hello, Order, OutcomeOf, SignedGeneration, Tail,
};
use rig::{Rig, block_on, refused};
use uuid::Uuid;

const NOW: i64 = 1_790_000_000_000;
const HOUR: i64 = 3_600_000;

/// Each case with an empty store.
macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        /// All cases, on the engine of the rig.
        fn all_cases(rig: &Rig) {
            $(
                let place = rig.empty(stringify!($case));
                println!("{}: {}", rig.name, stringify!($case));
                block_on($case(&place, &place.open()));
            )*
        }
    };
}

cases![
    a_claim_lets_one_box_in_once_and_in_time,
    of_two_boxes_with_one_claim_one_gets_in,
    entries_are_kept_once_and_the_place_of_the_box_is_what_was_last_kept,
    calls_are_found_by_box_number_and_time_a_page_after_the_other,
    a_record_that_is_dated_later_replaces_the_first_in_whatever_order_they_come,
    a_generation_follows_the_newest_and_nothing_else_does,
    a_command_is_open_until_it_ended_or_ran_out_of_time,
    how_a_box_is_is_what_it_said_last,
    the_audit_log_is_a_chain_that_shows_what_was_changed,
    no_question_about_a_tenant_shows_anything_of_another,
    a_store_is_opened_again_with_all_that_is_in_it_and_one_of_a_newer_version_is_not,
];

#[test]
fn sqlite_keeps_every_promise() {
    all_cases(&Rig::sqlite());
}

#[test]
fn postgres_keeps_every_promise() {
    all_cases(&Rig::postgres());
}

fn tenant(number: u128) -> TenantId {
    TenantId(Uuid::from_u128(0x7000 + number))
}

async fn add_tenant(store: &Store, number: u128) -> TenantId {
    let id = tenant(number);
    let tenant = Tenant {
        id,
        name: format!("tenant {number}"),
        made_ms: NOW,
    };
    store.add_tenant(tenant).await.unwrap();
    id
}

fn new_box(claim: &str, number: u8) -> NewBox {
    NewBox {
        claim: claim.to_owned(),
        key: [number; 32],
        id: BoxId(Uuid::from_u128(0xb000 + u128::from(number))),
        name: format!("box {number}"),
        board: "qemu-virt".to_owned(),
        software: "0.1.0".to_owned(),
    }
}

async fn add_box(store: &Store, tenant: TenantId, number: u8) -> Enrolled {
    let claim = format!("claim {number}");
    store.add_claim(tenant, &claim, (NOW, NOW + HOUR)).await.unwrap();
    store.enrol(NOW, new_box(&claim, number)).await.unwrap().unwrap()
}

fn stamp(utc_ms: i64) -> Stamp {
    Stamp {
        utc_ms,
        clock_trusted: true,
        mono_ms: 0,
        boot: BootId(Uuid::nil()),
    }
}

fn entry(seq: u64, event: Event) -> Entry {
    Entry {
        id: Uuid::from_u128(0xe000 + u128::from(seq)),
        seq,
        stamp: stamp(NOW),
        event,
    }
}

fn record(call: u128, started_ms: i64) -> CallRecord {
    let party = |number: &str| RecordedParty {
        dialled: number.to_owned(),
        normalised: Some(number.to_owned()),
        display: None,
    };
    CallRecord {
        id: Uuid::from_u128(0xca00 + call),
        from: party("201"),
        to: party("+4930123"),
        direction: Direction::Outbound,
        trunks: vec!["provider".to_owned()],
        extensions: vec!["201".to_owned()],
        emergency: false,
        started: stamp(started_ms),
        answered: None,
        ended: stamp(started_ms + 1000),
        ring_ms: 1000,
        talk_ms: 0,
        outcome: Outcome::NoAnswer,
        q850_cause: 19,
        sip_status: 480,
        ended_by: EndedBy::Caller,
        transfers: Vec::new(),
        mode: Mode::default(),
        legs: Vec::new(),
    }
}

fn ended(seq: u64, record: CallRecord) -> Entry {
    entry(seq, Event::CallEnded(Box::new(record)))
}

fn beats(seqs: std::ops::RangeInclusive<u64>) -> Batch {
    Batch {
        entries: seqs.map(|seq| entry(seq, Event::Heartbeat { live_calls: 0 })).collect(),
        lost: 0,
    }
}

async fn a_claim_lets_one_box_in_once_and_in_time(rig: &Rig, store: &Store) {
    let tenant = add_tenant(store, 1).await;
    store.add_claim(tenant, "good", (NOW, NOW + HOUR)).await.unwrap();
    store.add_claim(tenant, "old", (NOW, NOW + HOUR)).await.unwrap();
    let cases = [
        (NOW, new_box("wrong", 1), Err(ClaimFault::Unknown)),
        (NOW, new_box("good", 1), Ok(1)),
        // The answer was lost: the same box asks again.
        (NOW, new_box("good", 1), Ok(1)),
        (NOW, new_box("good", 2), Err(ClaimFault::Used)),
        (NOW + HOUR, new_box("old", 3), Err(ClaimFault::Expired)),
        // A box that was claimed before keeps its name in the cloud.
        (NOW, new_box("old", 1), Ok(1)),
    ];
    for (at, new, expected) in cases {
        let claimed = store.enrol(at, new.clone()).await.unwrap();
        let expected = expected.map(|number| Enrolled {
            tenant,
            id: new_box("", number).id,
        });
        assert_eq!(claimed, expected, "{}: {new:?}", rig.name);
    }
    let boxes = store.boxes(tenant).await.unwrap();
    assert_eq!(boxes.len(), 1, "{}", rig.name);
    assert_eq!(store.box_of_key([1; 32]).await.unwrap().unwrap().id, boxes[0].id);
    assert_eq!(store.box_of_key([9; 32]).await.unwrap(), None);
    assert_eq!(
        refused(store.add_claim(tenant, "good", (NOW, NOW)).await),
        "the claim was changed meanwhile"
    );
}

async fn of_two_boxes_with_one_claim_one_gets_in(rig: &Rig, store: &Store) {
    let tenant = add_tenant(store, 1).await;
    store.add_claim(tenant, "one", (NOW, NOW + HOUR)).await.unwrap();
    let asking = (1..=8u8).map(|number| {
        let store = store.clone();
        async move { store.enrol(NOW, new_box("one", number)).await.unwrap() }
    });
    let mut in_together = Vec::new();
    for future in asking.collect::<Vec<_>>() {
        in_together.push(std::thread::spawn(move || block_on(future)));
    }
    let answers: Vec<_> = in_together.into_iter().map(|thread| thread.join().unwrap()).collect();
    let let_in = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(let_in, 1, "{}: {answers:?}", rig.name);
    assert_eq!(store.boxes(tenant).await.unwrap().len(), 1);
}

async fn entries_are_kept_once_and_the_place_of_the_box_is_what_was_last_kept(rig: &Rig, store: &Store) {
    let tenant = add_tenant(store, 1).await;
    let whose = add_box(store, tenant, 1).await;
    let ahead = entry(6, Event::Heartbeat { live_calls: 0 });
    store.take_in_ahead(whose, ahead).await.unwrap();
    assert_eq!(store.one_box(tenant, whose.id).await.unwrap().acked, None);
    assert_eq!(store.take_in(NOW, whose, beats(1..=4)).await.unwrap(), 4);
    assert_eq!(
        store.take_in(NOW, whose, beats(3..=7)).await.unwrap(),
        2,
        "6 is there already"
    );
    let gap = Batch {
        lost: 12,
        ..beats(20..=20)
    };
    assert_eq!(store.take_in(NOW + 5, whose, gap).await.unwrap(), 1);
    let hello = Hello {
        versions: vec![1],
        this: whose.id,
        boot: Uuid::nil(),
        software: "0.2.0".to_owned(),
        tail: None,
        first_seq: 1,
        generation: 3,
        utc_ms: 0,
        clock_trusted: false,
    };
    let known = store.greet(NOW + 9, whose, hello).await.unwrap();
    let tail = Tail {
        seq: 20,
        id: Uuid::from_u128(0xe000 + 20),
    };
    assert_eq!(known.acked, Some(tail), "{}", rig.name);
    let kept = store.one_box(tenant, whose.id).await.unwrap();
    assert_eq!(
        (kept.lost, kept.seen_ms, kept.applied, kept.software.as_str()),
        (12, NOW + 9, 3, "0.2.0")
    );
    let nobody = Enrolled {
        tenant,
        id: BoxId(Uuid::nil()),
    };
    assert_eq!(
        refused(store.take_in(NOW, nobody, beats(1..=1)).await),
        "there is no such box"
    );
}

/// Begin and id of every call, in the order of the pages.
async fn all_pages(store: &Store, tenant: TenantId) -> Vec<(i64, Uuid)> {
    let mut seen = Vec::new();
    let mut filter = CallFilter {
        limit: 7,
        ..CallFilter::default()
    };
    loop {
        let page = store.calls(tenant, filter.clone()).await.unwrap();
        seen.extend(
            page.calls
                .iter()
                .map(|call| (call.record.started.utc_ms, call.record.id)),
        );
        let Some(next) = page.next else { return seen };
        filter.after = Some(next);
    }
}

async fn add_calls(store: &Store, (tenant, one, other): (TenantId, Enrolled, Enrolled)) {
    // Some begin in the same millisecond.
    let entries = (1..=25u64).map(|seq| ended(seq, record(u128::from(seq), NOW + (seq as i64 / 3) * 1000)));
    let batch = Batch {
        entries: entries.collect(),
        lost: 0,
    };
    store.take_in(NOW, one, batch).await.unwrap();
    let mut theirs = record(99, NOW + 500);
    theirs.from.normalised = Some("305".to_owned());
    let batch = Batch {
        entries: vec![ended(1, theirs)],
        lost: 0,
    };
    store.take_in(NOW, other, batch).await.unwrap();
    assert_eq!(store.boxes(tenant).await.unwrap().len(), 2);
}

async fn calls_are_found_by_box_number_and_time_a_page_after_the_other(rig: &Rig, store: &Store) {
    let tenant = add_tenant(store, 1).await;
    let one = add_box(store, tenant, 1).await;
    let other = add_box(store, tenant, 2).await;
    add_calls(store, (tenant, one, other)).await;
    let seen = all_pages(store, tenant).await;
    let mut sorted = seen.clone();
    sorted.sort_by(|a, b| b.cmp(a));
    sorted.dedup();
    assert_eq!((seen.len(), &seen), (26, &sorted), "{}", rig.name);
    let every = CallFilter {
        limit: 200,
        ..CallFilter::default()
    };
    let number = |number: &str| CallFilter {
        number: Some(number.to_owned()),
        ..every.clone()
    };
    let (mut of, mut from, mut before, mut few) = (every.clone(), every.clone(), every.clone(), every.clone());
    of.of = Some(other.id);
    from.from_ms = Some(NOW + 8000);
    before.before_ms = Some(NOW + 500);
    few.limit = 0;
    let cases = [
        (every.clone(), 26),
        (of, 1),
        (number("305"), 1),
        (number("+4930123"), 26),
        (number("' OR 1=1 --"), 0),
        (from, 2),
        (before, 2),
        (few, 1),
    ];
    for (filter, expected) in cases {
        let found = store.calls(tenant, filter.clone()).await.unwrap().calls.len();
        assert_eq!(found, expected, "{}: {filter:?}", rig.name);
    }
}

async fn a_record_that_is_dated_later_replaces_the_first_in_whatever_order_they_come(rig: &Rig, store: &Store) {
    let tenant = add_tenant(store, 1).await;
    for (number, order) in [(1, [5u64, 9]), (2, [9, 5])] {
        let whose = add_box(store, tenant, number).await;
        for seq in order {
            let started = NOW - 7000 * i64::from(seq == 5);
            let batch = Batch {
                entries: vec![ended(seq, record(u128::from(number), started))],
                lost: 0,
            };
            store.take_in(NOW, whose, batch).await.unwrap();
        }
        let filter = CallFilter {
            of: Some(whose.id),
            limit: 5,
            ..CallFilter::default()
        };
        let calls = store.calls(tenant, filter).await.unwrap().calls;
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].record.started.utc_ms, NOW, "{} {order:?}", rig.name);
    }
}

async fn a_generation_follows_the_newest_and_nothing_else_does(rig: &Rig, store: &Store) {
    let tenant = add_tenant(store, 1).await;
    let whose = add_box(store, tenant, 1).await;
    let generation = |number: u64| StoredGeneration {
        number,
        made_ms: NOW,
        made_by: "ada".to_owned(),
        signed: SignedGeneration {
            text: format!("{{\"number\":{number}}}"),
            key: "2026-1".to_owned(),
            signature: "c2ln".to_owned(),
        },
    };
    assert_eq!(store.newest_generation(tenant, whose.id).await.unwrap(), None);
    for (number, taken) in [(2, false), (1, true), (1, false), (2, true), (4, false)] {
        let outcome = store.add_generation(tenant, whose.id, generation(number)).await;
        assert_eq!(outcome.is_ok(), taken, "{}: {number}: {outcome:?}", rig.name);
    }
    assert_eq!(
        store.newest_generation(tenant, whose.id).await.unwrap(),
        Some(generation(2))
    );
    let refusal = Applied {
        generation: 2,
        refused: Some("extension.201.number: 01x is no number".to_owned()),
        conflicts: Vec::new(),
    };
    store.set_applied(NOW, whose, refusal.clone()).await.unwrap();
    let kept = store.one_box(tenant, whose.id).await.unwrap();
    assert_eq!((kept.applied, kept.outcome), (0, Some(refusal)));
}

async fn a_command_is_open_until_it_ended_or_ran_out_of_time(rig: &Rig, store: &Store) {
    let tenant = add_tenant(store, 1).await;
    let whose = add_box(store, tenant, 1).await;
    let given = |number: u128, ttl_s: u32| GivenCommand {
        to: whose.id,
        given_ms: NOW + number as i64,
        command: Command {
            id: CommandId(Uuid::from_u128(number)),
            ttl_s,
            by: "ada".to_owned(),
            order: Order::Doctor,
        },
    };
    for (number, ttl_s) in [(1, 60), (2, 60), (2, 60), (3, 2)] {
        store.add_command(tenant, given(number, ttl_s)).await.unwrap();
    }
    let outcome = |text: &str| branchline_wire::v1::Outcome {
        command: CommandId(Uuid::from_u128(1)),
        outcome: OutcomeOf::Done { text: text.to_owned() },
    };
    store.set_outcome(whose, outcome("first")).await.unwrap();
    store.set_outcome(whose, outcome("second")).await.unwrap();
    let open = store.open_commands(NOW + 10_000, whose).await.unwrap();
    let left: Vec<_> = open
        .iter()
        .map(|command| (command.id.0.as_u128(), command.ttl_s))
        .collect();
    assert_eq!(left, [(2, 51)], "{}", rig.name);
    let first = store
        .command(tenant, (whose.id, CommandId(Uuid::from_u128(1))))
        .await
        .unwrap();
    assert_eq!(first.outcome, Some(outcome("first").outcome));
    assert_eq!(first.given, given(1, 60));
}

async fn how_a_box_is_is_what_it_said_last(rig: &Rig, store: &Store) {
    let tenant = add_tenant(store, 1).await;
    let whose = add_box(store, tenant, 1).await;
    for calls in [3, 5] {
        let health = Health {
            calls,
            mos: Some(4.25),
            faults: vec!["spool: disk full\0".to_owned()],
            ..Health::default()
        };
        store.set_health(NOW + i64::from(calls), whose, health).await.unwrap();
    }
    let kept = store.one_box(tenant, whose.id).await.unwrap();
    let health = kept.health.unwrap();
    assert_eq!(
        (health.calls, health.mos, kept.seen_ms),
        (5, Some(4.25), NOW + 5),
        "{}",
        rig.name
    );
}

fn doctor(writer: u32, subject: u32) -> Deed {
    Deed {
        at_ms: NOW,
        who: format!("writer {writer}"),
        what: "command.doctor".to_owned(),
        subject: subject.to_string(),
        detail: "{}".to_owned(),
    }
}

async fn the_audit_log_is_a_chain_that_shows_what_was_changed(rig: &Rig, store: &Store) {
    let tenant = add_tenant(store, 1).await;
    assert_eq!(store.check_audit(tenant).await.unwrap(), Ok(0));
    let writers = (0..4).map(|writer| {
        let store = store.clone();
        std::thread::spawn(move || {
            (0..5).for_each(|deed| block_on(store.audit(tenant, doctor(writer, deed))).unwrap());
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.join().unwrap();
    }
    assert_eq!(store.check_audit(tenant).await.unwrap(), Ok(20), "{}", rig.name);
    let page = store.audit_log(tenant, (18, 10)).await.unwrap();
    assert_eq!(page.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [19, 20]);
    rig.meddle("UPDATE audit SET who = 'nobody' WHERE seq = 7");
    assert_eq!(store.check_audit(tenant).await.unwrap().unwrap_err().seq, 7);
    rig.meddle("DELETE FROM audit WHERE seq = 3");
    assert_eq!(store.check_audit(tenant).await.unwrap().unwrap_err().seq, 3);
}

async fn no_question_about_a_tenant_shows_anything_of_another(rig: &Rig, store: &Store) {
    let mine = add_tenant(store, 1).await;
    let theirs = add_tenant(store, 2).await;
    let whose = add_box(store, theirs, 1).await;
    let batch = Batch {
        entries: vec![ended(1, record(1, NOW))],
        lost: 0,
    };
    store.take_in(NOW, whose, batch).await.unwrap();
    // Their ids with my name on it.
    let forged = Enrolled {
        tenant: mine,
        id: whose.id,
    };
    let filter = CallFilter {
        of: Some(whose.id),
        limit: 9,
        ..CallFilter::default()
    };
    assert!(store.boxes(mine).await.unwrap().is_empty());
    assert!(store.calls(mine, filter).await.unwrap().calls.is_empty());
    assert_eq!(refused(store.one_box(mine, whose.id).await), "there is no such box");
    assert_eq!(
        refused(store.take_in(NOW, forged, beats(2..=2)).await),
        "there is no such box"
    );
    store.set_health(NOW, forged, Health::default()).await.unwrap();
    assert_eq!(
        store.one_box(theirs, whose.id).await.unwrap().health,
        None,
        "{}",
        rig.name
    );
}

#[test]
fn postgres_itself_keeps_the_tenants_apart_and_a_role_that_sees_all_is_refused() {
    let rig = Rig::postgres().empty("apart");
    let store = rig.open();
    let (mine, whose) = block_on(async {
        let mine = add_tenant(&store, 1).await;
        let theirs = add_tenant(&store, 2).await;
        (mine, add_box(&store, theirs, 1).await)
    });
    let mut client = rig::connect(&rig.url_as("branchline")).unwrap();
    let count = |client: &mut postgres::Client, tenant: &str| -> i64 {
        let mut transaction = client.transaction().unwrap();
        let set = transaction.execute("SELECT set_config('branchline.tenant', $1, true)", &[&tenant]);
        set.unwrap();
        transaction.query_one("SELECT count(*) FROM box", &[]).unwrap().get(0)
    };
    let bare: i64 = client.query_one("SELECT count(*) FROM box", &[]).unwrap().get(0);
    assert_eq!(
        bare, 0,
        "without a tenant nothing is seen, not even by the owner of the table"
    );
    assert_eq!(count(&mut client, &mine.0.to_string()), 0);
    assert_eq!(count(&mut client, &whose.tenant.0.to_string()), 1);

    let all_seeing = Place::Postgres(rig.url_as("administrator"));
    let problem = refused(block_on(Store::open(&all_seeing)).map(|_| ()));
    assert!(
        problem.contains("`administrator`") && problem.contains("SUPERUSER"),
        "{problem}"
    );
}

async fn a_store_is_opened_again_with_all_that_is_in_it_and_one_of_a_newer_version_is_not(rig: &Rig, store: &Store) {
    let tenant = add_tenant(store, 1).await;
    let again = Store::open(&rig.place).await.unwrap();
    assert_eq!(again.tenants().await.unwrap()[0].id, tenant, "{}", rig.name);
    let newer = match &rig.place {
        Place::Sqlite(_) => "PRAGMA user_version = 99",
        Place::Postgres(_) => "INSERT INTO store_version VALUES (99)",
    };
    rig.meddle(newer);
    let problem = refused(Store::open(&rig.place).await.map(|_| ()));
    assert!(
        problem.contains("version 99") && problem.contains("install the newer"),
        "{problem}"
    );
}

#[test]
fn a_place_is_named_in_one_of_two_ways() {
    for good in [
        "sqlite:cloud.db",
        "postgresql://branchline@db/cloud",
        "postgres://db/cloud",
    ] {
        assert!(good.parse::<Place>().is_ok(), "{good}");
    }
    for bad in ["", "cloud.db", "sqlite:", "mysql://db/cloud"] {
        let problem = bad.parse::<Place>().unwrap_err().to_string();
        assert!(problem.contains(bad) && problem.contains("sqlite:FILE"), "{problem}");
    }
}
