//! What the log tells of the branch: calls by their journal entries, what it notices and why it decides, and each message
//! at trace. Numbers and addresses only; nothing is put into words below the level that is on.

use branchline_branch::view::TraceLine;
use branchline_branch::{About, Level, Notice};
use branchline_journal::{Entry, Event};

/// A call at debug while it goes on, and in one line at info once it is over.
pub(super) fn entry(entry: &Entry) {
    match &entry.event {
        Event::CallStarted(started) => tracing::debug!(
            call = %started.call,
            from = started.from.dialled,
            to = started.to.dialled,
            direction = started.direction.name(),
            emergency = started.emergency,
            "call started"
        ),
        Event::CallAnswered(answered) => tracing::debug!(call = %answered.call, by = answered.by, "call answered"),
        Event::CallEnded(record) => tracing::info!(
            call = %record.id,
            from = record.from.dialled,
            to = record.to.dialled,
            direction = record.direction.name(),
            trunk = record.trunks.last(),
            outcome = record.outcome.name(),
            cause = record.q850_cause,
            status = record.sip_status,
            ring_ms = record.ring_ms,
            talk_ms = record.talk_ms,
            "call ended"
        ),
        Event::BoxStarted { .. }
        | Event::BindingSet(_)
        | Event::BindingRemoved(_)
        | Event::Heartbeat { .. }
        | Event::ConfigLoaded { .. }
        | Event::EmergencyCall(_)
        | Event::Omitted { .. }
        | Event::Unknown(_) => {}
    }
}

/// Something the branch noticed, or why it decided as it did.
pub(super) fn notice(notice: &Notice) {
    let About {
        call,
        from,
        to,
        extension,
        trunk,
        address,
        status,
        why,
    } = &notice.about;
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                call,
                from,
                to,
                extension,
                trunk,
                address,
                status,
                why,
                "{}",
                notice.text
            )
        };
    }
    match notice.level {
        Level::Warning => line!(warn),
        Level::Info => line!(info),
        Level::Debug => line!(debug),
    }
}

/// A message that crossed the wire, with credentials blanked.
pub(super) fn message(line: &TraceLine) {
    let way = if line.arrived { "in" } else { "out" };
    tracing::trace!(
        way,
        local = line.local,
        remote = line.remote,
        transport = line.transport,
        sip_call_id = line.sip_call_id,
        text = line.text,
        "{}",
        line.summary
    );
}
