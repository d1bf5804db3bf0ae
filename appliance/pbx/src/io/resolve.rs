//! Names to addresses, in the background (RFC 3263).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use branchline_branch::{Lookup, Resolved};
use branchline_config::Transport;
use hickory_resolver::TokioResolver;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::RData;
use tokio::sync::{Semaphore, mpsc};

use super::facing::Facing;
use super::remembered::Remembered;
use crate::clock;

/// The branch's end of the resolver; dropping it ends the thread.
#[derive(Debug)]
pub struct Resolver {
    asked: mpsc::Sender<Lookup>,
    answers: mpsc::Receiver<Resolved>,
}

impl Resolver {
    /// Starts it on a thread of its own: a name server that is slow, or a disk with its settings, holds nothing up.
    /// `memory` is the file that keeps what was found, for a start while no name server can be reached.
    pub fn start(facing: Facing, memory: &Path) -> io::Result<Resolver> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (asked, asking) = mpsc::channel(LOOKUPS_MAX);
        let (answering, answers) = mpsc::channel(LOOKUPS_MAX);
        let known = Known {
            facing,
            remembered: Remembered::read(memory),
        };
        thread::Builder::new().name("resolver".to_owned()).spawn(move || {
            runtime.block_on(serve(asking, answering, known));
        })?;
        Ok(Resolver { asked, answers })
    }

    /// Begins a look-up. With [`LOOKUPS_MAX`] waiting already, the answer is that it failed.
    pub fn ask(&self, lookup: Lookup) -> Result<(), Resolved> {
        self.asked
            .try_send(lookup)
            .map_err(|error| failed(error.into_inner(), "too many look-ups at once"))
    }

    /// The next answer. Safe to cancel.
    pub async fn answer(&mut self) -> Option<Resolved> {
        self.answers.recv().await
    }

    /// The next answer if there is one.
    pub fn try_answer(&mut self) -> Option<Resolved> {
        self.answers.try_recv().ok()
    }
}

/// Look-ups that wait, and answers that wait.
pub const LOOKUPS_MAX: usize = 256;
/// Look-ups under way together.
const AT_ONCE_MAX: usize = 16;
/// A trunk whose name takes longer is taken as unreachable.
const DEADLINE: Duration = Duration::from_secs(5);
/// Hosts of a SRV answer that are followed, and addresses given.
const HOSTS_MAX: usize = 8;
const ADDRESSES_MAX: usize = 16;

async fn serve(mut asking: mpsc::Receiver<Lookup>, answering: mpsc::Sender<Resolved>, known: Known) {
    let known = Arc::new(Mutex::new(known));
    let places = Arc::new(Semaphore::new(AT_ONCE_MAX));
    while let Some(lookup) = asking.recv().await {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let (known, answering) = (Arc::clone(&known), answering.clone());
        tokio::spawn(async move {
            let found = tokio::time::timeout(DEADLINE, look_up(&lookup)).await;
            let found = found.unwrap_or_else(|_| {
                Err(Fault::Unavailable(format!(
                    "no name server answered within {DEADLINE:?}"
                )))
            });
            let resolved = known
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .resolved(lookup, found);
            // The receiver is gone when the daemon ends.
            let _ = answering.send(resolved).await;
            drop(place);
        });
    }
}

fn faced(facing: &mut Facing, lookup: Lookup, found: &[SocketAddr]) -> Resolved {
    let transport = sip_transport(lookup.transport);
    let local = |remote: SocketAddr| Some((remote, facing.of_peer(clock::now(), transport, remote)?));
    let addresses: Vec<(SocketAddr, IpAddr)> = found.iter().copied().filter_map(local).take(ADDRESSES_MAX).collect();
    let problem = addresses.is_empty().then(|| {
        let texts: Vec<String> = found.iter().map(|address| address.ip().to_string()).collect();
        format!(
            "{} leads to {}, and the box has no way there over {transport}",
            lookup.host,
            texts.join(", ")
        )
    });
    Resolved {
        trunk: lookup.trunk,
        host: lookup.host,
        addresses,
        problem,
    }
}

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    /// The name servers say so.
    NotFound(String),
    /// Nobody says anything.
    Unavailable(String),
}

