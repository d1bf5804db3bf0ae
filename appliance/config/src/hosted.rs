use crate::fault::Wrong;
use crate::read::Reader;
use crate::site::optional_host;
use crate::text::Host;
use crate::{LocationForm, Transport};

/// `[hosted]`: the PBX elsewhere that serves the branch while it can be reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Hosted {
    /// Host name or address.
    pub host: String,
    /// Default none: the transport's, or what DNS says (RFC 3263).
    pub port: Option<u16>,
    /// Default udp.
    pub transport: Transport,
    /// Domain of its addresses of record. Default `host`.
    pub domain: String,
    /// Registration asked for, per line. Default 600 s: a restart of the PBX is noticed within minutes.
    pub expires_s: u32,
    /// Pause between OPTIONS while it answers. Default 5 s: an outage is known before most people dial.
    pub probe_s: u32,
    /// How long it must answer well before the branch returns to it. Default 15 s: a line that flaps every 10 s is left alone.
    pub settle_s: u32,
    /// REGISTERs a second at most. Default 10: a branch of 100 telephones is back within 10 s, and 100 branches at once
    /// are no storm.
    pub registers_per_second: u32,
    /// How a call for help says where it comes from: not at all or as a document. Default none: what the PBX has on file for
    /// the line.
    pub location: LocationForm,
}

impl Hosted {
    pub(crate) fn read(mut table: Reader<'_>) -> Option<Hosted> {
        let host = table.required::<Host>("host", "pbx.example.net").map(|host| host.0);
        let hosted = Hosted {
            host: host.clone().unwrap_or_default(),
            port: table.optional_number("port", 1..=u16::MAX),
            transport: table.word("transport", Transport::Udp),
            domain: optional_host(&mut table, "domain")
                .or_else(|| host.clone())
                .unwrap_or_default(),
            expires_s: table.number("expires_s", 30..=86_400, 600),
            probe_s: table.number("probe_s", 1..=300, 5),
            settle_s: table.number("settle_s", 1..=3600, 15),
            registers_per_second: table.number("registers_per_second", 1..=1000, 10),
            location: table.word("location", LocationForm::None),
        };
        if hosted.location == LocationForm::Elin {
            let fix = "write \"pidf\", or \"none\" where the hosted PBX knows the places of its lines";
            table.wrong(
                "location",
                Wrong::new("a line shows its own number, so \"elin\" is for trunks", fix),
            );
        }
        table.finish();
        host.map(|_| hosted)
    }
}
