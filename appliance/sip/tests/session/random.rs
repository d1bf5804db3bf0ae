//! Random commands on both sides over random networks: every session ends exactly once, and nothing is left once it is quiet.

use std::collections::BTreeMap;
use std::time::Duration;

use branchline_sip::Method;
use branchline_sip::agent::{
    AgentEvent, AgentSettings, Answer, Body, Finality, Headers, InDialogRequest, IncomingInvite, NextHop, Progress,
    Referral, Rejection, SessionEvent, SessionId, TransferProgress, Verdict,
};

use super::pair::{A, ANSWER, B, BAD, GOOD, Network, OFFER, Pair, contact, invitation};

#[derive(Default)]
struct Known {
    /// Sessions with the number of their terminal events.
    ends: BTreeMap<(usize, SessionId), u32>,
    answered: u32,
    events: u32,
}

impl Known {
    /// Sessions that have not ended.
    fn open(&self) -> Vec<(usize, SessionId)> {
        let open = self.ends.iter().filter(|(_, ends)| **ends == 0);
        open.map(|(key, _)| *key).collect()
    }
}

fn body(pair: &mut Pair) -> Option<Body> {
    match pair.below(4) {
        0 => None,
        1 => Some(Body::sdp(ANSWER)),
        _ => Some(Body::sdp(OFFER)),
    }
}

fn command(pair: &mut Pair, known: &Known, side: usize) {
    let open = known.open().into_iter().filter(|(of, _)| *of == side);
    let live: Vec<SessionId> = open.map(|(_, id)| id).collect();
    if live.is_empty() {
        return;
    }
    let id = live[pair.below(live.len() as u32) as usize];
    let now = pair.now;
    let content = body(pair);
    let choice = pair.below(16);
    let agent = &mut pair.agents[side];
    match choice {
        0 => agent.progress(now, id, Progress::status(180)),
        1 => agent.progress(
            now,
            id,
            Progress {
                status: 183,
                body: content,
                headers: Headers::new(),
            },
        ),
        2 | 3 => agent.answer(
            now,
            id,
            Answer {
                body: content,
                headers: Headers::new(),
            },
        ),
        4 => agent.reject(now, id, &Rejection::status(486)),
        5 => agent.hang_up(now, id, Some("SIP;cause=200")),
        6 | 7 => agent.reoffer(now, id, content),
        8 => agent.answer_reoffer(now, id, content),
        9 => agent.refuse_reoffer(now, id, 488),
        10 => agent.acknowledge(now, id, content),
        11 => agent.refer(
            now,
            id,
            &Referral {
                refer_to: "<sip:c@192.0.2.3>".into(),
                referred_by: None,
            },
        ),
        12 | 13 => {
            let (status, finality) = [(180, Finality::Interim), (200, Finality::Final)][choice as usize - 12];
            agent.notify_refer(now, id, TransferProgress { status, finality });
        }
        14 => {
            let request = InDialogRequest {
                method: Method::Info,
                headers: Headers::new(),
                body: content,
            };
            agent.send_in_dialog(now, id, &request);
        }
        _ => agent.retry_invite(now, id, Headers::new()),
    }
}

fn react(pair: &mut Pair, known: &mut Known, side: usize) {
    while let Some(event) = pair.event(side) {
        known.events += 1;
        let now = pair.now;
        match event {
            AgentEvent::Invite { key, flow, request } => {
                let invite = IncomingInvite {
                    key,
                    flow,
                    next_hop: NextHop::Flow,
                    request,
                    local_contact: contact(side),
                    ring_max: None,
                };
                let id = pair.agents[side].accept_invite(now, invite).unwrap();
                known.ends.insert((side, id), 0);
            }
            AgentEvent::Session { id, event } => session_event(pair, known, (side, id), &event),
            AgentEvent::InviteCancelled { .. } => {}
            other @ (AgentEvent::Request { .. }
            | AgentEvent::Response { .. }
            | AgentEvent::Failed { .. }
            | AgentEvent::Subscription { .. }) => panic!("nobody asked for {other:?}"),
        }
    }
}

