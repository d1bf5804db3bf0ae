//! What each trunk is due: a look-up, a registration, a sign of life; and what comes of them.

use branchline_sip::Flow;
use branchline_sip::agent::Agent;
use branchline_sip::binding::{RegistrationEvent, RegistrationState};
use branchline_sip::message::Message;
use branchline_sip::transaction::ClientKey;

use super::line::{Line, interval};
use super::{LOOK_UP_RETRY, Trunks};
use crate::Branch;
use crate::legs::TrunkUse;
use crate::now::Now;
use crate::output::{About, Level, Lookup, Output};

impl Branch {
    /// Sends what the trunks are due. Says whether there was anything.
    pub(crate) fn drain_trunks(&mut self, now: Now) -> bool {
        let mut moved = false;
        for at in 0..self.trunks.lines.len() {
            moved |= self.look_up_trunk(now, at);
            moved |= self.register_trunk(now, at);
            moved |= self.probe_trunk(now, at);
            self.tell_trunk(at);
        }
        self.take_leave(now);
        moved
    }

    /// Takes back the registrations of trunks that are no longer configured.
    fn take_leave(&mut self, now: Now) {
        let listen = &self.trunks.listen;
        for line in &mut self.trunks.leaving {
            let flow = line.flow(listen);
            ask_registrar(&mut self.agent, now, (line, flow));
        }
        let leaves = |line: &Line| {
            line.registration
                .as_ref()
                .is_some_and(|it| it.state() == RegistrationState::Leaving)
        };
        self.trunks.leaving.retain(leaves);
    }

    fn look_up_trunk(&mut self, now: Now, at: usize) -> bool {
        let line = &mut self.trunks.lines[at];
        if line.look_up_at.is_none_or(|due| due > now.mono) {
            return false;
        }
        line.look_up_at = Some(now.mono + LOOK_UP_RETRY);
        self.outputs.push_back(Output::Resolve(Lookup {
            trunk: line.trunk.name.clone(),
            host: line.trunk.host.clone(),
            port: line.trunk.port,
            transport: line.trunk.transport,
        }));
        true
    }

    fn register_trunk(&mut self, now: Now, at: usize) -> bool {
        let flow = self.trunks.lines[at].flow(&self.trunks.listen);
        let line = &mut self.trunks.lines[at];
        let Some(registration) = &mut line.registration else {
            return false;
        };
        let mut moved = false;
        while let Some(event) = registration.poll_event() {
            moved = true;
            let name = &line.trunk.name;
            match event {
                RegistrationEvent::Registered { .. } => line.problem.clear(),
                RegistrationEvent::Failed { status } => line.problem = registration_problem(name, status),
                RegistrationEvent::Lost => line.problem = format!("the registration of {name} ran out"),
                RegistrationEvent::Unregistered => {}
            }
        }
        moved | ask_registrar(&mut self.agent, now, (line, flow))
    }

    fn probe_trunk(&mut self, now: Now, at: usize) -> bool {
        let line = &mut self.trunks.lines[at];
        if line.addresses.is_empty() || line.probe.asked.is_some() || line.probe.next > now.mono {
            return false;
        }
        let Some(flow) = line.flow(&self.trunks.listen) else {
            return false;
        };
        line.probe.next = now.mono + interval(line);
        let ids = (self.agent.fresh_tag(), self.agent.fresh_call_id());
        let request = line.options(flow, ids);
        if let Ok(key) = self.agent.request(now.mono, flow, request) {
            line.probe.asked = Some((key, now.mono));
        }
        true
    }

    /// Tells routing, and the log when it is news.
    fn tell_trunk(&mut self, at: usize) {
        let line = &mut self.trunks.lines[at];
        let is = if line.is_up() { TrunkUse::Up } else { TrunkUse::Down };
        if line.was == Some(is) {
            return;
        }
        let first = line.was.replace(is).is_none();
        let name = line.trunk.name.clone();
        let problem = line.problem.clone();
        self.legs.set_trunk(&name, is);
        let about = |why: &str| About {
            trunk: Some(name.clone()),
            why: (!why.is_empty()).then(|| why.to_owned()),
            ..About::default()
        };
        match is {
            TrunkUse::Up => self.notice_about(Level::Info, format!("trunk {name} is up"), about("")),
            TrunkUse::Down if !first => {
                self.notice_about(Level::Warning, format!("trunk {name} is down"), about(&problem));
            }
            TrunkUse::Down => {}
        }
    }

    /// A final response to a REGISTER or OPTIONS of ours; `None` when none came.
    pub(crate) fn trunk_answered(&mut self, now: Now, key: ClientKey, response: Option<&Message>) {
        let Trunks { lines, leaving, .. } = &mut self.trunks;
        for line in lines.iter_mut().chain(leaving) {
            if line.registering == Some(key) {
                line.registering = None;
                let Some(registration) = &mut line.registration else {
                    continue;
                };
                match response {
                    Some(response) => registration.handle_response(now.mono, response),
                    None => registration.handle_failure(now.mono, 408),
                }
            } else if let Some((asked, since)) = line.probe.asked
                && asked == key
            {
                line.probe.asked = None;
                let status = response.map_or(408, Message::status);
                line.handle_probe(now.mono, (status, since));
            }
        }
    }
}

/// Sends the REGISTER that is due, if one is.
fn ask_registrar(agent: &mut Agent, now: Now, (line, flow): (&mut Line, Option<Flow>)) -> bool {
    let Some(registration) = &mut line.registration else {
        return false;
    };
    let Some((request, flow)) = registration.poll_request().zip(flow) else {
        return false;
    };
    match agent.request(now.mono, flow, request) {
        Ok(key) => line.registering = Some(key),
        Err(_) => registration.handle_failure(now.mono, 503),
    }
    true
}

fn registration_problem(name: &str, status: u16) -> String {
    match status {
        401 | 403 | 407 => {
            format!("{name} refuses the user name or password (status {status}): check [[trunk]] username and password")
        }
        404 => format!("{name} does not know the user name (status 404): check [[trunk]] username"),
        408 => format!("{name} does not answer REGISTER"),
        503 => format!("{name} cannot be reached"),
        _ => format!("{name} refuses the registration (status {status})"),
    }
}
