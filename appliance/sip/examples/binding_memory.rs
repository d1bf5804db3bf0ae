//! Memory of one registration, by the growth of this process while 20,000 phones register.
//! `cargo run --release -p branchline-sip --example binding_memory`

use std::time::Instant;

use branchline_sip::binding::{Bindings, BindingsConfig, Moment, RegisterOutcome};
use branchline_sip::{Builder, Flow, Method, Name};

const PHONES: usize = 20_000;

fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
#[expect(clippy::print_stdout, reason = "the result is for people")]
fn main() {
    let at = Moment {
        now: Instant::now(),
        utc_ms: 1_800_000_000_000,
    };
    let flow = Flow::udp(([10, 0, 0, 1], 5060).into(), ([10, 0, 0, 2], 5060).into());
    let mut table = Bindings::new(BindingsConfig {
        contacts_max: PHONES,
        ..BindingsConfig::default()
    });
    let before = resident_bytes();
    for phone in 0..PHONES {
        let request = Builder::request(&Method::Register, "sip:branch")
            .header(Name::Via, format_args!("SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK{phone}"))
            .header(Name::From, format_args!("<sip:{phone}@branch>;tag=a{phone}"))
            .header(Name::To, format_args!("<sip:{phone}@branch>"))
            .header(Name::CallId, format_args!("84b4c76e66710-{phone}@10.0.0.2"))
            .header(Name::CSeq, "1 REGISTER")
            .header(
                Name::Contact,
                format_args!("<sip:{phone}@10.0.0.2:5060;transport=udp>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-{phone:012}>\";reg-id=1"),
            )
            .finish();
        let outcome = table.handle_register(at, &request, flow);
        assert!(matches!(outcome, RegisterOutcome::Accepted { .. }));
        while table.poll_event().is_some() {}
    }
    let growth = resident_bytes().saturating_sub(before);
    println!("{} registrations, {} bytes each", table.len(), growth / PHONES);
}
