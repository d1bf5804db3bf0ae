//! What the agent is told at construction.

use std::time::Duration;

use crate::transaction;

/// Bounds and habits of an agent.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    /// Value of User-Agent and Server.
    pub user_agent: String,
    /// Bounds of the transaction layer.
    pub limits: transaction::Limits,
    /// Sessions at once; the next INVITE gets 503. The reserved percentage of `limits` is kept for priority INVITEs.
    pub sessions_max: usize,
    /// Subscriptions at once, both roles; the next SUBSCRIBE gets 503.
    pub subscriptions_max: usize,
    /// Session-Expires that we ask for and grant at most, in seconds (RFC 4028); 0 switches session timers off.
    pub session_expires_s: u32,
    /// Smallest Session-Expires that we accept, in seconds; at least 90 (RFC 4028 section 4).
    pub min_se_s: u32,
    /// Longest time that an INVITE may stay unanswered in either direction.
    pub ring_max: Duration,
}

impl Default for AgentSettings {
    fn default() -> Self {
        AgentSettings {
            user_agent: "Branchline".to_owned(),
            limits: transaction::Limits::default(),
            sessions_max: 2_000,
            subscriptions_max: 2_000,
            // RFC 4028 section 4 recommends half an hour.
            session_expires_s: 1_800,
            min_se_s: 90,
            // Above Timer C of the proxies on the way (RFC 3261 section 16.6).
            ring_max: Duration::from_secs(200),
        }
    }
}
