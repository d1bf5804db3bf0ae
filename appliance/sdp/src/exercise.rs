//! One entry that drives everything a stranger's bytes can reach; fuzzing and the corpus replay share it.

use crate::{Anchor, Origin, Sdp, check_answer, intersect};
use std::net::{IpAddr, Ipv4Addr};

/// Parses `data` and checks what must hold for every description that is accepted.
///
/// # Panics
/// When an invariant is broken: printing is stable, anchoring keeps the number and order of streams, nothing of the
/// peer's addresses is left, and an anchored description is itself readable.
pub fn exercise(data: &[u8]) {
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let is_below_bounds =
        data.len() < crate::SIZE_MAX / 2 && data.iter().filter(|byte| **byte == b'\n').count() < crate::LINES_MAX - 8;
    let salvaged = Sdp::salvage(data, address);
    assert!(!salvaged.media().is_empty(), "something is always offered");
    if is_below_bounds {
        assert_eq!(
            Sdp::parse(&salvaged.to_bytes()),
            Ok(salvaged),
            "what was salvaged can be read"
        );
    }
    let Ok(sdp) = Sdp::parse(data) else { return };
    let printed = sdp.to_bytes();
    // LF line ends are printed as CRLF, which may push the largest descriptions over the bound.
    if printed.len() <= crate::SIZE_MAX {
        assert_eq!(Sdp::parse(&printed).as_ref(), Ok(&sdp), "printing is stable");
    }
    for stream in sdp.streams() {
        let _ = (stream.rtp_address(), stream.rtcp_address(), stream.media.ptime_ms());
    }
    let _ = (
        sdp.is_hold(),
        sdp.name(),
        sdp.version(),
        sdp.telephone_event_payload(),
        check_answer(&sdp, &sdp),
    );
    let codecs = sdp.codecs();
    assert_eq!(
        intersect(&codecs, &codecs),
        codecs,
        "a list has everything in common with itself"
    );

    let ports = sdp.ports_for_carried(20_000);
    let anchored = sdp.anchor(&Anchor {
        address,
        origin: Origin {
            session_id: 1,
            version: 1,
        },
        ports: &ports,
    });
    assert_eq!(anchored.media().len(), sdp.media().len(), "every stream is answered");
    for (ours, theirs) in anchored.streams().zip(sdp.streams()) {
        assert_eq!(ours.media.kind(), theirs.media.kind(), "streams keep their order");
        assert!(ours.media.port() == 0 || ours.connection().is_some_and(|found| found.ip() == Some(address)));
        assert!(
            ours.media.port() == 0 || ours.direction() == theirs.direction(),
            "a hold survives anchoring"
        );
    }
    // Anchoring adds a line and may lengthen the o= line, so only a description below the bounds must parse again.
    if is_below_bounds {
        let printed = anchored.to_bytes();
        assert_eq!(
            Sdp::parse(&printed).as_ref(),
            Ok(&anchored),
            "an anchored description can be read"
        );
    }
    assert_eq!(
        anchored.align_to_offer(&sdp).media().len(),
        sdp.media().len(),
        "an aligned answer lines up"
    );
}
