//! Sessions from outside: two agents back to back on a virtual time line over good and bad networks, and one agent by hand.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod emergencies;
#[cfg(test)]
mod forks;
#[cfg(test)]
mod offers;
#[cfg(test)]
mod pair;
#[cfg(test)]
mod races;
#[cfg(test)]
mod random;
#[cfg(test)]
mod reliable;
#[cfg(test)]
mod solo;
#[cfg(test)]
mod subscriptions;
#[cfg(test)]
mod timers;
#[cfg(test)]
mod transfers;
