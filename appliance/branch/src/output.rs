//! What the machine asks the shell to do, and what the shell tells it besides SIP messages.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use branchline_config::Transport;
use branchline_journal::Entry;
use branchline_media::MediaPlan;
use branchline_sip::flow::Transmit;

use crate::view::TraceLine;

/// One thing to do, in order.
#[derive(Debug)]
pub enum Output {
    /// Send a SIP message.
    Transmit(Transmit),
    /// Give a bridge its new desired state.
    Media(MediaPlan),
    /// Have the relay tell the figures of all legs ([`MediaEvent::Measured`](branchline_media::MediaEvent::Measured)).
    Measure,
    /// Append to the journal; answer with [`Branch::handle_journal`](crate::Branch::handle_journal).
    Journal(Entry),
    /// Look a name up in the background; answer with [`Branch::handle_resolved`](crate::Branch::handle_resolved).
    Resolve(Lookup),
    /// Find out which ports the neighbours are behind, in the background; answer with
    /// [`Branch::handle_neighbours`](crate::Branch::handle_neighbours).
    Neighbours,
    /// A message crossed the wire while somebody watches.
    Trace(Box<TraceLine>),
    /// Post to a web address; nothing is answered.
    Post(Post),
    /// Something worth a line in the log.
    Notice(Notice),
}

/// A host on one of the box's own networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its address.
    pub address: IpAddr,
    /// The interface it is reached by.
    pub interface: String,
    /// The port of a bridge that it is behind; the interface where that is no bridge.
    pub port: String,
}

/// Something for a program elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// Where to, http or https.
    pub url: String,
    /// PEM file with the authorities that an https server's certificate may be from; those of the system where there is none.
    pub ca: Option<PathBuf>,
    /// JSON.
    pub body: String,
}

/// How a flow came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowFault {
    /// It broke, was closed, or the network says that nobody is there.
    Broken,
    /// A peer that answered pings no longer does (RFC 5626 section 4.4.1).
    Silent,
}

/// A name that wants an address (RFC 3263).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Trunk that asks.
    pub trunk: String,
    /// Host name or IP literal.
    pub host: String,
    /// Port; without one SRV records are asked first.
    pub port: Option<u16>,
    /// Transport wanted.
    pub transport: Transport,
}

/// What a [`Lookup`] found, best first; empty when the name does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Trunk that asked.
    pub trunk: String,
    /// Host that was asked for: what a certificate has to name.
    pub host: String,
    /// Addresses, best first, each with the address of the box that faces it.
    pub addresses: Vec<(SocketAddr, IpAddr)>,
    /// Why there are none, or only those of before; for a person to read.
    pub problem: Option<String>,
}

/// How far the journal has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Journalled {
    /// All entries up to this one survive the end of the program.
    pub written_seq: u64,
    /// All entries up to this one survive a power cut.
    pub synced_seq: u64,
}

/// An order from the page, the command line or the shell.
#[derive(Clone, Debug)]
pub enum Command {
    /// Take a new configuration; calls go on.
    Configure(Box<crate::Configuration>),
    /// End one call.
    HangUp {
        /// Its id as in the view.
        call: String,
    },
    /// Let an address in that was shut out.
    Unban {
        /// Whose.
        address: IpAddr,
    },
    /// Somebody watches the trace, or no longer does.
    Trace(Watched),
    /// Somebody reads why the branch decides as it does, or no longer does.
    Explain(Watched),
}

/// Whether trace lines are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Make them.
    Yes,
    /// Nobody would read them.
    No,
}

/// A line for the log, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How serious it is.
    pub level: Level,
    /// What happened.
    pub text: String,
    /// To whom or what.
    pub about: About,
}

/// What a [`Notice`] is about, as far as it is known: numbers and addresses, no names of people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Id of the call, as in its record.
    pub call: Option<String>,
    /// Number of the caller.
    pub from: Option<String>,
    /// Number that was dialled.
    pub to: Option<String>,
    /// An extension.
    pub extension: Option<String>,
    /// A trunk, by name.
    pub trunk: Option<String>,
    /// The other end.
    pub address: Option<String>,
    /// SIP status that was answered.
    pub status: Option<u16>,
    /// The reason.
    pub why: Option<String>,
}

/// Seriousness of a [`Notice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Somebody should look.
    Warning,
    /// Ordinary operation.
    Info,
    /// Why something was decided; only after [`Command::Explain`].
    Debug,
}
