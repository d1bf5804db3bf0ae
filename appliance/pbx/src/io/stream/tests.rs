use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::io::{bind, tls};

const OPTIONS: &str = "OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n";
const WITHIN: Duration = Duration::from_secs(10);

fn settings() -> Settings {
    Settings {
        server: None,
        client: tls::client().unwrap(),
        connections_max: 8,
        per_source_max: 3,
        idle_max: Duration::from_secs(60),
        ping_every: Duration::from_secs(30),
    }
}

fn start(settings: Settings) -> (Streams, SocketAddr) {
    let listener = bind::stream(Transport::Tcp, "127.9.4.41:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    (
        Streams::start(vec![(Transport::Tcp, listener)], settings).unwrap(),
        address,
    )
}

fn phone(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(WITHIN)).unwrap();
    stream
}

async fn arrived(streams: &mut Streams) -> Arrived {
    timeout(WITHIN, streams.arrived())
        .await
        .expect("in time")
        .expect("the thread runs")
}

async fn message(streams: &mut Streams) -> (Flow, Bytes) {
    match arrived(streams).await {
        Arrived::Message(flow, bytes) => (flow, bytes),
        Arrived::Failed(flow, _) => panic!("{flow:?} failed"),
    }
}

async fn failed(streams: &mut Streams) -> Flow {
    match arrived(streams).await {
        Arrived::Message(flow, bytes) => panic!("{flow:?}: {bytes:?}"),
        Arrived::Failed(flow, _) => flow,
    }
}

fn read_exactly(stream: &mut TcpStream, expected: &[u8]) {
    let mut buffer = vec![0; expected.len()];
    stream.read_exact(&mut buffer).unwrap();
    assert_eq!(buffer, expected);
}

#[tokio::test]
async fn messages_arrive_and_answers_go_back_on_the_same_connection() {
    let (mut streams, address) = start(settings());
    let mut phone = phone(address);
    phone
        .write_all(format!("{OPTIONS}\r\n\r\n{OPTIONS}").as_bytes())
        .unwrap();
    let (flow, bytes) = message(&mut streams).await;
    assert_eq!(bytes, OPTIONS);
    assert_eq!((flow.local, flow.remote), (address, phone.local_addr().unwrap()));
    assert_eq!(message(&mut streams).await.0, flow);
    read_exactly(&mut phone, b"\r\n");
    streams.send(Transmit {
        flow,
        bytes: Bytes::from_static(b"answer"),
    });
    // By address, without a connection named.
    streams.send(Transmit {
        flow: Flow {
            connection: None,
            ..flow
        },
        bytes: Bytes::from_static(b"again"),
    });
    read_exactly(&mut phone, b"answeragain");
    assert_eq!(streams.open_count(), 1);
    drop(phone);
    let unnamed = Flow {
        connection: None,
        ..flow
    };
    let both = [failed(&mut streams).await, failed(&mut streams).await];
    assert_eq!(both, [flow, unnamed]);
    // Nobody listens where the phone came from.
    streams.send(Transmit {
        flow,
        bytes: Bytes::from_static(b"late"),
    });
    assert_ne!(failed(&mut streams).await.connection, flow.connection);
    assert_eq!(failed(&mut streams).await, flow);
}

