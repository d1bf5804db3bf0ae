//! The figures of a view for Prometheus.

mod exposition;

use branchline_branch::view::{BoardView, Counters, HealthView, SocketsView, StorageView, View};

pub use exposition::CONTENT_TYPE;
use exposition::{Exposition, Kind};

/// The whole page.
pub fn render(view: &View) -> String {
    let mut page = Exposition::new();
    page.one("branchline_build_info", Kind::Gauge, "Version of the program.");
    page.sample("branchline_build_info", &[("version", crate::version::own())], 1.0);
    page.plain(
        "branchline_up_seconds",
        Kind::Gauge,
        "Time since the daemon started.",
        view.up_ms as f64 / 1000.0,
    );
    traffic(&mut page, &view.counters);
    calls(&mut page, &view.counters);
    gauges(&mut page, &view.counters);
    health(&mut page, &view.health);
    sockets(&mut page, &view.sockets);
    storage(&mut page, &view.storage);
    board(&mut page, view.board.as_ref());
    phones_and_calls(&mut page, view);
    trunks(&mut page, view);
    hosted(&mut page, view);
    page.into_text()
}

fn traffic(page: &mut Exposition, counters: &Counters) {
    let totals = [
        (
            "branchline_sip_received_messages_total",
            "SIP messages received.",
            counters.sip_received,
        ),
        (
            "branchline_sip_sent_messages_total",
            "SIP messages sent.",
            counters.sip_sent,
        ),
        (
            "branchline_sip_malformed_messages_total",
            "SIP messages refused by the parser.",
            counters.sip_malformed,
        ),
        (
            "branchline_sip_retransmitted_messages_total",
            "SIP messages sent again.",
            counters.sip_retransmitted,
        ),
        (
            "branchline_registers_accepted_total",
            "REGISTER requests accepted.",
            counters.registers_accepted,
        ),
        (
            "branchline_auth_failures_total",
            "Requests with wrong credentials.",
            counters.auth_failures,
        ),
        (
            "branchline_banned_requests_total",
            "Requests dropped from sources shut out.",
            counters.banned_requests,
        ),
        (
            "branchline_sources_forgotten_total",
            "Sources that were forgotten because a table of the guard was full.",
            counters.sources_forgotten,
        ),
        (
            "branchline_journal_entries_total",
            "Journal entries made.",
            counters.journal_entries,
        ),
    ];
    page.counts(Kind::Counter, &totals);
}

fn calls(page: &mut Exposition, counters: &Counters) {
    let totals = [
        (
            "branchline_calls_started_total",
            "Calls started.",
            counters.calls_started,
        ),
        (
            "branchline_calls_answered_total",
            "Calls answered.",
            counters.calls_answered,
        ),
        (
            "branchline_calls_shed_total",
            "Calls refused by overload control.",
            counters.calls_shed,
        ),
        (
            "branchline_requests_shed_total",
            "Requests of any kind refused by overload control, calls included.",
            counters.requests_shed,
        ),
        (
            "branchline_media_foreign_packets_total",
            "Media packets dropped because they came from somewhere else, of calls that are over.",
            counters.media_foreign,
        ),
        (
            "branchline_media_garbage_packets_total",
            "Media packets dropped because they were neither RTP nor RTCP, of calls that are over.",
            counters.media_garbage,
        ),
        (
            "branchline_media_unsent_packets_total",
            "Media packets that could not go on, of calls that are over.",
            counters.media_unsent,
        ),
        (
            "branchline_calls_emergency_total",
            "Emergency calls.",
            counters.calls_emergency,
        ),
        (
            "branchline_calls_emergency_quiet_total",
            "Emergency calls of unregistered phones, too many to be told.",
            counters.calls_emergency_quiet,
        ),
        (
            "branchline_calls_preempted_total",
            "Calls that gave their channel to an emergency call.",
            counters.calls_preempted,
        ),
        (
            "branchline_elins_reused_total",
            "ELINs given out while their last caller could still be called back.",
            counters.elins_reused,
        ),
        (
            "branchline_records_left_undated_total",
            "Records whose times stay wrong, made before the time was known.",
            counters.records_left_undated,
        ),
    ];
    page.counts(Kind::Counter, &totals);
}

fn sockets(page: &mut Exposition, sockets: &SocketsView) {
    let totals = [
        (
            "branchline_sip_unsent_datagrams_total",
            "SIP datagrams that the system did not take.",
            sockets.datagrams_unsent,
        ),
        (
            "branchline_sip_refused_connections_total",
            "SIP connections refused because there were too many.",
            sockets.connections_refused,
        ),
        (
            "branchline_sip_slow_connections_total",
            "SIP connections closed because the peer did not read.",
            sockets.connections_slow,
        ),
        (
            "branchline_sip_malformed_connections_total",
            "SIP connections closed because what came was not SIP.",
            sockets.connections_malformed,
        ),
        (
            "branchline_sip_idle_connections_total",
            "SIP connections closed because nothing whole came.",
            sockets.connections_idle,
        ),
        (
            "branchline_tls_failed_handshakes_total",
            "TLS handshakes that failed.",
            sockets.handshakes_failed,
        ),
    ];
    page.counts(Kind::Counter, &totals);
}