fn session_event(pair: &mut Pair, known: &mut Known, (side, id): (usize, SessionId), event: &SessionEvent) {
    let now = pair.now;
    let ends = known.ends.entry((side, id)).or_default();
    assert_eq!(*ends, 0, "{event:?} after the end");
    match event {
        SessionEvent::Refused { .. } | SessionEvent::Cancelled { .. } | SessionEvent::Ended { .. } => *ends += 1,
        SessionEvent::Answered { .. } => known.answered += 1,
        SessionEvent::Refer { key, .. } => {
            let verdict = if pair.below(3) == 0 {
                Verdict::Refuse { status: 403 }
            } else {
                Verdict::Accept
            };
            pair.agents[side].answer_refer(now, id, *key, verdict);
        }
        SessionEvent::Info { key, .. } | SessionEvent::InDialog { key, .. } => {
            pair.agents[side].respond_in_dialog(now, *key, 200);
        }
        SessionEvent::Reoffer { .. } if pair.below(2) == 0 => {
            pair.agents[side].answer_reoffer(now, id, Some(Body::sdp(ANSWER)));
        }
        SessionEvent::Trying
        | SessionEvent::Progress { .. }
        | SessionEvent::Challenged { .. }
        | SessionEvent::Redirected { .. }
        | SessionEvent::AnswerSent
        | SessionEvent::Acknowledged { .. }
        | SessionEvent::Reoffer { .. }
        | SessionEvent::ReofferAnswered { .. }
        | SessionEvent::ReofferRefused { .. }
        | SessionEvent::ReofferWithdrawn
        | SessionEvent::ReofferAcknowledged { .. }
        | SessionEvent::ReferProgress { .. }
        | SessionEvent::InDialogAnswered { .. } => {}
    }
}

fn play(seed: u64, network: Network) -> Known {
    let settings = AgentSettings {
        ring_max: Duration::from_secs(90),
        session_expires_s: 120,
        ..AgentSettings::default()
    };
    let mut pair = Pair::with(network, seed, [settings.clone(), settings]);
    let mut known = Known::default();
    for _ in 0..60 {
        if pair.below(6) == 0 {
            let offer = if pair.below(4) == 0 { None } else { Some(OFFER) };
            let id = pair.agents[A].invite(pair.now, invitation(offer)).unwrap();
            known.ends.insert((A, id), 0);
        }
        for side in [A, B] {
            command(&mut pair, &known, side);
        }
        let end = pair.now + Duration::from_millis(u64::from(pair.below(1_500)));
        while pair.step(end) {
            react(&mut pair, &mut known, A);
            react(&mut pair, &mut known, B);
        }
        pair.now = end;
        react(&mut pair, &mut known, A);
        react(&mut pair, &mut known, B);
    }
    // The callers lose interest; whatever then is still open has to end by itself.
    let open = known.open();
    for (side, id) in open {
        if pair.below(2) == 0 {
            pair.agents[side].hang_up(pair.now, id, None);
        }
    }
    // Without answers to its refreshes a session expires; refusals of the peer end nothing, so both sides let go in the end.
    for round in 0..2 {
        let end = pair.now + Duration::from_secs(600);
        while pair.step(end) {
            react(&mut pair, &mut known, A);
            react(&mut pair, &mut known, B);
        }
        pair.now = end;
        let open = known.open();
        assert!(round == 0 || open.is_empty(), "seed {seed}: never ended: {open:?}");
        for (side, id) in open {
            pair.agents[side].hang_up(pair.now, id, None);
        }
    }
    for key in &pair.tried {
        assert_eq!(
            pair.tried.iter().filter(|other| *other == key).count(),
            1,
            "seed {seed}: {key:?} tried twice"
        );
    }
    for (key, ends) in &known.ends {
        assert_eq!(*ends, 1, "seed {seed}: {key:?}");
    }
    for agent in &pair.agents {
        assert!(
            agent.is_empty(),
            "seed {seed}: {} sessions, {} transactions",
            agent.session_len(),
            agent.transaction_len()
        );
    }
    known
}

#[test]
fn every_session_ends_exactly_once_and_leaves_nothing() {
    let (mut sessions, mut answered) = (0, 0);
    for seed in 0..120 {
        let network = if seed % 3 == 0 { GOOD } else { BAD };
        let known = play(seed, network);
        sessions += known.ends.len();
        answered += known.answered;
    }
    assert!(
        sessions > 500 && answered > 100,
        "the commands hardly did anything: {sessions} sessions, {answered} answered"
    );
}