#[tokio::test]
async fn what_names_a_lost_connection_goes_on_another_to_the_same_place() {
    let (mut streams, _) = start(settings());
    let peer = bind::stream(Transport::Tcp, "127.9.4.46:0".parse().unwrap()).unwrap();
    peer.set_nonblocking(false).unwrap();
    let asked = Flow {
        transport: Transport::Tcp,
        local: "127.9.4.43:5060".parse().unwrap(),
        remote: peer.local_addr().unwrap(),
        connection: None,
    };
    streams.send(Transmit {
        flow: asked,
        bytes: Bytes::from_static(b"first"),
    });
    let (mut accepted, _) = peer.accept().unwrap();
    read_exactly(&mut accepted, b"first");
    drop(accepted);
    let lost = failed(&mut streams).await;
    assert_eq!(failed(&mut streams).await, asked);
    for bytes in [&b"opens"[..], b"follows"] {
        streams.send(Transmit {
            flow: lost,
            bytes: Bytes::from_static(bytes),
        });
    }
    let (mut accepted, _) = peer.accept().unwrap();
    accepted.set_read_timeout(Some(WITHIN)).unwrap();
    read_exactly(&mut accepted, b"opensfollows");
    assert_eq!(streams.open_count(), 1);
    drop(accepted);
    let own = failed(&mut streams).await;
    assert!(own.connection.is_some() && own.connection != lost.connection);
    assert_eq!(failed(&mut streams).await, lost);
}

#[tokio::test]
async fn a_connection_is_opened_where_there_is_none_and_used_again() {
    let (mut streams, _) = start(settings());
    let peer = bind::stream(Transport::Tcp, "127.9.4.42:0".parse().unwrap()).unwrap();
    peer.set_nonblocking(false).unwrap();
    let flow = Flow {
        transport: Transport::Tcp,
        local: "127.9.4.43:5060".parse().unwrap(),
        remote: peer.local_addr().unwrap(),
        connection: None,
    };
    streams.send(Transmit {
        flow,
        bytes: Bytes::from_static(b"one"),
    });
    streams.send(Transmit {
        flow,
        bytes: Bytes::from_static(b"two"),
    });
    let (mut accepted, source) = peer.accept().unwrap();
    assert_eq!(source.ip(), flow.local.ip());
    accepted.set_read_timeout(Some(WITHIN)).unwrap();
    read_exactly(&mut accepted, b"onetwo");
    accepted.write_all(OPTIONS.as_bytes()).unwrap();
    let (opened, _) = message(&mut streams).await;
    assert!(opened.connection.is_some());
    assert_eq!(
        Flow {
            connection: None,
            ..opened
        },
        flow
    );
    drop(accepted);
    // Both names of the flow: what was sent on either is lost.
    let both = [failed(&mut streams).await, failed(&mut streams).await];
    assert_eq!(both, [opened, flow]);
}

#[tokio::test]
async fn a_place_that_refuses_fails_the_flow() {
    let (mut streams, _) = start(settings());
    let remote = "127.9.4.44:9".parse().unwrap();
    let flow = Flow {
        transport: Transport::Tcp,
        local: "127.9.4.43:5060".parse().unwrap(),
        remote,
        connection: None,
    };
    streams.send(Transmit {
        flow,
        bytes: Bytes::from_static(b"x"),
    });
    let both = [failed(&mut streams).await, failed(&mut streams).await];
    assert!(both.contains(&flow));
}

