//! What a telephone is made from.

use std::net::SocketAddr;

use branchline_sip::Transport;

use super::call::Reaction;
use super::digest::{self, Proof};

/// What a telephone is made from.
#[derive(Clone, Debug)]
pub struct ActorSetup {
    /// A telephone, or the provider's end of a trunk.
    pub role: Role,
    /// User part and digest user name.
    pub number: String,
    /// What it proves itself with; for a trunk what the box has to prove.
    pub password: Proof,
    /// Where it sends from and receives.
    pub address: SocketAddr,
    /// Where its first call receives RTP; further calls take the ports after it.
    pub media: SocketAddr,
    /// The box.
    pub server: SocketAddr,
    /// Transport towards the box.
    pub transport: Transport,
    /// Gives every tag and pause.
    pub seed: u64,
    /// What it does when called.
    pub reaction: Reaction,
    /// What it can do.
    pub features: Features,
}

/// Who plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Registers with the box.
    Phone,
    /// The box registers with it.
    Trunk,
    /// Reached by way of the hosted PBX.
    Beyond,
}

/// What a telephone can do and how it was set up.
#[derive(Clone, Debug)]
pub struct Features {
    /// Registration asked for, in seconds.
    pub expires_s: u32,
    /// Preference of its contact in thousandths.
    pub q_thousandths: Option<u16>,
    /// `+sip.instance`, with reg-id 1.
    pub instance: Option<String>,
    /// Leaves session refreshing to the box (RFC 4028, `refresher=uac` of the box's INVITE).
    pub timer: bool,
    /// Allows UPDATE.
    pub update: bool,
    /// Rings reliably and acknowledges ringing by PRACK (RFC 3262), where the description came in the INVITE.
    pub prack: bool,
    /// A trunk that challenges the box's INVITEs.
    pub challenges: bool,
    /// Never answers anything, as if unplugged.
    pub deaf: bool,
    /// Never acknowledges an answer.
    pub never_acks: bool,
}

impl Default for Features {
    fn default() -> Features {
        Features {
            expires_s: 3600,
            q_thousandths: None,
            instance: None,
            timer: true,
            update: true,
            prack: false,
            challenges: false,
            deaf: false,
            never_acks: false,
        }
    }
}

/// MD5 and SHA-256 of `user:realm:password`, as the configuration of the box holds them.
pub fn hashes(user: &str, realm: &str, password: &str) -> (String, String) {
    digest::hashes(user, realm, password)
}
