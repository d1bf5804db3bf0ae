//! A configuration that is taken while the box runs: what counts for the very next call, and what the log is told.

use std::time::Duration;

use branchline_branch::{Command, Level, Now, Watched};
use branchline_journal::DatabaseMode;

use crate::office::{Office, configuration, moment};

const LINE: &str = "[[trunk]]\nname = \"provider\"\nhost = \"sip.example.net\"\nmode = \"address\"\n";

fn now(office: &Office) -> Now {
    moment(office.base, office.now)
}

fn reload(office: &mut Office, text: &str) {
    let at = now(office);
    office
        .branch
        .handle_command(at, Command::Configure(Box::new(configuration(text))));
    office.run();
}

/// How a call from 201 is refused; `None` while it goes on.
fn refused(office: &mut Office, number: &str) -> Option<u16> {
    let before = office.records().len();
    office.call(0, number);
    office.run();
    office.records().get(before).map(|record| record.sip_status)
}

#[test]
fn each_section_that_decides_about_calls_counts_for_the_next_one() {
    let degraded = "[storage]\nclass_while_degraded = \"nothing\"\n[[class]]\nname = \"nothing\"\nallow = []\n";
    let cases = [
        (
            "extension",
            "[[extension]]\nnumber = \"204\"\nha1_md5 = \"00000000000000000000000000000000\"\n",
            "204",
            480,
        ),
        (
            "class",
            "[[class]]\nname = \"default\"\nallow = [\"local\"]\n",
            "202",
            403,
        ),
        (
            "route",
            "[[route]]\npattern = \"+1*\"\ntrunks = [\"provider\"]\n",
            "03012345678",
            404,
        ),
        ("storage", degraded, "202", 403),
        ("emergency", "[emergency]\ntest_number = \"\"\n", "933", 404),
    ];
    for (section, more, dialled, status) in cases {
        let mut office = Office::with(LINE);
        assert_eq!((office.register(0), office.register(1)), (200, 200));
        if section == "storage" {
            let at = now(&office);
            office.branch.handle_storage(at, DatabaseMode::Degraded);
        }
        assert_ne!(refused(&mut office, dialled), Some(status), "{section} before");
        let mut office = Office::with(LINE);
        assert_eq!((office.register(0), office.register(1)), (200, 200));
        if section == "storage" {
            let at = now(&office);
            office.branch.handle_storage(at, DatabaseMode::Degraded);
        }
        reload(&mut office, &format!("{LINE}{more}"));
        assert_eq!(refused(&mut office, dialled), Some(status), "{section} after");
    }
}

#[test]
fn a_bound_of_sip_counts_for_the_next_registration_and_a_trunk_that_goes_is_gone() {
    let mut office = Office::with(LINE);
    assert_eq!(office.register(0), 200);
    assert_eq!(office.view().trunks.len(), 1);
    reload(&mut office, "[sip]\nmax_registrations = 1\n");
    assert_eq!(office.register(1), 503);
    assert!(office.view().trunks.is_empty());
}

#[test]
fn a_call_that_is_up_goes_on_through_a_reload_that_changes_everything_about_it() {
    let mut office = Office::with(LINE);
    assert_eq!((office.register(0), office.register(1)), (200, 200));
    office.talk(0, 1);
    reload(
        &mut office,
        "[sip]\nlisten = [\"udp:127.0.0.1:5099\"]\nmax_calls = 1\n[[class]]\nname = \"default\"\nallow = []\n",
    );
    let view = office.view();
    assert_eq!((view.calls.len(), view.calls[0].state.as_str()), (1, "up"));
    assert!(office.records().is_empty());
}

#[test]
fn why_a_call_went_where_it_went_is_said_only_to_whoever_reads_it() {
    for watched in [Watched::No, Watched::Yes] {
        let mut office = Office::new();
        let at = now(&office);
        office.branch.handle_command(at, Command::Explain(watched));
        assert_eq!((office.register(0), office.register(1)), (200, 200));
        office.call(0, "202");
        office.call(0, "77");
        let explained: Vec<_> = office
            .notices
            .iter()
            .filter(|notice| notice.level == Level::Debug)
            .collect();
        if watched == Watched::No {
            assert!(explained.is_empty(), "{explained:?}");
            continue;
        }
        let said = |text: &str, why: &str| {
            explained
                .iter()
                .any(|notice| notice.text == text && notice.about.why.as_deref() == Some(why))
        };
        assert!(said("request turned away", "it shows no password"), "{explained:?}");
        assert!(said("call routed", "202 at 192.0.2.12:5060"), "{explained:?}");
        assert!(said("call refused", "the number is incomplete"), "{explained:?}");
    }
}

#[test]
fn who_registers_and_who_is_gone_is_told_by_number_and_address() {
    let mut office = Office::new();
    assert_eq!(office.register(0), 200);
    office.wait(Duration::from_secs(2 * 3600));
    let told: Vec<_> = office
        .notices
        .iter()
        .filter(|notice| notice.about.extension.as_deref() == Some("201"))
        .map(|notice| {
            (
                notice.text.as_str(),
                notice.about.address.as_deref(),
                notice.about.why.as_deref(),
            )
        })
        .collect();
    let address = Some("192.0.2.11:5060");
    assert_eq!(
        told,
        [
            ("registered", address, None),
            ("registration ended", address, Some("not refreshed"))
        ]
    );
}