impl Fault {
    fn of(host: &str, error: &NetError) -> Fault {
        let text = format!("{host}: {error}");
        if error.is_no_records_found() {
            Fault::NotFound(text)
        } else {
            Fault::Unavailable(text)
        }
    }
}

/// What look-ups share.
struct Known {
    facing: Facing,
    remembered: Remembered,
}

impl Known {
    fn resolved(&mut self, lookup: Lookup, found: Result<Vec<SocketAddr>, Fault>) -> Resolved {
        match found {
            Ok(found) => {
                self.remembered.learn(&lookup, &found);
                faced(&mut self.facing, lookup, &found)
            }
            Err(Fault::NotFound(problem)) => failed(lookup, problem),
            // An outage has no maximum length, and may begin before the box does (RFC 8767).
            Err(Fault::Unavailable(problem)) => match self.remembered.of(&lookup).map(<[SocketAddr]>::to_vec) {
                Some(before) => Resolved {
                    problem: Some(problem),
                    ..faced(&mut self.facing, lookup, &before)
                },
                None => failed(lookup, problem),
            },
        }
    }
}

fn failed(lookup: Lookup, problem: impl Into<String>) -> Resolved {
    Resolved {
        trunk: lookup.trunk,
        host: lookup.host,
        addresses: Vec::new(),
        problem: Some(problem.into()),
    }
}

async fn look_up(lookup: &Lookup) -> Result<Vec<SocketAddr>, Fault> {
    let bare = lookup.host.trim_start_matches('[').trim_end_matches(']');
    let port = lookup.port.unwrap_or_else(|| lookup.transport.default_port());
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    // Made anew each time: the settings change with the network, and look-ups are minutes apart.
    let resolver = TokioResolver::builder_tokio()
        .and_then(|builder| builder.build())
        .map_err(|error| Fault::Unavailable(error.to_string()))?;
    if lookup.port.is_none() {
        let service = match lookup.transport {
            Transport::Udp => "_sip._udp",
            Transport::Tcp => "_sip._tcp",
            Transport::Tls => "_sips._tcp",
        };
        let name = format!("{service}.{}.", bare.trim_end_matches('.'));
        // No such record is the ordinary case, and a server that fails on it may still know the address.
        if let Ok(answer) = resolver.srv_lookup(name.as_str()).await {
            let hosts = answer.answers().iter().filter_map(|record| match &record.data {
                RData::SRV(srv) => Some(Host::of(srv)),
                _ => None,
            });
            return follow(&resolver, in_order(hosts.collect(), random())).await;
        }
    }
    addresses(&resolver, bare, port).await
}

async fn addresses(resolver: &TokioResolver, host: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
    let found = resolver
        .lookup_ip(host)
        .await
        .map_err(|error| Fault::of(host, &error))?;
    let mut ips: Vec<IpAddr> = found.iter().collect();
    // The branch takes the first, and a box listens on IPv4 unless it is told otherwise.
    ips.sort_by_key(IpAddr::is_ipv6);
    Ok(ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
}

async fn follow(resolver: &TokioResolver, hosts: Vec<Host>) -> Result<Vec<SocketAddr>, Fault> {
    let mut all = Vec::new();
    let mut problem = Fault::NotFound("the name says that there is no such service".to_owned());
    for host in hosts.iter().take(HOSTS_MAX) {
        match addresses(resolver, &host.name, host.port).await {
            Ok(found) => all.extend(found),
            Err(why) => problem = why,
        }
    }
    if all.is_empty() { Err(problem) } else { Ok(all) }
}

/// One line of a SRV answer (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Host {
    name: String,
    port: u16,
    priority: u16,
    weight: u16,
}

impl Host {
    fn of(srv: &hickory_resolver::proto::rr::rdata::SRV) -> Host {
        Host {
            name: srv.target.to_ascii(),
            port: srv.port,
            priority: srv.priority,
            weight: srv.weight,
        }
    }
}

