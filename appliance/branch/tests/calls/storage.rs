//! The call database fails: calls go on, and records say how the box was.

use branchline_journal::DatabaseMode;

use crate::office::{Office, moment};

#[test]
fn a_record_says_how_the_database_was_when_the_call_began() {
    let mut office = Office::new();
    assert_eq!((office.register(0), office.register(1)), (200, 200));
    let modes = [DatabaseMode::Degraded, DatabaseMode::Recovering, DatabaseMode::Normal];
    for mode in modes {
        let now = moment(office.base, office.now);
        office.branch.handle_storage(now, mode);
        let call = office.call(0, "202");
        office.accept(1);
        // It is well again, or not, before the call ends: what counts is the start.
        office.branch.handle_storage(now, DatabaseMode::Normal);
        let now = office.now;
        office.phones[0].agent.hang_up(now, call, None);
        office.run();
    }
    let found: Vec<DatabaseMode> = office.records().iter().map(|record| record.mode.database).collect();
    assert_eq!(found, modes);
}
