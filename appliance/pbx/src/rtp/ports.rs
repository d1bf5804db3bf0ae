//! Bound port pairs, shared by all workers.

use super::RtpError;
use branchline_media::Family;
use branchline_net::{BindError, BindOptions, Socket, TrafficClass};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// RTP and RTCP socket of one even port.
#[derive(Debug)]
pub(super) struct PortPair {
    pub(super) rtp: Socket,
    pub(super) rtcp: Socket,
}

/// Every bound pair by its even port; at most as many as the range has. Locked when a plan changes, not per packet.
#[derive(Debug)]
pub(super) struct PortTable {
    v4: Option<IpAddr>,
    v6: Option<IpAddr>,
    inner: Mutex<Bound>,
}

#[derive(Debug)]
struct Bound {
    pairs: HashMap<u16, Arc<PortPair>>,
    /// Even ports not tried yet; a number is bound on one address only.
    untried: std::iter::StepBy<RangeInclusive<u16>>,
    range: RangeInclusive<u16>,
}

impl PortTable {
    pub(super) fn new(addresses: &[IpAddr], ports: RangeInclusive<u16>) -> Self {
        let first = ports.start().next_multiple_of(2);
        // The RTCP port has to be inside as well.
        let range = first..=ports.end().saturating_sub(1);
        let of = |family| {
            addresses
                .iter()
                .copied()
                .find(|address| Family::from(*address) == family)
        };
        let inner = Mutex::new(Bound {
            pairs: HashMap::new(),
            untried: range.clone().step_by(2),
            range,
        });
        Self {
            v4: of(Family::V4),
            v6: of(Family::V6),
            inner,
        }
    }

    pub(super) fn pair(&self, port: u16) -> Option<Arc<PortPair>> {
        self.lock().pairs.get(&port).cloned()
    }

    pub(super) fn bind(&self, family: Family, count: usize) -> Result<Vec<u16>, RtpError> {
        let address = match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        };
        let address = address.ok_or(RtpError::NoAddress(family))?;
        let mut bound = self.lock();
        let mut ports = Vec::with_capacity(count);
        let mut fault = None;
        while ports.len() < count {
            let Some(port) = bound.untried.next() else {
                // Next time ports that others held may be free.
                bound.untried = bound.range.clone().step_by(2);
                break;
            };
            if bound.pairs.contains_key(&port) {
                continue;
            }
            match PortPair::bind(address, port) {
                Ok(pair) => {
                    bound.pairs.insert(port, Arc::new(pair));
                    ports.push(port);
                }
                Err(BindError::InUse { .. }) => {}
                Err(other) => {
                    fault = Some(other);
                    break;
                }
            }
        }
        match fault {
            Some(fault) if ports.is_empty() => Err(fault.into()),
            None if ports.is_empty() && count > 0 => Err(RtpError::RangeUsedUp),
            Some(_) | None => Ok(ports),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Bound> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PortPair {
    fn bind(address: IpAddr, port: u16) -> Result<Self, BindError> {
        let open = |port| {
            let address = SocketAddr::new(address, port);
            Socket::bind(&BindOptions {
                address,
                receive_buffer_bytes: RECEIVE_BUFFER_BYTES,
                traffic_class: TrafficClass::Voice,
            })
        };
        Ok(Self {
            rtp: open(port)?,
            rtcp: open(port | 1)?,
        })
    }
}

/// Two seconds of G.711 with the kernel's overhead; more would only be late.
const RECEIVE_BUFFER_BYTES: usize = 128 * 1024;
