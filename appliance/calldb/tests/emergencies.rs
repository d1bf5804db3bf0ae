//! Who called for help is known after a restart, from the journal or from SQLite alone.

mod common;

use branchline_calldb::*;
use common::*;

fn callbacks(report: &OpenReport) -> Vec<Option<&str>> {
    report.emergencies.iter().map(|call| call.callback.as_deref()).collect()
}

/// What of the box's files is gone at the next start.
fn lose(what: &str, dir: &std::path::Path) {
    let paths = Paths::under(dir);
    match what {
        "the journal" => std::fs::remove_dir_all(&paths.journals[0]).expect("the journal is there"),
        "the database" => std::fs::remove_file(paths.database).expect("the database is there"),
        _ => {}
    }
}

#[test]
fn calls_for_help_come_back_in_order_each_with_its_latest_word() {
    let expected = [Some("+12125550102"), Some("+12125550103")];
    for lost in ["nothing", "the journal", "the database"] {
        let dir = place();
        let mut rig = open(dir.path());
        rig.keep(vec![
            help(1, "+12125550101"),
            help(2, "+12125550102"),
            help(1, "+12125550103"),
        ]);
        rig.wait_until_applied();
        rig.close();
        lose(lost, dir.path());
        let reopened = open(dir.path());
        assert_eq!(callbacks(&reopened.report), expected, "{lost} is lost");
        reopened.close();
    }
}

#[test]
fn the_list_of_calls_for_help_is_bounded() {
    let dir = place();
    let mut rig = open(dir.path());
    rig.keep(
        (1..=600)
            .map(|number| help(number, &format!("+1212556{number:04}")))
            .collect(),
    );
    rig.wait_until_applied();
    rig.close();
    std::fs::remove_dir_all(&Paths::under(dir.path()).journals[0]).unwrap();
    let reopened = open(dir.path());
    let found = callbacks(&reopened.report);
    assert_eq!(
        (found.len(), found[0], found[499]),
        (500, Some("+12125560101"), Some("+12125560600"))
    );
    reopened.close();
}

#[test]
fn a_flood_of_forged_calls_leaves_those_of_telephones_to_be_called_back_after_a_restart() {
    for lost in ["nothing", "the journal", "the database"] {
        let dir = place();
        let mut rig = open(dir.path());
        rig.keep(vec![help(1, "+12125550101"), help(2, "+12125550102")]);
        rig.keep((1_001..=1_600).map(|number| help(number, "+12125550199")).collect());
        rig.wait_until_applied();
        rig.close();
        lose(lost, dir.path());
        let reopened = open(dir.path());
        let found = callbacks(&reopened.report);
        assert_eq!(
            (found.len(), found[0], found[1]),
            (500, Some("+12125550101"), Some("+12125550102")),
            "{lost} is lost"
        );
        assert_eq!(reopened.report.emergencies[499].call, call(1_600));
        reopened.close();
    }
}
