//! Batches over real sockets on loopback.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use branchline_net::{BatchReceiver, BatchSender, BindError, BindOptions, Outgoing, Sent, Socket, TrafficClass};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::net::SocketAddr;
use std::os::fd::AsFd;

#[test]
fn a_batch_arrives_whole_and_in_order_on_both_families() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (from, to) = (open(address), open(address));
        let payloads: Vec<Vec<u8>> = (0..100u8).map(|number| vec![number; usize::from(number) + 1]).collect();
        let outgoing: Vec<Outgoing<'_>> = payloads
            .iter()
            .map(|data| Outgoing {
                to: to.local_address(),
                data,
            })
            .collect();
        assert_eq!(
            BatchSender::new().send(&from, &outgoing),
            Sent { sent: 100, dropped: 0 }
        );
        let mut receiver = BatchReceiver::new(32, 1500);
        let mut arrived = Vec::new();
        while arrived.len() < 100 {
            wait(&to);
            assert!(receiver.receive(&to).unwrap() > 0);
            for datagram in receiver.datagrams() {
                assert_eq!(datagram.source, from.local_address());
                arrived.push(datagram.data.to_vec());
            }
        }
        assert_eq!(arrived, payloads);
        assert_eq!(receiver.receive(&to).unwrap(), 0, "an empty socket is no error");
    }
}

#[test]
fn one_receiver_serves_both_families_in_turn() {
    let (v4, v6) = (open("127.0.0.1:0"), open("[::1]:0"));
    let mut receiver = BatchReceiver::new(4, 1500);
    for round in 0..3u8 {
        for socket in [&v4, &v6] {
            socket.send_to(&[round], socket.local_address()).unwrap();
            wait(socket);
            assert_eq!(receiver.receive(socket).unwrap(), 1);
            let datagram = receiver.datagrams().next().unwrap();
            assert_eq!((datagram.source, datagram.data), (socket.local_address(), &[round][..]));
        }
    }
}

#[test]
fn a_datagram_that_does_not_fit_is_left_out() {
    let socket = open("127.0.0.1:0");
    for bytes in [10, 11, 9] {
        socket.send_to(&vec![7; bytes], socket.local_address()).unwrap();
    }
    let mut receiver = BatchReceiver::new(8, 10);
    wait(&socket);
    assert_eq!(receiver.receive(&socket).unwrap(), 3);
    let lengths: Vec<usize> = receiver.datagrams().map(|datagram| datagram.data.len()).collect();
    assert_eq!(lengths, [10, 9]);
}

#[test]
fn an_address_that_cannot_be_reached_does_not_stop_the_others() {
    let (from, to) = (open("127.0.0.1:0"), open("127.0.0.1:0"));
    let nowhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let outgoing = [nowhere, to.local_address(), nowhere, to.local_address()].map(|to| Outgoing { to, data: b"x" });
    assert_eq!(BatchSender::new().send(&from, &outgoing), Sent { sent: 2, dropped: 2 });
}

#[test]
fn the_largest_datagram_passes() {
    let socket = open("127.0.0.1:0");
    let data = vec![5; 65_507];
    socket.send_to(&data, socket.local_address()).unwrap();
    let mut receiver = BatchReceiver::new(2, branchline_net::DATAGRAM_BYTES_MAX);
    wait(&socket);
    receiver.receive_one(&socket).unwrap();
    assert_eq!(receiver.datagrams().next().unwrap().data, data);
}

#[test]
fn faults_name_address_and_fix() {
    let holder = open("127.0.0.1:0");
    let taken = holder.local_address();
    let in_use = Socket::bind(&options(taken)).unwrap_err();
    assert!(
        matches!(in_use, BindError::InUse { address } if address == taken),
        "{in_use:?}"
    );
    assert!(
        in_use.to_string().contains(&taken.to_string()) && in_use.to_string().contains("in use"),
        "{in_use}"
    );
    let foreign = Socket::bind(&options("192.0.2.1:0".parse().unwrap())).unwrap_err();
    assert!(matches!(foreign, BindError::NoSuchAddress { .. }), "{foreign:?}");
}

fn open(address: &str) -> Socket {
    Socket::bind(&options(address.parse().unwrap())).unwrap()
}

fn options(address: SocketAddr) -> BindOptions {
    BindOptions {
        address,
        receive_buffer_bytes: 4 << 20,
        traffic_class: TrafficClass::Signalling,
    }
}

fn wait(socket: &Socket) {
    let mut ready = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    assert_eq!(
        poll(&mut ready, PollTimeout::from(5000u16)).unwrap(),
        1,
        "nothing arrived"
    );
}