fn gauges(page: &mut Exposition, counters: &Counters) {
    let gauges = [
        (
            "branchline_registrations",
            "Live registrations.",
            counters.registrations,
        ),
        (
            "branchline_transactions",
            "SIP transactions in memory.",
            counters.transactions,
        ),
        ("branchline_sessions", "SIP sessions in memory.", counters.sessions),
    ];
    page.counts(Kind::Gauge, &gauges);
}

fn storage(page: &mut Exposition, storage: &StorageView) {
    let behind = storage.written_seq.saturating_sub(storage.applied_seq);
    page.plain(
        "branchline_database_behind_entries",
        Kind::Gauge,
        "Entries in the journal that are not in the call database yet.",
        behind as f64,
    );
    page.plain(
        "branchline_journal_held_bytes",
        Kind::Gauge,
        "Bytes of the journal that wait for the call database.",
        storage.held_bytes as f64,
    );
    page.plain(
        "branchline_journal_lost_entries_total",
        Kind::Counter,
        "Entries lost because every disk failed for longer than memory lasts.",
        storage.lost_entries as f64,
    );
    page.one(
        "branchline_journal_home_usable",
        Kind::Gauge,
        "1 while a home of the journal can be written.",
    );
    for home in &storage.homes {
        let usable = f64::from(u8::from(home.fault.is_empty()));
        page.sample(
            "branchline_journal_home_usable",
            &[("directory", &home.directory)],
            usable,
        );
    }
    page.plain(
        "branchline_configuration_fallback",
        Kind::Gauge,
        "1 while the configuration in force is not the file.",
        f64::from(u8::from(!storage.configuration.is_empty())),
    );
}

fn board(page: &mut Exposition, board: Option<&BoardView>) {
    let Some(board) = board else { return };
    page.plain(
        "branchline_board_running",
        Kind::Gauge,
        "1 while the program of the board is there.",
        f64::from(u8::from(board.is_running)),
    );
    page.plain(
        "branchline_board_faults",
        Kind::Gauge,
        "Devices of the board, or pins, that do not work.",
        board.faults.len() as f64,
    );
}

fn health(page: &mut Exposition, health: &HealthView) {
    let flag = |yes: bool| f64::from(u8::from(yes));
    let degraded = flag(health.database == "degraded");
    let gauges = [
        (
            "branchline_database_degraded",
            "1 while the call database is bypassed or records are not durable in time.",
            degraded,
        ),
        (
            "branchline_database_recovering",
            "1 while the call database catches up with the journal.",
            flag(health.database == "recovering"),
        ),
        (
            "branchline_journal_pending_entries",
            "Entries not yet durable.",
            f64::from(health.journal_pending),
        ),
        (
            "branchline_clock_trusted",
            "1 while wall time is trusted.",
            flag(health.clock_trusted),
        ),
        (
            "branchline_media_ports_free",
            "Media ports in stock.",
            f64::from(health.ports_free),
        ),
        (
            "branchline_overloaded",
            "1 while new calls are shed.",
            flag(health.overloaded),
        ),
        (
            "branchline_banned_addresses",
            "Addresses shut out.",
            health.banned.len() as f64,
        ),
    ];
    for (name, help, value) in gauges {
        page.plain(name, Kind::Gauge, help, value);
    }
}

fn phones_and_calls(page: &mut Exposition, view: &View) {
    let reachable = view.phones.iter().filter(|phone| !phone.contacts.is_empty()).count();
    page.plain(
        "branchline_extensions",
        Kind::Gauge,
        "Configured extensions.",
        view.phones.len() as f64,
    );
    page.plain(
        "branchline_extensions_reachable",
        Kind::Gauge,
        "Extensions with a registration.",
        reachable as f64,
    );
    page.one("branchline_calls", Kind::Gauge, "Calls in progress.");
    for state in ["ringing", "early", "up", "held", "transferring"] {
        let count = view.calls.iter().filter(|call| call.state == state).count();
        page.sample("branchline_calls", &[("state", state)], count as f64);
    }
    let worst = view.calls.iter().filter_map(|call| call.mos).reduce(f32::min);
    if let Some(worst) = worst {
        page.plain(
            "branchline_calls_mos_min",
            Kind::Gauge,
            "Worst mean opinion score of a call, 1 to 4.5.",
            worst.into(),
        );
    }
}

