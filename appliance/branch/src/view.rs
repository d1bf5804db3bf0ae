//! What the outside may see of a running branch: plain values for the local page, the command line and the metrics.

use serde::{Deserialize, Serialize};

/// The branch at one moment. Times are UTC milliseconds, durations milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Grows by one with each change worth showing.
    pub version: u64,
    /// Site name from the configuration.
    pub site: String,
    /// SHA-256 of the configuration in force, in hexadecimal.
    #[serde(default)]
    pub configuration: String,
    /// When this view was taken.
    pub utc_ms: i64,
    /// Since the daemon started.
    pub up_ms: u64,
    /// Every configured extension, in number order, registered or not.
    pub phones: Vec<PhoneView>,
    /// Calls in progress, oldest first.
    pub calls: Vec<CallView>,
    /// Trunks in configuration order.
    pub trunks: Vec<TrunkView>,
    /// The hosted PBX, where there is one.
    #[serde(default)]
    pub hosted: Option<HostedView>,
    /// Calls for help, the latest first, with those of before the last start. What is active is what an alarm contact follows.
    #[serde(default)]
    pub emergencies: Vec<EmergencyView>,
    /// What the health column shows.
    pub health: HealthView,
    /// Where records are kept.
    pub storage: StorageView,
    /// What is wired to the box, where its program has told.
    #[serde(default)]
    pub board: Option<BoardView>,
    /// The version, and what became of the last update.
    #[serde(default)]
    pub update: UpdateView,
    /// What the sockets of SIP did not carry.
    pub sockets: SocketsView,
    /// Monotonic counters and gauges, for the metrics page.
    pub counters: Counters,
}

/// What is wired to the box, as the program `branchline board` tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardView {
    /// For people, such as `Raspberry Pi 4 Model B`.
    pub model: String,
    /// Whether that program is there now.
    pub is_running: bool,
    /// Telephones, lines and buttons that work, by name.
    pub devices: Vec<String>,
    /// What does not work.
    pub faults: Vec<FaultView>,
}

/// Something that does not work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultView {
    /// File, line, field and problem.
    pub text: String,
    /// What to do about it.
    pub fix: String,
}

/// The version of the program, and what became of the last update. Texts are for a person to read, empty where there is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpdateView {
    /// Of the program that runs.
    pub version: String,
    /// Version that is on trial.
    pub trial: String,
    /// How the last update went well.
    pub last: String,
    /// Why the last one was taken back or not made.
    pub fault: String,
}

/// What the sockets of SIP did not carry, since start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketsView {
    /// Datagrams that the system did not take.
    pub datagrams_unsent: u64,
    /// Connections refused because there were too many, in all or from one address.
    pub connections_refused: u64,
    /// Connections closed because the peer did not read.
    pub connections_slow: u64,
    /// Connections closed because what came could not be cut into messages.
    pub connections_malformed: u64,
    /// Connections closed because nothing came, or only part of a message or of a handshake.
    pub connections_idle: u64,
    /// TLS handshakes that failed.
    pub handshakes_failed: u64,
}

/// One extension and where it can be reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhoneView {
    /// The number others dial.
    pub extension: String,
    /// The name shown on phones.
    pub name: String,
    /// Live registrations.
    pub contacts: Vec<ContactView>,
    /// Calls this extension is part of.
    pub calls: u32,
}

/// One registration of a phone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContactView {
    /// Contact URI as registered.
    pub uri: String,
    /// Address and port the phone is reached at.
    pub address: String,
    /// udp, tcp or tls.
    pub transport: String,
    /// User-Agent as sent.
    pub user_agent: String,
    /// When the registration ends unless refreshed.
    pub expires_utc_ms: i64,
}

/// One call in progress.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallView {
    /// Call id, the same as in the call record.
    pub id: String,
    /// Extension or number of the caller.
    pub from: String,
    /// What was dialled.
    pub to: String,
    /// Extension or trunk that took or is ringing for the call.
    pub connected_to: String,
    /// internal, inbound or outbound.
    pub direction: String,
    /// ringing, early, up, held or transferring.
    pub state: String,
    /// An emergency call, or the operator who calls back.
    pub emergency: bool,
    /// When the call came in.
    pub started_utc_ms: i64,
    /// How long it has been answered; absent before.
    pub talk_ms: Option<u64>,
    /// Codec name once media flows.
    pub codec: Option<String>,
    /// Worst mean opinion score of the legs, 1.0 to 4.5.
    pub mos: Option<f32>,
}

/// One call for help.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EmergencyView {
    /// Call id, the same as in the call record.
    pub call: String,
    /// When it was sent.
    pub utc_ms: i64,
    /// It goes on.
    pub active: bool,
    /// People were told of it since the start; of one of many from unregistered telephones they are not.
    #[serde(default)]
    pub told: bool,
    /// Extension that called; absent for a phone that is not registered.
    pub extension: Option<String>,
    /// Who called.
    pub name: String,
    /// Number sent.
    pub number: String,
    /// Where the phone is, in words; empty when nobody knows.
    pub place: String,
    /// Trunk it went to; absent when there was no way out.
    pub trunk: Option<String>,
    /// Number that the operator can call.
    pub callback: Option<String>,
}

