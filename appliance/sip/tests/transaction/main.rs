//! The transaction layer from outside: one endpoint step by step, two endpoints over a bad network, and a flood.

#[cfg(test)]
mod bench;
#[cfg(test)]
mod client_side;
#[cfg(test)]
mod flood;
#[cfg(test)]
mod loss;
#[cfg(test)]
mod return_path;
#[cfg(test)]
mod server_side;
