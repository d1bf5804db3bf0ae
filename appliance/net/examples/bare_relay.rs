//! The floor that the RTP relay is measured against: epoll, `recvmmsg`, `sendmmsg`, and nothing else.
//!
//! `bare_relay 127.0.0.1 16384:16386 16388:16390` relays between the ports of each pair; `16384*100` stands for 100
//! pairs, each four ports after the one before. What arrives at one port is sent from the other to whoever sent to it
//! last.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use branchline_net::{BATCH_MAX, BatchReceiver, BatchSender, BindOptions, Outgoing, Socket, TrafficClass};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::error::Error;
use std::net::{IpAddr, SocketAddr};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(address) = arguments.next().and_then(|text| text.parse().ok()) else {
        eprintln!("usage: bare_relay ADDRESS PORT:PORT ... | FIRST*COUNT");
        return Err("no address".into());
    };
    let mut sockets = Vec::new();
    for argument in arguments {
        for port in ports(&argument)? {
            sockets.push(open(address, port)?);
        }
    }
    println!("relaying between {} pairs of ports", sockets.len() / 2);
    relay(&sockets)
}

fn relay(sockets: &[Socket]) -> Result<(), Box<dyn Error>> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    for (index, socket) in sockets.iter().enumerate() {
        epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
    }
    let mut peers: Vec<Option<SocketAddr>> = vec![None; sockets.len()];
    let mut receiver = BatchReceiver::new(BATCH_MAX, 1500);
    let mut sender = BatchSender::new();
    let mut events = [EpollEvent::empty(); 256];
    loop {
        let ready = epoll.wait(&mut events, EpollTimeout::NONE)?;
        for event in &events[..ready] {
            let index = event.data() as usize;
            receiver.receive(&sockets[index])?;
            let other = index ^ 1;
            peers[index] = receiver
                .datagrams()
                .last()
                .map(|datagram| datagram.source)
                .or(peers[index]);
            let Some(to) = peers[other] else { continue };
            let mut outgoing = [Outgoing { to, data: &[] }; BATCH_MAX];
            let mut count = 0;
            for (place, datagram) in outgoing.iter_mut().zip(receiver.datagrams()) {
                place.data = datagram.data;
                count += 1;
            }
            sender.send(&sockets[other], &outgoing[..count]);
        }
    }
}

fn open(address: IpAddr, port: u16) -> Result<Socket, Box<dyn Error>> {
    let address = SocketAddr::new(address, port);
    let options = BindOptions {
        address,
        receive_buffer_bytes: 256 * 1024,
        traffic_class: TrafficClass::Voice,
    };
    Ok(Socket::bind(&options)?)
}

/// `A:B` is one pair, `FIRST*COUNT` are pairs of every second port.
fn ports(argument: &str) -> Result<Vec<u16>, Box<dyn Error>> {
    if let Some((a, b)) = argument.split_once(':') {
        return Ok(vec![a.parse()?, b.parse()?]);
    }
    let (first, count) = argument.split_once('*').ok_or("neither PORT:PORT nor FIRST*COUNT")?;
    let (first, count): (u16, u16) = (first.parse()?, count.parse()?);
    (0..count.saturating_mul(2))
        .map(|step| first.checked_add(step * 2).ok_or("past port 65535".into()))
        .collect()
}
