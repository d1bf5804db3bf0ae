//! What the network has: free ports, names that are known.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use branchline_config::{Config, Transport, Trunk};
use hickory_resolver::Resolver;

use super::Finding;

const DNS_WITHIN: Duration = Duration::from_secs(5);

pub(super) fn ports(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for listen in &config.sip.listen {
        let word = listen.transport.as_str();
        let tried = match listen.transport {
            Transport::Udp => UdpSocket::bind(listen.address).map(drop),
            Transport::Tcp | Transport::Tls => try_tcp(listen.address),
        };
        findings.extend(port_fault(word, listen.address, tried));
    }
    findings.extend(port_fault(
        "page",
        config.page.bind_address(),
        try_tcp(config.page.bind_address()),
    ));
    if findings.is_empty() {
        findings.push(Finding::good("ports", "all free for branchline"));
    }
    findings
}

fn try_tcp(address: SocketAddr) -> io::Result<()> {
    TcpListener::bind(address).map(drop)
}

fn port_fault(what: &str, address: SocketAddr, tried: io::Result<()>) -> Option<Finding> {
    let error = tried.err()?;
    let (text, fix) = match error.kind() {
        io::ErrorKind::AddrInUse => (
            format!("{what} {address} is used by another program"),
            format!("find it: ss -lunpt 'sport = {}'", address.port()),
        ),
        io::ErrorKind::PermissionDenied => (
            format!("{what} {address}: no permission"),
            "use the systemd unit, which grants low ports, or a port from 1024".to_owned(),
        ),
        io::ErrorKind::AddrNotAvailable => (
            format!("{what} {address}: the box has no such address"),
            "correct the listen line, or write 0.0.0.0".to_owned(),
        ),
        _ => (
            format!("{what} {address}: {error}"),
            "correct the listen line".to_owned(),
        ),
    };
    Some(Finding::failure("ports", text, fix))
}

pub(super) fn names(config: &Config) -> Vec<Finding> {
    config
        .trunks
        .iter()
        .filter(|trunk| trunk.host.parse::<std::net::IpAddr>().is_err())
        .map(name)
        .collect()
}

fn name(trunk: &Trunk) -> Finding {
    let host = &trunk.host;
    match resolve(trunk) {
        Ok(()) => Finding::good("DNS", format!("trunk {}: {host} is known", trunk.name)),
        Err(why) => {
            let fix = "check the spelling of host and the box's name server (/etc/resolv.conf)";
            Finding::failure("DNS", format!("trunk {}: {host}: {why}", trunk.name), fix)
        }
    }
}

// A provider's domain may have only SRV records (RFC 3263 section 4.2).
fn resolve(trunk: &Trunk) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let resolver = Resolver::builder_tokio()
            .and_then(|builder| builder.build())
            .map_err(|e| e.to_string())?;
        let service = match trunk.transport {
            Transport::Udp => "_sip._udp",
            Transport::Tcp => "_sip._tcp",
            Transport::Tls => "_sips._tcp",
        };
        let found = async {
            let address = resolver.lookup_ip(trunk.host.as_str()).await;
            match (address, trunk.port) {
                (Ok(_), _) => Ok(()),
                (Err(error), Some(_)) => Err(error.to_string()),
                (Err(error), None) => {
                    let records = resolver.srv_lookup(format!("{service}.{}", trunk.host)).await;
                    records.map(drop).map_err(|_| error.to_string())
                }
            }
        };
        tokio::time::timeout(DNS_WITHIN, found)
            .await
            .unwrap_or_else(|_| Err("no answer from the name server".into()))
    })
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_found() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let finding = port_fault("tcp", address, try_tcp(address)).unwrap();
        assert_eq!(finding.grade, Grade::Failure);
        assert!(finding.text.contains("used by another program"), "{}", finding.text);
    }
}
