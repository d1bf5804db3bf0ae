//! Probes of the hosted PBX, and what becomes of calls and lines when its mode changes.

use branchline_sip::message::{Builder, Message, Method, Name};
use branchline_sip::transaction::ClientKey;
use branchline_sip::{Flow, Transport};
use branchline_survival::{Event, Mode, Outcome};

use crate::Branch;
use crate::hosted::Probe;
use crate::hosted::drill::Side;
use crate::identity::host;
use crate::now::Now;
use crate::output::{Level, Output};

impl Branch {
    /// Sends what is due for the hosted PBX. Says whether there was anything.
    pub(crate) fn drain_hosted(&mut self, now: Now) -> bool {
        let Some(upstream) = self.hosted.upstream() else {
            return false;
        };
        let lookup = upstream.lookup(now.mono);
        let mut moved = lookup.is_some();
        let sides = upstream.sides();
        self.outputs.extend(lookup.map(Output::Resolve));
        for side in sides {
            moved |= self.probe_hosted(now, side);
            while let Some(event) = self
                .hosted
                .upstream()
                .and_then(|upstream| upstream.health_mut(side).poll_event())
            {
                moved = true;
                self.hosted_changed(now, side, event);
            }
        }
        moved |= self.drill_turn(now);
        moved | self.register_lines(now.mono)
    }

    fn probe_hosted(&mut self, now: Now, side: Side) -> bool {
        let mut moved = false;
        while let Some(upstream) = self.hosted.upstream() {
            if upstream.address().is_none() {
                break;
            }
            let Some(id) = upstream.health_mut(side).poll_probe(now.mono) else {
                break;
            };
            moved = true;
            if side == Side::Ordinary {
                upstream.try_next_address();
            }
            let Some((to, flow)) = upstream.address().zip(upstream.flow()) else {
                break;
            };
            if upstream.withholds_probes(side) {
                continue;
            }
            let domain = upstream.domain();
            let request = Builder::request(&Method::Options, &format!("sip:{domain}"))
                .header(Name::MaxForwards, 70)
                .header(
                    Name::From,
                    format_args!("<sip:{}>;tag={}", host(flow.local), self.agent.fresh_tag()),
                )
                .header(Name::To, format_args!("<sip:{domain}>"))
                .header(Name::CallId, self.agent.fresh_call_id())
                .header(Name::CSeq, "1 OPTIONS")
                .header(Name::Accept, "application/sdp");
            let sent = self.agent.probe(now.mono, flow, request);
            let Some(upstream) = self.hosted.upstream() else { break };
            match sent {
                Ok(key) => {
                    upstream.probes.insert(key, Probe { side, id, to });
                }
                // The box is full of transactions; that says nothing of the hosted PBX.
                Err(_) => break,
            }
        }
        moved
    }

    /// A response to a probe or a REGISTER of a line; `None` when none came. Says whether it was one.
    pub(crate) fn hosted_answered(&mut self, now: Now, key: ClientKey, response: Option<&Message>) -> bool {
        let Some(upstream) = self.hosted.upstream() else {
            return false;
        };
        if let Some(Probe { side, id, to }) = upstream.probes.remove(&key) {
            // Silence is what the health machine counts by itself.
            if response.is_some() && !upstream.withholds_probes(side) {
                if side == Side::Ordinary {
                    upstream.found_at(to);
                }
                upstream.health_mut(side).handle_probe(now.mono, id, Outcome::Answered);
            }
            return true;
        }
        let Some(line) = upstream.handle_register_response(now.mono, key, response) else {
            return false;
        };
        self.tell_line(&line);
        true
    }

    /// A message came from its address. A datagram can be forged: it is a sign of life when it belongs to what the box asked
    /// or to a call.
    pub(crate) fn hosted_spoke(&mut self, now: Now, flow: Flow, message: &Message) {
        let is_its_own = match flow.transport {
            Transport::Udp => self.agent.expects(message),
            Transport::Tcp | Transport::Tls => true,
        };
        if is_its_own && let Some(upstream) = self.hosted.upstream() {
            for side in upstream.sides() {
                if !upstream.withholds_probes(side) {
                    upstream.health_mut(side).handle_alive(now.mono);
                }
            }
        }
    }

    fn hosted_changed(&mut self, now: Now, side: Side, event: Event) {
        if side == Side::Drilled {
            self.drill_event(now, event);
        }
        let (from, to, reason) = match event {
            Event::Doubted => return self.leave_hosted(now, side),
            Event::Changed { from, to, reason } => (from, to, reason),
        };
        let Some(upstream) = self.hosted.upstream() else { return };
        let host = match side {
            Side::Ordinary => format!("hosted PBX {}", upstream.config.host),
            Side::Drilled => format!("drill of hosted PBX {}", upstream.config.host),
        };
        let lines = upstream.lines_of(side);
        match (from, to) {
            (Mode::Suspect, Mode::Online) => {}
            (_, Mode::Online) => {
                upstream.start_lines(&lines);
                let text = format!("{host}: online, {}; its lines register again", reason.text());
                self.notice(Level::Info, text);
            }
            (_, Mode::Suspect) => {}
            (Mode::Returning, Mode::Survival) => {
                self.notice(Level::Warning, format!("{host}: survival, {}", reason.text()));
            }
            (_, Mode::Survival) => {
                upstream.lines_mut().forget(&lines);
                upstream.look_up_again(now.mono);
                let text = format!(
                    "{host}: survival, {}; the branch routes its calls itself",
                    reason.text()
                );
                self.notice(Level::Warning, text);
                self.tell_lines();
                self.bypass_hosted(now, &lines);
            }
            (_, Mode::Returning) => {
                self.notice(Level::Info, format!("{host}: returning, {}", reason.text()));
            }
        }
        self.tell_lines();
    }
}