fn trunks(page: &mut Exposition, view: &View) {
    if view.trunks.is_empty() {
        return;
    }
    page.one("branchline_trunk_up", Kind::Gauge, "1 while the trunk takes calls.");
    for trunk in &view.trunks {
        page.sample(
            "branchline_trunk_up",
            &[("trunk", &trunk.name)],
            f64::from(u8::from(trunk.state == "up")),
        );
    }
    page.one(
        "branchline_trunk_calls",
        Kind::Gauge,
        "Calls in progress over the trunk.",
    );
    for trunk in &view.trunks {
        page.sample(
            "branchline_trunk_calls",
            &[("trunk", &trunk.name)],
            f64::from(trunk.calls),
        );
    }
    page.one(
        "branchline_trunk_round_trip_seconds",
        Kind::Gauge,
        "Round trip of the last OPTIONS.",
    );
    for trunk in &view.trunks {
        if let Some(rtt_ms) = trunk.rtt_ms {
            let name = [("trunk", trunk.name.as_str())];
            page.sample("branchline_trunk_round_trip_seconds", &name, f64::from(rtt_ms) / 1000.0);
        }
    }
}

fn hosted(page: &mut Exposition, view: &View) {
    let Some(hosted) = &view.hosted else { return };
    let name = "branchline_hosted_mode";
    page.one(
        name,
        Kind::Gauge,
        "1 for how the hosted PBX is: online, suspect, survival or returning.",
    );
    for mode in ["online", "suspect", "survival", "returning"] {
        let is = f64::from(u8::from(hosted.mode == mode));
        page.sample(name, &[("mode", mode)], is);
    }
    let seconds = |utc_ms: i64| std::time::Duration::from_millis(utc_ms.max(0).unsigned_abs()).as_secs_f64();
    let figures = [
        (
            "since_timestamp_seconds",
            "When that began.",
            seconds(hosted.since_utc_ms),
        ),
        ("lines", "Lines that have a telephone here.", f64::from(hosted.lines)),
        (
            "lines_confirmed",
            "Lines the hosted PBX routes.",
            f64::from(hosted.lines_confirmed),
        ),
        (
            "loss_ratio",
            "Smoothed loss of round trips.",
            f64::from(hosted.loss_percent) / 100.0,
        ),
    ];
    for (name, help, value) in figures {
        page.plain(&format!("branchline_hosted_{name}"), Kind::Gauge, help, value);
    }
    if let Some(rtt_ms) = hosted.rtt_ms {
        let name = "branchline_hosted_round_trip_seconds";
        page.plain(name, Kind::Gauge, "Smoothed round trip.", f64::from(rtt_ms) / 1000.0);
    }
    let lost = f64::from(u32::try_from(hosted.lost_total).unwrap_or(u32::MAX));
    page.plain(
        "branchline_hosted_lost_total",
        Kind::Counter,
        "Times it was lost.",
        lost,
    );
}

#[cfg(test)]
mod tests {
    use branchline_branch::view::TrunkView;

    use super::*;

    #[test]
    fn what_is_dropped_is_counted_for_all_to_see() {
        let view = View {
            counters: Counters {
                requests_shed: 3,
                media_foreign: 5,
                media_garbage: 7,
                media_unsent: 11,
                ..Counters::default()
            },
            sockets: SocketsView {
                datagrams_unsent: 13,
                connections_refused: 17,
                ..SocketsView::default()
            },
            ..View::default()
        };
        let text = render(&view);
        for line in [
            "branchline_requests_shed_total 3",
            "branchline_media_foreign_packets_total 5",
            "branchline_media_garbage_packets_total 7",
            "branchline_media_unsent_packets_total 11",
            "branchline_sip_unsent_datagrams_total 13",
            "branchline_sip_refused_connections_total 17",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line}: {text}");
        }
    }

    #[test]
    fn each_name_is_declared_once_has_our_prefix_and_labels_are_escaped() {
        let trunk = TrunkView {
            name: "a\"b\\c".into(),
            state: "up".into(),
            rtt_ms: Some(25),
            ..TrunkView::default()
        };
        let view = View {
            up_ms: 1500,
            trunks: vec![trunk],
            ..View::default()
        };
        let text = render(&view);
        assert!(text.contains("branchline_up_seconds 1.5\n"), "{text}");
        assert!(
            text.contains("branchline_trunk_up{trunk=\"a\\\"b\\\\c\"} 1\n"),
            "{text}"
        );
        assert!(
            text.contains("branchline_trunk_round_trip_seconds{trunk=\"a\\\"b\\\\c\"} 0.025\n"),
            "{text}"
        );
        let mut declared: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let count = declared.len();
        declared.sort_unstable();
        declared.dedup();
        assert_eq!(declared.len(), count);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.starts_with("branchline_"), "{line}");
            assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{line}");
        }
    }
}
