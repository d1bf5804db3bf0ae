//! PJSIP as a telephone, over UDP, TCP or TLS: `pjsua_phone.py` in its virtual environment.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::inbox::{Inbox, Missing};
use crate::program::Program;
use crate::sound::Sound;
use crate::{Phone, Transport, clock};

/// How long the rig waits for an event that the test expects.
pub const EVENT_WITHIN: Duration = Duration::from_secs(10);

const SCRIPT: &str = include_str!("../pjsua_phone.py");
const REQUIREMENTS: &[u8] = include_bytes!("../requirements.txt");
const RATE_HZ: u32 = 8_000;
const TONE_SECONDS: u32 = 10;
/// PJSIP writes its recording in blocks of 4,096 bytes: this much of it may be missing from the file.
const RECORDING_LAG_MS: usize = 300;

/// A running PJSIP phone.
pub struct Pjsua {
    program: Program,
    folder: PathBuf,
    commands_in: ChildStdin,
    inbox: Inbox,
    commands: u32,
}

/// A call of one phone, numbered from 1.
pub type Call = u64;

impl Pjsua {
    /// Starts a phone; it registers by itself.
    pub fn start(phone: &Phone) -> Pjsua {
        let folder = phone.folder.clone();
        Sound::tone(phone.tone_hz, RATE_HZ, TONE_SECONDS).write_wav(&folder.join("tone.wav"));
        Sound {
            rate_hz: RATE_HZ,
            samples: vec![0; RATE_HZ as usize],
        }
        .write_wav(&folder.join("silence.wav"));
        let script = folder.join("pjsua_phone.py");
        std::fs::write(&script, SCRIPT).expect("the phone's folder is writable");
        let mut command = Command::new(python().expect("`make setup-test` makes the environment of PJSIP"));
        let errors = std::fs::File::create(folder.join("stderr")).expect("the test's folder is writable");
        command.arg("-u").arg(&script);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let name = format!("pjsua {}", phone.extension);
        let mut program = Program::start_with_own_output(&name, &mut command, &folder.join("pjsip.log"));
        let commands_in = program.child().stdin.take().expect("it is piped");
        let replies = program.child().stdout.take().expect("it is piped");
        let (heard, incoming) = mpsc::channel();
        std::thread::spawn(move || read_lines(replies, &heard));
        let mut started = Pjsua {
            program,
            folder,
            commands_in,
            inbox: Inbox::new(incoming),
            commands: 0,
        };
        started.write(&settings(phone));
        started.wait_event("start of PJSIP", |event| event["event"] == "ready");
        started
    }

    /// Starts a phone and waits until it is registered.
    pub fn start_registered(phone: &Phone) -> Pjsua {
        let mut started = Pjsua::start(phone);
        assert_eq!(started.wait_registration(), 200, "registration of {}", phone.extension);
        started
    }

    /// Waits for the outcome of a registration: its status code.
    pub fn wait_registration(&mut self) -> u64 {
        self.wait_event("registration", |event| event["event"] == "registration")["code"]
            .as_u64()
            .unwrap_or(0)
    }

    /// Calls a number at the registrar.
    pub fn dial(&mut self, number: &str) -> Call {
        self.command(json!({"do": "dial", "number": number}))["call"]
            .as_u64()
            .expect("a call has a number")
    }

    /// Waits for an incoming call; `remote` of the value is who calls.
    pub fn wait_incoming(&mut self) -> (Call, Value) {
        let event = self.wait_event("incoming call", |event| event["event"] == "incoming");
        (event["call"].as_u64().expect("a call has a number"), event)
    }

    /// The next call that shows this number, by name or address.
    pub fn incoming_from(&mut self, number: &str, within: Duration) -> Result<Call, Missing> {
        let fits = |event: &Value| {
            let remote = event["remote"].as_str().unwrap_or_default();
            event["event"] == "incoming" && remote.contains(number)
        };
        let event = self.inbox.take(within, fits)?;
        Ok(event["call"].as_u64().expect("a call has a number"))
    }

    /// Answers with a status code, 200 to take the call.
    pub fn answer(&mut self, call: Call, code: u16) {
        self.command(json!({"do": "answer", "call": call, "code": code}));
    }

    /// Ends, cancels or refuses the call.
    pub fn hang_up(&mut self, call: Call) {
        self.command(json!({"do": "hang_up", "call": call}));
    }

    /// Ends, cancels or refuses all its calls.
    pub fn hang_up_all(&mut self) {
        self.command(json!({"do": "hang_up_all"}));
    }

    /// Puts the other side on hold.
    pub fn hold(&mut self, call: Call) {
        self.command(json!({"do": "hold", "call": call}));
    }

    /// Takes the other side back.
    pub fn resume(&mut self, call: Call) {
        self.command(json!({"do": "resume", "call": call}));
    }

    /// Sends a re-INVITE that changes nothing.
    pub fn reinvite(&mut self, call: Call) {
        self.command(json!({"do": "reinvite", "call": call}));
    }

    /// Sends an UPDATE with an offer (RFC 3311).
    pub fn update(&mut self, call: Call) {
        self.command(json!({"do": "update", "call": call}));
    }

    /// Blind transfer: REFER to a number.
    pub fn transfer(&mut self, call: Call, number: &str) {
        self.command(json!({"do": "transfer", "call": call, "number": number}));
    }

