//! Posts to web addresses, on a thread of their own: a server that hangs holds up later posts and nothing else.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use branchline_branch::Post;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::clock;
use crate::io::tls;

/// The way to the thread.
#[derive(Debug)]
pub struct Poster {
    posts: SyncSender<Post>,
    lost: u64,
}

impl Poster {
    /// Starts the thread; it ends with the last of its senders.
    pub fn start() -> io::Result<Poster> {
        let (posts, arriving) = sync_channel(WAITING_MAX);
        std::thread::Builder::new()
            .name("posts".to_owned())
            .spawn(move || deliver(&arriving))?;
        Ok(Poster { posts, lost: 0 })
    }

    /// Hands a post over; never waits. When too many wait it is lost and counted.
    pub fn post(&mut self, post: Post) {
        if let Err(TrySendError::Full(post) | TrySendError::Disconnected(post)) = self.posts.try_send(post) {
            self.lost += 1;
            tracing::warn!(
                to = server(&post.url),
                lost = self.lost,
                "too many posts wait; one is lost"
            );
        }
    }
}

struct Waiting {
    post: Post,
    due: Instant,
    tries: u32,
}

fn deliver(arriving: &Receiver<Post>) {
    let mut client = None;
    let mut waiting: VecDeque<Waiting> = VecDeque::new();
    loop {
        let now = clock::now();
        let pause = waiting.iter().map(|it| it.due.saturating_duration_since(now)).min();
        match arriving.recv_timeout(pause.unwrap_or(IDLE)) {
            Ok(post) => {
                for post in std::iter::once(post).chain(arriving.try_iter().take(WAITING_MAX)) {
                    wait(&mut waiting, post, clock::now());
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let Some(at) = first_due(&waiting, clock::now()) else {
            continue;
        };
        let Some(mut next) = waiting.remove(at) else { continue };
        match try_once(&mut client, &next.post) {
            Ok(()) => tracing::info!(to = server(&next.post.url), tries = next.tries + 1, "posted"),
            Err(problem) => {
                next.tries += 1;
                tracing::warn!(
                    to = server(&next.post.url),
                    tries = next.tries,
                    problem,
                    "a post failed"
                );
                if next.tries < TRIES_MAX {
                    next.due = clock::now() + PAUSE * 2_u32.pow(next.tries - 1);
                    waiting.push_back(next);
                }
            }
        }
    }
}

/// Takes a post in; where too many wait, the one that has failed most often is given up.
fn wait(waiting: &mut VecDeque<Waiting>, post: Post, now: Instant) {
    if waiting.len() >= WAITING_MAX {
        let tries = waiting.iter().map(|it| it.tries).max();
        let goes = waiting.iter().position(|it| Some(it.tries) == tries);
        goes.and_then(|at| waiting.remove(at));
        tracing::warn!("too many posts fail; one is given up");
    }
    waiting.push_back(Waiting {
        post,
        due: now,
        tries: 0,
    });
}

/// News before what a server has refused or left unanswered, which may hold up the rest for as long each time.
fn first_due(waiting: &VecDeque<Waiting>, now: Instant) -> Option<usize> {
    let due = waiting.iter().enumerate().filter(|(_, it)| it.due <= now);
    due.min_by_key(|(_, it)| it.tries).map(|(at, _)| at)
}

/// What makes connections, with the authorities that it trusts.
struct Client {
    ca: Option<PathBuf>,
    agent: Agent,
}

/// The client is kept while it succeeds: a file of authorities that was mended counts at the next try.
fn try_once(client: &mut Option<Client>, post: &Post) -> Result<(), String> {
    let known = client.take().filter(|client| client.ca == post.ca);
    let ours = match known {
        Some(client) => client,
        None => Client::new(post.ca.clone())?,
    };
    let request = ours.agent.post(&post.url).content_type("application/json");
    request.send(post.body.as_str()).map_err(|error| error.to_string())?;
    *client = Some(ours);
    Ok(())
}

/// The address as far as it is no secret.
fn server(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    host.rsplit_once('@').map_or(host, |(_, host)| host)
}

impl Client {
    fn new(ca: Option<PathBuf>) -> Result<Client, String> {
        let authorities = tls::authorities(ca.as_deref())?;
        let roots: Vec<Certificate<'static>> = authorities
            .iter()
            .map(|root| Certificate::from_der(root).to_owned())
            .collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::from(roots))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .timeout_global(Some(ANSWER_WITHIN))
            .max_redirects(0)
            .user_agent("Branchline")
            .tls_config(tls);
        let agent = config.build().into();
        Ok(Client { ca, agent })
    }
}

/// Posts waiting, in the channel and for another try each.
const WAITING_MAX: usize = 64;
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Eight tries over about two minutes: after 1, 2, 4 … seconds.
const TRIES_MAX: u32 = 8;
const PAUSE: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ServerConfig, ServerConnection, StreamOwned};

    use super::*;

    fn post(url: String, ca: Option<PathBuf>) -> Post {
        Post {
            url,
            ca,
            body: "{\"event\":\"called\"}".to_owned(),
        }
    }

    /// Answers one request with a status; gives what was asked.
    fn answer(mut stream: impl Read + Write, status: &str) -> std::io::Result<String> {
        let mut text = Vec::new();
        let mut buffer = [0; 1024];
        while !text.ends_with(b"}") {
            match stream.read(&mut buffer)? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                read => text.extend_from_slice(&buffer[..read]),
            }
        }
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )?;
        stream.flush()?;
        Ok(String::from_utf8(text).unwrap())
    }

    fn accept(listener: &TcpListener) -> TcpStream {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream
    }

    #[test]
    fn a_post_is_tried_again_until_it_is_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/alarm", listener.local_addr().unwrap());
        let mut poster = Poster::start().unwrap();
        poster.post(post(url, None));
        let first = answer(accept(&listener), "503 Busy").unwrap();
        assert!(first.starts_with("POST /alarm HTTP/1.1\r\n"));
        let again = answer(accept(&listener), "204 Taken").unwrap();
        assert!(again.ends_with("{\"event\":\"called\"}"), "{again}");
        assert!(again.to_ascii_lowercase().contains("content-type: application/json"));
    }

    /// An authority with the certificate of a server on the loopback: what to trust, and what the server shows.
    fn authority() -> (String, ServerConfig) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let server_key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let server = server.signed_by(&server_key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![server.der().clone()],
                PrivateKeyDer::try_from(server_key.serialize_der()).unwrap(),
            )
            .unwrap();
        (certificate.pem(), config)
    }

    #[test]
    fn a_server_over_tls_is_asked_for_a_certificate_of_the_authority_that_is_named() {
        let ((ours, config), (other, _)) = (authority(), authority());
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/alarm", listener.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let serve = || {
            let session = ServerConnection::new(config.clone()).unwrap();
            answer(StreamOwned::new(session, accept(&listener)), "204 Taken")
        };
        std::fs::write(&file, other).unwrap();
        let mut poster = Poster::start().unwrap();
        poster.post(post(url.clone(), Some(file.clone())));
        assert!(serve().is_err(), "a stranger's certificate was taken");
        std::fs::write(&file, ours).unwrap();
        let taken = serve().unwrap();
        assert!(taken.ends_with("{\"event\":\"called\"}"), "{taken}");
        // An authority of nobody's own is not one of the system's.
        poster.post(post(url, None));
        assert!(serve().is_err());
    }

    #[test]
    fn a_file_without_an_authority_is_told_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "nothing\n").unwrap();
        let missing = folder.path().join("missing.pem");
        for file in [empty, missing] {
            let told = try_once(&mut None, &post("https://127.0.0.1:9/".to_owned(), Some(file.clone())));
            assert!(told.unwrap_err().starts_with(&file.display().to_string()));
        }
    }

    #[test]
    fn a_log_names_the_server_and_no_secret() {
        for (url, expected) in [
            ("https://alarm.example/t/secret", "alarm.example"),
            ("http://user:secret@192.0.2.1:8080?k=secret", "192.0.2.1:8080"),
        ] {
            assert_eq!(server(url), expected);
        }
    }

    #[test]
    fn news_go_before_what_has_failed_and_push_it_out() {
        let now = clock::now();
        let mut waiting = VecDeque::new();
        let named = |n: usize| post(format!("http://192.0.2.80/{n}"), None);
        for n in 0..WAITING_MAX {
            wait(&mut waiting, named(n), now);
        }
        for (at, failed) in waiting.iter_mut().enumerate() {
            failed.tries = if at == 7 { 3 } else { 1 };
        }
        wait(&mut waiting, named(100), now);
        wait(&mut waiting, named(101), now);
        assert_eq!(waiting.len(), WAITING_MAX);
        assert!(
            !waiting.iter().any(|it| it.tries == 3),
            "what failed most often has gone first"
        );
        let first = first_due(&waiting, now).map(|at| waiting[at].post.url.clone());
        assert_eq!(
            first.as_deref(),
            Some("http://192.0.2.80/100"),
            "in the order in which they came"
        );
        let before = now.checked_sub(Duration::from_secs(1)).unwrap();
        assert_eq!(first_due(&waiting, before), None);
    }

    #[test]
    fn who_posts_never_waits_for_a_server_that_hangs() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let mut poster = Poster::start().unwrap();
        let began = clock::now();
        for _ in 0..1000 {
            poster.post(post(url.clone(), None));
        }
        assert!(clock::now() - began < Duration::from_secs(1));
        assert!(poster.lost > 0);
    }
}