/// What a call for help would do now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outlook {
    /// Number it is asked for.
    pub number: String,
    /// Every phone, in the order of extensions.
    pub phones: Vec<PhoneOutlook>,
}

/// What a call for help from one phone would do now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhoneOutlook {
    /// Its extension.
    pub extension: String,
    /// Where it is registered from; empty when it is not.
    pub address: String,
    /// Trunks, and `hosted` for the hosted PBX, in the order they would be tried.
    pub routes: Vec<String>,
    /// The first of them is up.
    pub way_out: bool,
    /// Id of its location.
    pub location: Option<String>,
    /// The location in words.
    pub place: String,
    /// Number that the operator would see over the first route.
    pub callback: Option<String>,
    /// Whose number that is: elin, own or shared.
    pub line: String,
    /// What is missing, for a person to read.
    pub missing: Vec<String>,
}

/// One trunk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrunkView {
    /// Name from the configuration.
    pub name: String,
    /// up, down, registering, or refused.
    pub state: String,
    /// Why it is not up, for a person to read; empty when it is.
    pub reason: String,
    /// Address in use; empty until the name is resolved.
    pub address: String,
    /// Round trip of the last OPTIONS.
    pub rtt_ms: Option<u32>,
    /// Live calls.
    pub calls: u32,
}

/// The hosted PBX.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostedView {
    /// Host name from the configuration.
    pub host: String,
    /// online, suspect, survival or returning.
    pub mode: String,
    /// Since when.
    pub since_utc_ms: i64,
    /// Why, for a person to read.
    pub reason: String,
    /// Address in use; empty until the name is resolved.
    pub address: String,
    /// Smoothed round trip of its probes.
    pub rtt_ms: Option<u32>,
    /// Smoothed loss of round trips.
    pub loss_percent: u32,
    /// How often it was lost since the start.
    pub lost_total: u64,
    /// Lines that have a telephone here.
    pub lines: u32,
    /// Of these, the lines it knows and routes.
    pub lines_confirmed: u32,
    /// Why others are not confirmed: extension and reason.
    pub problems: Vec<String>,
    /// The last drill, or the one that goes on.
    #[serde(default)]
    pub drill: Option<DrillView>,
}

/// The hosted PBX taken away on purpose, and what became of the calls. Times after the beginning, unless said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DrillView {
    /// away, returning, registering or over.
    pub stage: String,
    /// When it began.
    pub began_utc_ms: i64,
    /// It is everybody's.
    pub whole_branch: bool,
    /// Lines that do without the hosted PBX and were registered there.
    pub extensions: Vec<String>,
    /// Why it ended before its time; empty where it did not.
    pub called_off: String,
    /// The first doubt.
    pub doubted_after_ms: Option<u64>,
    /// The verdict.
    pub detected_after_ms: Option<u64>,
    /// Requests passed again.
    pub let_go_after_ms: Option<u64>,
    /// Calls that these extensions made while it was away.
    pub calls_made: u32,
    /// Of these, answered.
    pub calls_answered: u32,
    /// The first of them that reached a telephone here.
    pub first_call: Option<DrillCallView>,
    /// Calls that went through the hosted PBX when it began.
    pub through: u32,
    /// Of these, joined in the box.
    pub joined: u32,
    /// Of these, ended by a party.
    pub hung_up: u32,
    /// Of these, ended by nobody who took part.
    pub cut_off: u32,
    /// The hosted PBX had proved itself: since it was let go.
    pub online_ms: Option<u64>,
    /// The last line was registered again: since it was let go.
    pub registered_ms: Option<u64>,
    /// Lines that are not registered again.
    pub missing: Vec<String>,
}

/// The first call of a drill.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DrillCallView {
    /// Who called.
    pub from: String,
    /// What was dialled.
    pub to: String,
    /// When it came in, after the beginning of the drill.
    pub placed_after_ms: u64,
    /// From then until a telephone rang.
    pub rang_ms: u64,
    /// From then until it was answered.
    pub answered_ms: Option<u64>,
}

/// Health of the parts of the box.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HealthView {
    /// normal, degraded or recovering: whether the call database follows the journal. What a lamp on the box shows.
    pub database: String,
    /// What is wrong with database, journal and configuration, for a person to read.
    pub storage_faults: Vec<String>,
    /// Entries sent to the journal and not yet durable.
    pub journal_pending: u32,
    /// Whether wall time is trusted.
    pub clock_trusted: bool,
    /// Media ports in stock.
    pub ports_free: u32,
    /// Shedding new calls now.
    pub overloaded: bool,
    /// Addresses shut out for guessing passwords or scanning.
    pub banned: Vec<String>,
    /// Keys of the configuration whose changes wait for a restart.
    pub awaits_restart: Vec<String>,
}