    /// Attended transfer: REFER with Replaces, so that the far ends of the two calls talk.
    pub fn transfer_to_call(&mut self, call: Call, other: Call) {
        self.command(json!({"do": "transfer_to_call", "call": call, "other": other}));
    }

    /// Sends digits as RFC 4733 events.
    pub fn send_dtmf(&mut self, call: Call, digits: &str) {
        self.command(json!({"do": "dtmf", "call": call, "digits": digits}));
    }

    /// `codec`, `sent`, `received`, `lost` of the call's stream.
    pub fn statistics(&mut self, call: Call) -> Value {
        self.command(json!({"do": "stats", "call": call}))
    }

    /// Waits until the call is up.
    pub fn wait_until_talking(&mut self, call: Call) {
        self.wait_state(call, "confirmed");
    }

    /// Waits for the end of the call: its status code.
    pub fn wait_until_closed(&mut self, call: Call) -> u64 {
        self.wait_state(call, "disconnected")["code"].as_u64().unwrap_or(0)
    }

    /// Waits for the end of the call: how long it talked, as the phone counts.
    pub fn wait_talked(&mut self, call: Call) -> Duration {
        let end = self.wait_state(call, "disconnected");
        Duration::from_millis(end["talked_ms"].as_u64().unwrap_or(0))
    }

    /// Whether the call has ended.
    pub fn is_over(&mut self, call: Call) -> bool {
        let ended = |event: &Value| event["call"] == call && event["state"] == "disconnected";
        self.inbox.has(ended)
    }

    /// Waits until the call is in a state, in PJSIP's words in lower case.
    pub fn wait_state(&mut self, call: Call, state: &str) -> Value {
        let what = format!("call {call} in state {state}");
        self.wait_event(&what, |event| {
            event["event"] == "call" && event["call"] == call && event["state"] == state
        })
    }

    /// Takes the next event that fits out of those that came; fails the test after a while.
    pub fn wait_event(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let found = self.inbox.take(EVENT_WITHIN, fits);
        found.unwrap_or_else(|missing| panic!("no {what}: {missing:#?}\n{}", self.errors()))
    }

    /// Forgets the events so far, before a step whose events look like earlier ones.
    pub fn forget_events(&mut self) {
        self.inbox.clear();
    }

    /// What the call hears in the next `ms`.
    pub fn hear(&mut self, call: Call, ms: usize) -> Sound {
        let before_ms = self.mark_ms(call);
        self.hear_from(call, before_ms, ms)
    }

    /// Where the call's recording is now.
    pub fn mark_ms(&self, call: Call) -> usize {
        self.recording(call).length_ms() + RECORDING_LAG_MS
    }

    /// What the call heard from a mark on, `ms` of it at least.
    pub fn hear_from(&mut self, call: Call, before_ms: usize, ms: usize) -> Sound {
        let within = EVENT_WITHIN + Duration::from_millis(ms as u64);
        let heard = clock::wait_for("sound in the recording", within, || {
            Some(self.recording(call)).filter(|sound| sound.length_ms() >= before_ms + ms)
        });
        heard.after(before_ms)
    }

    /// Everything the call has heard, silence included.
    pub fn recording(&self, call: Call) -> Sound {
        let path = self.folder.join(format!("call-{call}.wav"));
        let what = format!("recording of call {call}");
        clock::wait_for(&what, EVENT_WITHIN, || Sound::read_wav(&path))
    }

    /// Kills it: no BYE, no un-REGISTER.
    pub fn kill9(&mut self) {
        self.program.kill9();
    }

    /// PJSIP's own log with all SIP messages.
    pub fn log(&self) -> String {
        self.program.log()
    }

    /// Runs a command; fails the test when PJSIP refuses it.
    pub fn command(&mut self, mut command: Value) -> Value {
        self.commands += 1;
        let id = self.commands;
        command["id"] = id.into();
        self.write(&command);
        let reply = self.wait_event("reply", |message| message["id"] == id);
        assert_eq!(reply["ok"], true, "{command} is refused: {reply}");
        reply
    }

    fn write(&mut self, message: &Value) {
        writeln!(self.commands_in, "{message}").unwrap_or_else(|error| panic!("PJSIP: {error}\n{}", self.errors()));
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(self.folder.join("stderr")).unwrap_or_default()
    }
}

/// The interpreter that has `pjsua2`, where `make` has made its environment, under the same name; `None` elsewhere.
#[must_use]
pub fn python() -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home)?;
    let hash = Sha256::digest(REQUIREMENTS);
    let version: String = hash[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    let python = cache
        .join("branchline")
        .join(format!("venv-{version}"))
        .join("bin/python");
    python.exists().then_some(python)
}

fn settings(phone: &Phone) -> Value {
    let transport = match phone.transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
    };
    json!({
        "ip": phone.ip.to_string(),
        "folder": phone.folder,
        "extension": phone.extension,
        "password": phone.password,
        "registrar": phone.registrar.to_string(),
        "transport": transport,
        "drops_percent": phone.drops_percent,
    })
}

fn read_lines(replies: ChildStdout, heard: &Sender<Value>) {
    for line in BufReader::new(replies).lines().map_while(Result::ok) {
        let Ok(message) = serde_json::from_str(&line) else {
            continue;
        };
        if heard.send(message).is_err() {
            return;
        }
    }
}
