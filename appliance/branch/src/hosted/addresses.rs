//! Where the hosted PBX is: the addresses that its name leads to, and the one in use.

use std::net::{IpAddr, SocketAddr};

/// An address of it, and the address of the box that faces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) remote: SocketAddr,
    pub(super) facing: IpAddr,
}

/// All of them, best first.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    known: Vec<Address>,
    in_use: Option<Address>,
}

/// Whether another address is in use than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Same,
    Other,
}

impl Addresses {
    pub(super) fn in_use(&self) -> Option<Address> {
        self.in_use
    }

    /// It may send from any of them.
    pub(super) fn is_at(&self, ip: IpAddr) -> bool {
        self.known.iter().any(|address| address.remote.ip() == ip)
    }

    /// A look-up found these. Name servers turn the list round: what is in use stays in use while it is there.
    pub(super) fn handle_found(&mut self, found: Vec<Address>) -> Place {
        let stays = self.in_use.filter(|address| found.contains(address));
        let best = stays.or(found.first().copied());
        self.known = found;
        self.change(best)
    }

    /// The one in use is silent: the next, and after the last the first again.
    pub(super) fn move_on(&mut self) -> Place {
        let at = self.known.iter().position(|address| Some(*address) == self.in_use);
        let next = at.map_or(0, |at| (at + 1) % self.known.len().max(1));
        let next = self.known.get(next).copied().or(self.in_use);
        self.change(next)
    }

    /// This one answers.
    pub(super) fn settle_on(&mut self, address: Address) -> Place {
        if self.known.contains(&address) {
            self.change(Some(address))
        } else {
            Place::Same
        }
    }

    fn change(&mut self, to: Option<Address>) -> Place {
        if self.in_use == to {
            return Place::Same;
        }
        self.in_use = to;
        Place::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Address {
        Address {
            remote: SocketAddr::from(([192, 0, 2, last], 5060)),
            facing: IpAddr::from([192, 0, 2, 200]),
        }
    }

    #[test]
    fn the_next_address_has_its_turn_and_the_first_again_after_the_last() {
        let mut addresses = Addresses::default();
        assert_eq!(addresses.move_on(), Place::Same, "there is none");
        assert_eq!(
            addresses.handle_found(vec![address(1), address(2), address(3)]),
            Place::Other
        );
        let mut met = Vec::new();
        for _ in 0..4 {
            met.push(addresses.in_use());
            assert_eq!(addresses.move_on(), Place::Other);
        }
        assert_eq!(met, [1, 2, 3, 1].map(|last| Some(address(last))));
    }

    #[test]
    fn what_is_in_use_stays_while_the_name_leads_to_it() {
        let mut addresses = Addresses::default();
        addresses.handle_found(vec![address(1), address(2)]);
        assert_eq!(addresses.handle_found(vec![address(2), address(1)]), Place::Same);
        assert_eq!(addresses.in_use(), Some(address(1)));
        assert_eq!(addresses.settle_on(address(2)), Place::Other);
        assert_eq!(addresses.settle_on(address(9)), Place::Same, "nobody knows it");
        assert_eq!(addresses.handle_found(vec![address(3)]), Place::Other);
        assert_eq!(addresses.in_use(), Some(address(3)));
        assert!(addresses.is_at(address(3).remote.ip()) && !addresses.is_at(address(2).remote.ip()));
    }

    #[test]
    fn the_only_address_is_tried_again_and_again() {
        let mut addresses = Addresses::default();
        addresses.handle_found(vec![address(1)]);
        assert_eq!(addresses.move_on(), Place::Same);
        assert_eq!(addresses.in_use(), Some(address(1)));
    }
}
