//! What the box answers to each message of RFC 4475 and RFC 5118 that comes from a trunk, which needs no password.

use std::path::Path;

use branchline_branch::Output;
use branchline_sip::Flow;
use bytes::Bytes;

use crate::office::{BOX, Office, PROVIDER, moment};

#[derive(Debug, PartialEq, Clone, Copy)]
enum Outcome {
    /// It is passed to the extension that the trunk leads to.
    Reaches202,
    /// The last response.
    Status(u16),
    /// No word.
    Nothing,
}
use Outcome::{Nothing, Reaches202, Status};

/// By the sections of RFC 4475.
const RFC4475: &[(&str, Outcome)] = &[
    // 3.1.1 valid messages
    // Its To names a dialog that is not there.
    ("wsinv", Status(481)),
    ("intmeth", Status(405)),
    ("esc01", Reaches202),
    ("escnull", Status(401)),
    ("esc02", Status(405)),
    ("lwsdisp", Status(200)),
    ("longreq", Reaches202),
    ("dblreq", Status(401)),
    ("semiuri", Status(200)),
    ("transports", Status(200)),
    ("mpart01", Reaches202),
    // Responses to nothing.
    ("unreason", Nothing),
    ("noreason", Nothing),
    // 3.1.2 invalid messages
    ("badinv01", Status(400)),
    ("clerr", Status(400)),
    ("ncl", Status(400)),
    ("scalar02", Status(400)),
    ("scalarlg", Nothing),
    ("quotbal", Status(400)),
    ("ltgtruri", Status(400)),
    ("lwsruri", Status(400)),
    ("lwsstart", Status(400)),
    ("trws", Status(400)),
    // Headers in a request URI may be ignored.
    ("escruri", Reaches202),
    // Date is read by nobody.
    ("baddate", Reaches202),
    ("regbadct", Status(401)),
    ("badaspec", Status(200)),
    ("baddn", Nothing),
    ("badvers", Status(505)),
    ("mismatch01", Status(400)),
    ("mismatch02", Status(501)),
    ("bigcode", Nothing),
    // 3.2 transaction layer: an empty branch is no match key, which is told there.
    // A request without a match key of RFC 3261 is matched as RFC 2543 does.
    ("badbranch", Status(200)),
    // 3.3 application layer
    ("insuf", Status(400)),
    ("unkscm", Status(416)),
    ("novelsc", Status(416)),
    ("unksm2", Status(401)),
    ("bext01", Status(420)),
    ("invut", Status(415)),
    // Registrations are asked for a password first; sip/tests/torture.rs has what follows.
    ("regaut01", Status(401)),
    ("multi01", Status(400)),
    ("mcl01", Status(400)),
    ("bcast", Nothing),
    // It has arrived: nothing more is to be forwarded.
    ("zeromf", Status(200)),
    ("cparam01", Status(401)),
    ("cparam02", Status(401)),
    ("regescrt", Status(401)),
    ("sdp01", Status(406)),
    // 3.4 backward compatibility
    // No Contact: a caller that only RFC 2543 knew.
    ("inv2543", Status(400)),
];

const RFC5118: &[(&str, Outcome)] = &[
    ("ipv6-good", Status(401)),
    ("ipv6-bad", Status(400)),
    ("port-ambiguous", Status(401)),
    ("port-unambiguous", Status(401)),
    ("via-received-param-with-delim", Status(481)),
    ("via-received-param-no-delim", Status(200)),
    ("ipv6-in-sdp", Reaches202),
    ("mult-ip-in-header", Status(481)),
    ("mult-ip-in-sdp", Reaches202),
    ("ipv4-mapped-ipv6", Reaches202),
    ("ipv6-bug-abnf-3-colons", Status(200)),
    ("ipv6-correct-abnf-2-colons", Status(200)),
];

/// Every number that the trunk brings leads to 202.
const LINE: &str = "[[trunk]]\nname = \"line\"\nhost = \"sip.example.net\"\noptions_s = 0\ndefault_to = \"202\"\n";

fn outcome(set: &str, name: &str) -> Outcome {
    let file = format!("../sip/tests/torture/{set}/{name}.dat");
    let bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let mut office = Office::with(LINE);
    assert_eq!(office.register(1), 200);
    office.wait(std::time::Duration::from_secs(1));
    let flow = Flow::udp(BOX.parse().unwrap(), PROVIDER.parse().unwrap());
    let at = moment(office.base, office.now);
    office.branch.handle_message(at, flow, Bytes::from(bytes));
    let mut outcome = Nothing;
    while let Some(output) = office.branch.poll_output() {
        let Output::Transmit(transmit) = output else { continue };
        // The headers of a bad request come back in the answer as they were.
        let line = String::from_utf8_lossy(transmit.bytes.split(|byte| *byte == b'\r').next().unwrap()).into_owned();
        match line.strip_prefix("SIP/2.0 ").map(|rest| rest[..3].parse().unwrap()) {
            Some(100..=199) => {}
            Some(status) => outcome = Status(status),
            None => {
                assert_eq!(transmit.flow.remote, office.phones[1].address, "{name}: {line}");
                outcome = Reaches202;
            }
        }
    }
    outcome
}

#[test]
fn every_message_of_the_torture_tests_has_the_outcome_its_rfc_asks_for() {
    let mut wrong = Vec::new();
    for (set, expected) in [("rfc4475", RFC4475), ("rfc5118", RFC5118)] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../sip/tests/torture")
            .join(set);
        let mut seen = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            seen += 1;
            let due = expected.iter().find(|(known, _)| *known == name).map(|(_, due)| *due);
            let got = outcome(set, &name);
            if due != Some(got) {
                wrong.push(format!("{set} {name}: {got:?}, not {due:?}"));
            }
        }
        assert_eq!(seen, expected.len(), "{set}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