/// Where records are kept, and how well.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StorageView {
    /// Why the database is not normal; empty when it is.
    pub reason: String,
    /// Since when it is as it is.
    pub since_utc_ms: i64,
    /// Last entry in the journal.
    pub written_seq: u64,
    /// Last entry in the database.
    pub applied_seq: u64,
    /// Entries lost because every disk failed for longer than memory lasts.
    pub lost_entries: u64,
    /// Bytes of the journal that wait for the database.
    #[serde(default)]
    pub held_bytes: u64,
    /// As many as may: then records are kept in memory only.
    #[serde(default)]
    pub held_bytes_max: u64,
    /// Homes of the journal, the most preferred first.
    pub homes: Vec<HomeView>,
    /// How the last outage ended.
    pub recovery: Option<RecoveryView>,
    /// What is wrong with the configuration in force; empty when it is the file.
    pub configuration: String,
    /// Why the state directory cannot be used; empty when it can.
    #[serde(default)]
    pub state_directory: String,
}

impl StorageView {
    /// How full the journal is of what the database has not taken, percent; from three quarters on somebody has to see
    /// to the database.
    pub fn filling_percent(&self) -> Option<u64> {
        let percent = self.held_bytes.saturating_mul(100) / self.held_bytes_max.max(1);
        (percent >= 75).then_some(percent)
    }
}

/// One directory that the journal may be written to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HomeView {
    /// The directory.
    pub directory: String,
    /// Why it is not used; empty when it can be.
    pub fault: String,
    /// Whether entries go there now.
    pub in_use: bool,
}

/// An outage of the call database that is over, and the comparison of both sides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecoveryView {
    /// When it was over.
    pub ended_utc_ms: i64,
    /// Why the database was not used.
    pub why: String,
    /// How long it was not.
    pub degraded_ms: u64,
    /// How long it took to catch up.
    pub recovering_ms: u64,
    /// Calls that the journal tells of.
    pub journal_calls: u64,
    /// Calls that the database holds of them.
    pub database_calls: u64,
    /// Entries that the database refused.
    pub quarantined: u64,
    /// Whether both sides are the same, by count and checksum.
    pub equal: bool,
    /// File with the whole report; empty when it could not be written.
    pub report: String,
}

/// Monotonic counters since start, and gauges where said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// SIP messages received.
    pub sip_received: u64,
    /// SIP messages sent.
    pub sip_sent: u64,
    /// Messages refused by the parser or the transport rules.
    pub sip_malformed: u64,
    /// Retransmissions sent by the box.
    pub sip_retransmitted: u64,
    /// REGISTER requests accepted.
    pub registers_accepted: u64,
    /// Requests whose credentials were wrong.
    pub auth_failures: u64,
    /// Requests dropped because their source is shut out.
    pub banned_requests: u64,
    /// Sources that the guard forgot because a table was full.
    pub sources_forgotten: u64,
    /// Calls started.
    pub calls_started: u64,
    /// Calls answered.
    pub calls_answered: u64,
    /// Call records made.
    #[serde(default)]
    pub records_made: u64,
    /// Calls refused by overload control.
    pub calls_shed: u64,
    /// Requests of any kind refused by overload control, calls included.
    pub requests_shed: u64,
    /// Emergency calls.
    pub calls_emergency: u64,
    /// Calls for help of unregistered phones that were put through without disturbing others.
    pub calls_emergency_quiet: u64,
    /// Calls that gave their channel to a call for help.
    pub calls_preempted: u64,
    /// ELINs given out while who had them before could still be called back.
    pub elins_reused: u64,
    /// Records whose times stay wrong: more were made before the time was known than are remembered.
    #[serde(default)]
    pub records_left_undated: u64,
    /// Media packets dropped because they came from somewhere else; of calls that are over.
    pub media_foreign: u64,
    /// Media packets dropped because they were neither RTP nor RTCP; of calls that are over.
    pub media_garbage: u64,
    /// Media packets that could not go on: no other leg, its address unknown, or held; of calls that are over.
    pub media_unsent: u64,
    /// Journal entries made.
    pub journal_entries: u64,
    /// Gauge: live registrations.
    pub registrations: u64,
    /// Gauge: transactions in memory.
    pub transactions: u64,
    /// Gauge: sessions in memory.
    pub sessions: u64,
}

/// One message of the live trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceLine {
    /// When it crossed the wire.
    pub utc_ms: i64,
    /// Address of the box that took or sent it.
    pub local: String,
    /// The other end.
    pub remote: String,
    /// udp, tcp or tls.
    pub transport: String,
    /// Came in or went out.
    pub arrived: bool,
    /// Start line, with secrets never in it.
    pub summary: String,
    /// Call-ID, to sort a ladder by.
    pub sip_call_id: String,
    /// User parts of From and To, for the number filter.
    pub numbers: [String; 2],
    /// The whole message with credentials blanked.
    pub text: String,
}
