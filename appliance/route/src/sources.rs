//! A bounded table by source: when it is full, the source heard from longest ago is forgotten.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

/// What counts as one source. A host owns its whole global IPv6 /64; inside a site each address stands for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source(IpAddr);

impl Source {
    /// The source that an address belongs to.
    pub fn new(address: IpAddr) -> Source {
        Source(match address.to_canonical() {
            IpAddr::V6(v6) if !v6.is_unique_local() && !v6.is_unicast_link_local() && !v6.is_loopback() => {
                IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX)))
            }
            other => other,
        })
    }

    /// The address, or of a network its first.
    pub fn address(self) -> IpAddr {
        self.0
    }
}

/// What is remembered of the sources heard from last.
#[derive(Clone, Debug)]
pub struct Sources<V> {
    entries_max: usize,
    entries: BTreeMap<Source, (u64, V)>,
    by_use: BTreeMap<u64, Source>,
    uses: u64,
    forgotten: u64,
}

impl<V> Sources<V> {
    /// Empty, with room for this many, at least one.
    pub fn new(entries_max: usize) -> Sources<V> {
        Sources {
            entries_max: entries_max.max(1),
            entries: BTreeMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
            forgotten: 0,
        }
    }

    pub(crate) fn look(&self, source: Source) -> Option<&V> {
        self.entries.get(&source).map(|(_, value)| value)
    }

    /// The entry of a source, made when absent, marked as used just now.
    pub fn entry(&mut self, source: Source, make: impl FnOnce() -> V) -> &mut V {
        if !self.entries.contains_key(&source) && self.entries.len() >= self.entries_max {
            self.forget_oldest();
        }
        self.uses += 1;
        let uses = self.uses;
        self.by_use.insert(uses, source);
        let (used, value) = self.entries.entry(source).or_insert_with(|| (uses, make()));
        if *used != uses {
            self.by_use.remove(used);
            *used = uses;
        }
        value
    }

    /// Forgets a source; nothing if it is not there.
    pub fn remove(&mut self, source: Source) {
        if let Some((used, _)) = self.entries.remove(&source) {
            self.by_use.remove(&used);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Source, &V)> {
        self.entries.iter().map(|(source, (_, value))| (*source, value))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn forget_oldest(&mut self) {
        if let Some((_, source)) = self.by_use.pop_first() {
            self.entries.remove(&source);
            self.forgotten += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new(text.parse().unwrap())
    }

    #[test]
    fn the_source_used_longest_ago_is_forgotten() {
        let mut sources = Sources::new(2);
        *sources.entry(source("192.0.2.1"), || 0) = 1;
        *sources.entry(source("192.0.2.2"), || 0) = 2;
        *sources.entry(source("192.0.2.1"), || 0) += 10;
        sources.entry(source("192.0.2.3"), || 3);
        assert_eq!((sources.len(), sources.by_use.len(), sources.forgotten()), (2, 2, 1));
        assert_eq!(sources.look(source("192.0.2.1")), Some(&11));
        assert_eq!(sources.look(source("192.0.2.2")), None);
    }

    #[test]
    fn a_global_ipv6_network_is_one_source_and_site_addresses_are_many() {
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_ne!(source("fe80::1"), source("fe80::2"));
        assert_ne!(source("fd00::1"), source("fd00::2"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
    }
}