#[tokio::test]
async fn one_source_gets_no_more_connections_than_it_may_have() {
    let (mut streams, address) = start(settings());
    let mut phones: Vec<TcpStream> = (0..3).map(|_| phone(address)).collect();
    for phone in &mut phones {
        phone.write_all(OPTIONS.as_bytes()).unwrap();
        message(&mut streams).await;
    }
    let mut refused = phone(address);
    let mut buffer = [0; 1];
    // The box closes it without a word, by a close or a reset.
    assert_eq!(refused.read(&mut buffer).unwrap_or(0), 0);
    assert_eq!(streams.counts().refused.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_given_up() {
    let (mut streams, address) = start(settings());
    let mut phone = phone(address);
    phone.write_all(OPTIONS.as_bytes()).unwrap();
    let (flow, _) = message(&mut streams).await;
    let large = Bytes::from(vec![b'x'; 60_000]);
    // More than both kernels buffer.
    for _ in 0..1000 {
        streams.send(Transmit {
            flow,
            bytes: large.clone(),
        });
        if streams.counts().slow_closed.load(Ordering::Relaxed) > 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(streams.counts().slow_closed.load(Ordering::Relaxed), 1);
    assert_eq!(failed(&mut streams).await, flow);
}

#[tokio::test]
async fn what_is_not_sip_closes_the_connection() {
    let (mut streams, address) = start(settings());
    let mut phone = phone(address);
    phone.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let flow = failed(&mut streams).await;
    assert_eq!(flow.remote, phone.local_addr().unwrap());
    assert_eq!(streams.counts().malformed_closed.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn tls_is_served_with_the_certificate_shown_and_an_unknown_peer_is_not_believed() {
    let directory = tempfile::tempdir().unwrap();
    let files = tls::KeyFiles {
        certificate: directory.path().join("c"),
        key: directory.path().join("k"),
    };
    let made = crate::certificate::self_signed(&["box".to_owned()], &[], 0).unwrap();
    std::fs::write(&files.certificate, made.certificate).unwrap();
    std::fs::write(&files.key, made.key.expose()).unwrap();
    let listener = bind::stream(Transport::Tls, "127.9.4.45:0".parse().unwrap()).unwrap();
    let remote = listener.local_addr().unwrap();
    let settings = Settings {
        server: Some(tls::server(&files).unwrap()),
        ..settings()
    };
    let mut streams = Streams::start(vec![(Transport::Tls, listener)], settings).unwrap();
    // The box calls itself: its own certificate is not among the system's roots.
    let flow = Flow {
        transport: Transport::Tls,
        local: "127.9.4.45:5061".parse().unwrap(),
        remote,
        connection: None,
    };
    streams.name(remote, "box");
    streams.send(Transmit {
        flow,
        bytes: Bytes::from_static(OPTIONS.as_bytes()),
    });
    let both = [failed(&mut streams).await, failed(&mut streams).await];
    assert!(both.contains(&flow));
    timeout(WITHIN, async {
        while streams.counts().handshakes_failed.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the listener's side fails too");
}

/// A connection that the box opened to a peer, which has read its first message.
async fn opened_to(listener: &tokio::net::TcpListener, streams: &mut Streams) -> tokio::net::TcpStream {
    let flow = Flow {
        transport: Transport::Tcp,
        local: listener.local_addr().unwrap(),
        remote: listener.local_addr().unwrap(),
        connection: None,
    };
    streams.send(Transmit {
        flow,
        bytes: Bytes::from_static(OPTIONS.as_bytes()),
    });
    let (mut peer, _) = timeout(WITHIN, listener.accept()).await.expect("in time").unwrap();
    read_within(&mut peer, OPTIONS.as_bytes()).await;
    peer
}

async fn read_within(peer: &mut tokio::net::TcpStream, expected: &[u8]) {
    let mut buffer = vec![0; expected.len()];
    let read = tokio::io::AsyncReadExt::read_exact(peer, &mut buffer);
    timeout(WITHIN, read).await.expect("in time").unwrap();
    assert_eq!(buffer, expected);
}

#[tokio::test]
async fn a_peer_that_answered_a_ping_and_no_longer_does_has_failed_and_one_that_never_did_has_not() {
    let settings = Settings {
        ping_every: Duration::from_millis(90),
        ..settings()
    };
    let (mut streams, _) = start(settings);
    let listener = tokio::net::TcpListener::bind("127.9.4.47:0").await.unwrap();
    let mut deaf = opened_to(&listener, &mut streams).await;
    for _ in 0..4 {
        read_within(&mut deaf, b"\r\n\r\n").await;
    }
    assert_eq!(streams.open_count(), 1, "it may not know pings");
    for _ in 0..2 {
        tokio::io::AsyncWriteExt::write_all(&mut deaf, b"\r\n").await.unwrap();
        read_within(&mut deaf, b"\r\n\r\n").await;
    }
    // It knows them, and falls silent.
    let flow = failed(&mut streams).await;
    assert_eq!(flow.remote, listener.local_addr().unwrap());
}
