//! baresip as a telephone: it plays a tone of its own, and what it hears can be measured.
//!
//! Control is the module `ctrl_tcp`: JSON in netstrings. Debian 12 ships version 1.0.0, which shapes three things here:
//! it has no audio player that writes a file; its recorder (`sndfile`) loses the received half at the first hold, while
//! the sent half is kept to the end, so [`Baresip::hear`] sends back what is received for as long as it listens; and it
//! binds RTP to every address, so its packets come from 127.0.0.1 and not from the address in its SDP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use serde_json::{Value, json};

use crate::inbox::Inbox;
use crate::program::Program;
use crate::sound::Sound;
use crate::{Phone, Transport, clock};

/// How long the rig waits for an event that the test expects.
pub const EVENT_WITHIN: Duration = Duration::from_secs(10);

const CONTROL_PORT: u16 = 4444;
const SIP_PORT: u16 = 5060;
const REPLY_WITHIN: Duration = Duration::from_secs(5);
const READY_WITHIN: Duration = Duration::from_secs(10);
const RATE_HZ: u32 = 8_000;
/// Longer than any call of a test: baresip ends a call when its source ends.
const TONE_SECONDS: u32 = 180;
/// From the command until only received sound is in the recording.
const SETTLE_MS: usize = 300;
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// A running baresip.
pub struct Baresip {
    program: Program,
    folder: PathBuf,
    registrar: SocketAddr,
    transport: Transport,
    tone_hz: u32,
    control: TcpStream,
    inbox: Inbox,
    commands: u32,
    ears: u32,
}

impl Baresip {
    /// Starts a phone and waits until it takes commands; it registers by itself.
    pub fn start(phone: &Phone) -> Baresip {
        let (ip, folder) = (phone.ip, phone.folder.clone());
        std::fs::create_dir_all(folder.join("sound")).expect("the test's folder is writable");
        Sound::tone(phone.tone_hz, RATE_HZ, TONE_SECONDS).write_wav(&folder.join("tone.wav"));
        write_configuration(phone);
        let log = folder.join("log");
        let mut command = Command::new("baresip");
        command.arg("-f").arg(&folder).arg("-s");
        let mut program = Program::start(&format!("baresip {}", phone.extension), &mut command, &log);
        let control =
            clock::try_for(READY_WITHIN, || TcpStream::connect((ip, CONTROL_PORT)).ok()).unwrap_or_else(|| {
                panic!(
                    "baresip takes no commands: {:?}\n{}",
                    program.ended(),
                    program.log_tail()
                )
            });
        let (heard, incoming) = mpsc::channel();
        let reading = control.try_clone().expect("a second handle");
        std::thread::spawn(move || read_netstrings(reading, &heard));
        let Phone {
            registrar,
            transport,
            tone_hz,
            ..
        } = *phone;
        Baresip {
            program,
            folder,
            registrar,
            transport,
            tone_hz,
            control,
            inbox: Inbox::new(incoming),
            commands: 0,
            ears: 0,
        }
    }

    /// Starts a phone and waits until it is registered.
    pub fn start_registered(phone: &Phone) -> Baresip {
        let mut started = Baresip::start(phone);
        started.wait_until_registered();
        started
    }

    /// Waits until the registrar has answered 200.
    pub fn wait_until_registered(&mut self) {
        clock::wait_for("registration of baresip", EVENT_WITHIN, || {
            self.command("reginfo", "").contains("OK").then_some(())
        });
    }

    /// Waits until the registrar has refused.
    pub fn wait_until_refused(&mut self) {
        // The event may have come before anybody listened.
        clock::wait_for("refusal of baresip", EVENT_WITHIN, || {
            self.command("reginfo", "").contains("ERR").then_some(())
        });
    }

    /// Calls a number at the registrar.
    pub fn dial(&mut self, number: &str) {
        let uri = self.uri(number);
        self.command("dial", &uri);
    }

    /// Answers the ringing call.
    pub fn accept(&mut self) {
        self.command("accept", "");
    }

    /// Ends the call; an incoming call that rings is refused with 486, an outgoing one is cancelled.
    pub fn hang_up(&mut self) {
        self.command("hangup", "");
    }

    /// Puts the other side on hold with a re-INVITE.
    pub fn hold(&mut self) {
        self.command("hold", "");
    }

    /// Takes the other side back.
    pub fn resume(&mut self) {
        self.command("resume", "");
    }

    /// Sends a re-INVITE that changes nothing.
    pub fn reinvite(&mut self) {
        self.command("reinvite", "");
    }

    /// Sends the other side to `number` with REFER.
    pub fn transfer(&mut self, number: &str) {
        let uri = self.uri(number);
        self.command("transfer", &uri);
    }

    /// Waits for the ringing of an incoming call.
    pub fn wait_until_ringing(&mut self) -> Value {
        self.wait_event("CALL_INCOMING")
    }

    /// Waits until the call is up.
    pub fn wait_until_talking(&mut self) -> Value {
        self.wait_event("CALL_ESTABLISHED")
    }

