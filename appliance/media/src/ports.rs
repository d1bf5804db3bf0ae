//! Which ports are free, decided without touching a socket.
//!
//! The shell binds pairs ahead of time and reports them; a call takes one without waiting. A port number is bound on
//! one address only, so that it names a leg by itself.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// IP version of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl From<IpAddr> for Family {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// Sizes of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolConfig {
    /// Bound pairs to keep in stock per family in use. Default 64: a burst of 32 calls.
    pub stock: usize,
    /// Rest of a port after its call, so that late packets reach nobody. Default 10 s.
    pub quarantine: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            stock: 64,
            quarantine: Duration::from_secs(10),
        }
    }
}

/// Bound port pairs: in stock, with a call, or resting.
///
/// - `handle_ready`, `handle_timeout`: what the shell reports
/// - `take`, `give_back`: what calls do
/// - `can_take`, `wanted`, `poll_timeout`, `exhausted`: what the shell asks
#[derive(Debug)]
pub struct PortPool {
    config: PoolConfig,
    v4: VecDeque<u16>,
    v6: VecDeque<u16>,
    /// Every known port, in stock or not; at most the 32,768 even ports.
    owners: HashMap<u16, (Family, Place)>,
    resting: VecDeque<(Instant, u16)>,
    exhausted: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Stock,
    Call,
    Resting,
}

impl PortPool {
    /// An empty pool.
    #[must_use]
    pub fn new(config: PoolConfig) -> Self {
        let (v4, v6, resting) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        Self {
            config,
            v4,
            v6,
            owners: HashMap::new(),
            resting,
            exhausted: 0,
        }
    }

    /// The shell bound these even ports; ones that are known or odd are ignored.
    pub fn handle_ready(&mut self, family: Family, ports: &[u16]) {
        for port in ports
            .iter()
            .copied()
            .filter(|port| *port != 0 && port.is_multiple_of(2))
        {
            if let std::collections::hash_map::Entry::Vacant(place) = self.owners.entry(port) {
                place.insert((family, Place::Stock));
                self.stock_mut(family).push_back(port);
            }
        }
    }

    /// A port for a call: one from stock, or else the one that has rested longest, for a late packet harms less than a
    /// refused call. `None` is counted.
    pub fn take(&mut self, family: Family) -> Option<u16> {
        let port = self.stock_mut(family).pop_front().or_else(|| self.rouse(family));
        match port {
            Some(port) => {
                self.owners.insert(port, (family, Place::Call));
            }
            None => self.exhausted += 1,
        }
        port
    }

    /// `take` would give a port so many times.
    #[must_use]
    pub fn can_take(&self, family: Family, times: usize) -> bool {
        let more = times.saturating_sub(self.available(family));
        let resting = self.resting.iter().filter(|(_, port)| self.is_of(family, *port));
        resting.take(more).count() == more
    }

    /// The call is over; the port rests before it is used again. A port that no call has is ignored.
    pub fn give_back(&mut self, now: Instant, port: u16) {
        if let Some((_, place @ Place::Call)) = self.owners.get_mut(&port) {
            *place = Place::Resting;
            self.resting.push_back((now + self.config.quarantine, port));
        }
    }

    /// Puts rested ports back into stock.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, port)) = self.resting.pop_front_if(|(due, _)| *due <= now) {
            if let Some((family, place)) = self.owners.get_mut(&port) {
                *place = Place::Stock;
                let family = *family;
                self.stock_mut(family).push_back(port);
            }
        }
    }

    /// When the next port has rested.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.resting.front().map(|(due, _)| *due)
    }

    /// How many pairs the shell should bind now to fill the stock.
    #[must_use]
    pub fn wanted(&self, family: Family) -> usize {
        self.config.stock.saturating_sub(self.available(family))
    }

    /// Ports in stock.
    #[must_use]
    pub fn available(&self, family: Family) -> usize {
        match family {
            Family::V4 => self.v4.len(),
            Family::V6 => self.v6.len(),
        }
    }

    /// Ports with calls or resting.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.owners.len() - self.v4.len() - self.v6.len()
    }

    /// Calls that got no port since the start.
    #[must_use]
    pub fn exhausted(&self) -> u64 {
        self.exhausted
    }

    fn rouse(&mut self, family: Family) -> Option<u16> {
        let longest = self.longest_resting(family)?;
        self.resting.remove(longest).map(|(_, port)| port)
    }

    fn longest_resting(&self, family: Family) -> Option<usize> {
        self.resting.iter().position(|(_, port)| self.is_of(family, *port))
    }

    fn is_of(&self, family: Family, port: u16) -> bool {
        self.owners.get(&port).is_some_and(|(of, _)| *of == family)
    }

    fn stock_mut(&mut self, family: Family) -> &mut VecDeque<u16> {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant can only be made by reading the clock"
    )]
    fn a_port_rests_before_it_is_used_again() {
        let (now, rest) = (Instant::now(), Duration::from_secs(10));
        let mut pool = PortPool::new(PoolConfig {
            stock: 3,
            quarantine: rest,
        });
        pool.handle_ready(Family::V4, &[4000, 4001, 4002, 4000, 0]);
        assert_eq!(
            (
                pool.available(Family::V4),
                pool.wanted(Family::V4),
                pool.wanted(Family::V6)
            ),
            (2, 1, 3)
        );
        assert_eq!([pool.take(Family::V4), pool.take(Family::V4)], [Some(4000), Some(4002)]);
        assert_eq!(
            (pool.take(Family::V4), pool.take(Family::V6), pool.exhausted()),
            (None, None, 2)
        );

        pool.give_back(now, 4000);
        pool.give_back(now, 4000);
        pool.give_back(now, 5000);
        assert_eq!(pool.poll_timeout(), Some(now + rest));
        pool.handle_timeout(now + rest - Duration::from_millis(1));
        assert_eq!((pool.available(Family::V4), pool.busy()), (0, 2));
        pool.handle_timeout(now + rest);
        assert_eq!(
            (pool.available(Family::V4), pool.busy(), pool.poll_timeout()),
            (1, 1, None)
        );
        assert_eq!(pool.take(Family::V4), Some(4000));
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant can only be made by reading the clock"
    )]
    fn with_none_in_stock_the_longest_rested_port_serves_a_call() {
        let now = Instant::now();
        let mut pool = PortPool::new(PoolConfig::default());
        pool.handle_ready(Family::V6, &[3000]);
        pool.handle_ready(Family::V4, &[4000, 4002]);
        let taken = [Family::V6, Family::V4, Family::V4].map(|family| pool.take(family));
        assert_eq!(taken, [Some(3000), Some(4000), Some(4002)]);
        for port in [3000, 4002, 4000] {
            pool.give_back(now, port);
        }
        let again = [Family::V4, Family::V4, Family::V4].map(|family| (pool.can_take(family, 1), pool.take(family)));
        assert_eq!(again, [(true, Some(4002)), (true, Some(4000)), (false, None)]);
        assert_eq!((pool.busy(), pool.exhausted()), (3, 1));
        pool.handle_timeout(now + PoolConfig::default().quarantine);
        assert_eq!(
            (
                pool.available(Family::V4),
                pool.available(Family::V6),
                pool.poll_timeout()
            ),
            (0, 1, None)
        );
    }
}