// RFC 2782: by priority, and within one by weighted chance. A target of "." offers nothing.
fn in_order(mut hosts: Vec<Host>, mut random: u64) -> Vec<Host> {
    hosts.retain(|host| host.name != ".");
    hosts.sort_by(|a, b| (a.priority, a.weight, &a.name).cmp(&(b.priority, b.weight, &b.name)));
    let mut ordered = Vec::with_capacity(hosts.len());
    while let Some(first) = hosts.first() {
        let equals = hosts.iter().take_while(|host| host.priority == first.priority).count();
        let total: u64 = hosts[..equals].iter().map(|host| u64::from(host.weight)).sum();
        let mut draw = random % (total + 1);
        random = random.rotate_left(17) ^ 0x9e37_79b9_7f4a_7c15;
        let chosen = hosts[..equals].iter().position(|host| {
            let hit = draw <= u64::from(host.weight);
            draw = draw.saturating_sub(u64::from(host.weight));
            hit
        });
        ordered.push(hosts.remove(chosen.unwrap_or(0)));
    }
    ordered
}

fn random() -> u64 {
    getrandom::u64().unwrap_or(0)
}

pub(crate) fn sip_transport(transport: Transport) -> branchline_sip::Transport {
    match transport {
        Transport::Udp => branchline_sip::Transport::Udp,
        Transport::Tcp => branchline_sip::Transport::Tcp,
        Transport::Tls => branchline_sip::Transport::Tls,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolver() -> Resolver {
        let listening = vec![(branchline_sip::Transport::Udp, "127.9.4.31:5060".parse().unwrap())];
        let folder = tempfile::tempdir().unwrap();
        Resolver::start(Facing::new(listening), &folder.path().join("resolved.json")).unwrap()
    }

    fn lookup(host: &str, port: Option<u16>) -> Lookup {
        Lookup {
            trunk: "t".into(),
            host: host.into(),
            port,
            transport: Transport::Udp,
        }
    }

    #[tokio::test]
    async fn an_address_is_its_own_answer_with_the_side_that_faces_it() {
        let mut resolver = resolver();
        for (port, expected) in [(Some(5070), 5070), (None, 5060)] {
            resolver.ask(lookup("127.0.0.8", port)).unwrap();
            let answer = resolver.answer().await.unwrap();
            let remote = SocketAddr::from(([127, 0, 0, 8], expected));
            assert_eq!(answer.addresses, [(remote, "127.9.4.31".parse().unwrap())]);
            assert_eq!(answer.problem, None);
        }
    }

    #[tokio::test]
    async fn the_hosts_file_is_read_and_a_family_the_box_does_not_listen_on_is_left_out() {
        let mut resolver = resolver();
        resolver.ask(lookup("localhost", Some(5060))).unwrap();
        let answer = resolver.answer().await.unwrap();
        assert_eq!(
            answer.addresses,
            [("127.0.0.1:5060".parse().unwrap(), "127.9.4.31".parse().unwrap())]
        );
        resolver.ask(lookup("[::1]", None)).unwrap();
        let answer = resolver.answer().await.unwrap();
        assert_eq!(answer.addresses, []);
        assert_eq!(
            answer.problem.unwrap(),
            "[::1] leads to ::1, and the box has no way there over UDP"
        );
    }

    #[test]
    fn servers_come_by_priority_and_the_heavier_more_often_first() {
        let host = |name: &str, priority, weight| Host {
            name: name.into(),
            port: 5060,
            priority,
            weight,
        };
        let all = || {
            vec![
                host("spare.", 20, 0),
                host("small.", 10, 1),
                host("big.", 10, 9),
                host(".", 0, 0),
            ]
        };
        let firsts: Vec<String> = (0..200).map(|random| in_order(all(), random)[0].name.clone()).collect();
        let big = firsts.iter().filter(|name| *name == "big.").count();
        assert!((120..200).contains(&big), "{big}");
        assert!(firsts.iter().all(|name| name != "spare."));
        assert_eq!(in_order(all(), 3).len(), 3);
        assert_eq!(in_order(all(), 3)[2].name, "spare.");
    }
}