    /// Waits for the end of the call and says how it ended, in baresip's words ("486 Busy Here").
    pub fn wait_until_closed(&mut self) -> String {
        self.wait_event("CALL_CLOSED")["param"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Takes the next event of this type out of those that came, in their order; fails the test after a while.
    pub fn wait_event(&mut self, kind: &str) -> Value {
        let found = self.inbox.take(EVENT_WITHIN, |message| message["type"] == kind);
        found.unwrap_or_else(|missing| panic!("no event {kind}: {missing:#?}"))
    }

    /// Whether an event of this type has come and was not waited for.
    pub fn has_event(&mut self, kind: &str) -> bool {
        self.inbox.has(|message| message["type"] == kind)
    }

    /// Forgets the events so far, before a step whose events look like earlier ones.
    pub fn forget_events(&mut self) {
        self.inbox.clear();
    }

    /// Records what arrives now for `ms`. The other side hears its own sound meanwhile.
    pub fn hear(&mut self, ms: usize) -> Sound {
        self.ears += 1;
        let ear = format!("aubridge,ear{}", self.ears);
        let recording = self.newest_recording("-enc.wav").expect("a call with sound is up");
        self.command("auplay", &ear);
        self.command("ausrc", &ear);
        let before_ms = Sound::read_wav(&recording)
            .expect("the recording is readable")
            .length_ms();
        let enough_ms = before_ms + SETTLE_MS + ms;
        let heard = clock::wait_for(
            "sound in the recording",
            EVENT_WITHIN + Duration::from_millis(ms as u64),
            || Sound::read_wav(&recording).filter(|sound| sound.length_ms() >= enough_ms),
        );
        let tone = self.tone_source();
        self.command("ausrc", &tone);
        heard.after(before_ms + SETTLE_MS)
    }

    /// Everything received since the call came up or, after a hold, up to the hold.
    pub fn recording(&self) -> Sound {
        let path = self.newest_recording("-dec.wav").expect("a call with sound was up");
        Sound::read_wav(&path).expect("the recording is readable")
    }

    /// The tone it plays.
    pub fn tone_hz(&self) -> u32 {
        self.tone_hz
    }

    /// Its log with all SIP messages.
    pub fn log(&self) -> String {
        self.program.log()
    }

    /// Kills it: no BYE, no un-REGISTER.
    pub fn kill9(&mut self) {
        self.program.kill9();
    }

    /// Runs a command of the menu and returns what it prints.
    pub fn command(&mut self, command: &str, params: &str) -> String {
        self.commands += 1;
        let token = self.commands.to_string();
        let message = json!({"command": command, "params": params, "token": token}).to_string();
        write!(self.control, "{}:{message},", message.len()).expect("baresip reads its commands");
        let reply = self.inbox.take(REPLY_WITHIN, |message| {
            message["response"] == true && message["token"] == *token
        });
        let reply = reply.unwrap_or_else(|missing| panic!("baresip does not answer {command}: {missing:#?}"));
        reply["data"].as_str().unwrap_or_default().to_owned()
    }

    fn newest_recording(&self, end: &str) -> Option<PathBuf> {
        let files = std::fs::read_dir(self.folder.join("sound"))
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()));
        files.filter(|path| path.to_string_lossy().ends_with(end)).max()
    }

    fn uri(&self, number: &str) -> String {
        format!("sip:{number}@{}{}", self.registrar, parameter(self.transport))
    }

    fn tone_source(&self) -> String {
        format!("aufile,{}", self.folder.join("tone.wav").display())
    }
}

fn write_configuration(phone: &Phone) {
    let (ip, folder) = (phone.ip, &phone.folder);
    let at = folder.display();
    let own = phone.own.unwrap_or((ip, SIP_PORT).into());
    let interface = own.ip();
    let configuration = format!(
        "poll_method epoll\nsip_listen {own}\nnet_interface {interface}\ncall_local_timeout 120\ncall_max_calls 4\n\
         audio_source aufile,{at}/tone.wav\naudio_player aubridge,out\naudio_alert aubridge,alert\n\
         ausrc_srate {RATE_HZ}\nauplay_srate {RATE_HZ}\nausrc_channels 1\nauplay_channels 1\n\
         rtp_ports 16384-31999\nrtp_stats no\njitter_buffer_delay 1-5\nmodule_path {modules}\n\
         module g711.so\nmodule aufile.so\nmodule aubridge.so\nmodule sndfile.so\n\
         module_app account.so\nmodule_app ctrl_tcp.so\nmodule_app menu.so\n\
         ctrl_tcp_listen {ip}:{CONTROL_PORT}\nsnd_path {at}/sound\nmenu_bell no\nstatmode_default off\n",
        modules = "/usr/lib/baresip/modules",
    );
    let account = format!(
        "<sip:{user}@{registrar}{transport}>;auth_user={user};auth_pass={password};regint=600;answermode=manual\n",
        user = phone.extension,
        registrar = phone.registrar,
        transport = parameter(phone.transport),
        password = phone.password,
    );
    for (name, text) in [
        ("config", configuration.as_str()),
        ("accounts", account.as_str()),
        ("contacts", ""),
    ] {
        std::fs::write(folder.join(name), text).expect("the test's folder is writable");
    }
}

fn parameter(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "",
        Transport::Tcp => ";transport=tcp",
        Transport::Tls => ";transport=tls",
    }
}

/// Passes on each JSON message until the connection ends.
fn read_netstrings(stream: TcpStream, heard: &Sender<Value>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = Vec::new();
        if stream.read_until(b':', &mut length).unwrap_or(0) == 0 {
            return;
        }
        length.pop();
        let bytes: usize = String::from_utf8_lossy(&length)
            .parse()
            .expect("a netstring starts with its length");
        assert!(bytes < MESSAGE_BYTES_MAX, "a netstring of {bytes} bytes");
        // The comma at the end is part of the netstring.
        let mut message = vec![0; bytes + 1];
        if stream.read_exact(&mut message).is_err() {
            return;
        }
        let parsed = serde_json::from_slice(&message[..bytes]).expect("baresip writes JSON");
        if heard.send(parsed).is_err() {
            return;
        }
    }
}
