//! Posts to web addresses, on a thread of their own: a server that hangs holds up later posts and nothing else.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use branchline_branch::Post;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::clock;

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
    let mut agent = None;
    let mut waiting: VecDeque<Waiting> = VecDeque::new();
    loop {
        let now = clock::now();
        let pause = waiting.iter().map(|it| it.due.saturating_duration_since(now)).min();
        match arriving.recv_timeout(pause.unwrap_or(IDLE)) {
            Ok(post) => {
                if waiting.len() >= WAITING_MAX {
                    waiting.pop_front();
                    tracing::warn!("too many posts fail; the oldest is given up");
                }
                let due = clock::now();
                waiting.push_back(Waiting { post, due, tries: 0 });
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let Some(at) = waiting.iter().position(|it| it.due <= clock::now()) else {
            continue;
        };
        let Some(mut next) = waiting.remove(at) else { continue };
        let agent = agent.get_or_insert_with(agent_of_ours);
        match try_once(agent, &next.post) {
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

fn try_once(agent: &Agent, post: &Post) -> Result<(), String> {
    let request = agent.post(&post.url).content_type("application/json");
    request
        .send(post.body.as_str())
        .map(|_| ())
        .map_err(|error| error.to_string())
}

/// The address as far as it is no secret.
fn server(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    host.rsplit_once('@').map_or(host, |(_, host)| host)
}

fn agent_of_ours() -> Agent {
    let found = rustls_native_certs::load_native_certs();
    let roots: Vec<Certificate<'static>> = found
        .certs
        .iter()
        .map(|root| Certificate::from_der(root).to_owned())
        .collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::from(roots))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    Agent::config_builder()
        .timeout_global(Some(ANSWER_WITHIN))
        .max_redirects(0)
        .user_agent("Branchline")
        .tls_config(tls)
        .build()
        .into()
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
    use std::net::TcpListener;

    use super::*;

    /// Answers one request with a status; gives what was asked.
    fn answer(listener: &TcpListener, status: &str) -> String {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut text = Vec::new();
        let mut buffer = [0; 1024];
        while !text.ends_with(b"}") {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "cut short");
            text.extend_from_slice(&buffer[..read]);
        }
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_post_is_tried_again_until_it_is_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/alarm", listener.local_addr().unwrap());
        let mut poster = Poster::start().unwrap();
        poster.post(Post {
            url,
            body: "{\"event\":\"called\"}".to_owned(),
        });
        assert!(answer(&listener, "503 Busy").starts_with("POST /alarm HTTP/1.1\r\n"));
        let again = answer(&listener, "204 Taken");
        assert!(again.ends_with("{\"event\":\"called\"}"), "{again}");
        assert!(again.to_ascii_lowercase().contains("content-type: application/json"));
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
    fn who_posts_never_waits_for_a_server_that_hangs() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let mut poster = Poster::start().unwrap();
        let began = clock::now();
        for _ in 0..1000 {
            let post = Post {
                url: url.clone(),
                body: "{}".to_owned(),
            };
            poster.post(post);
        }
        assert!(clock::now() - began < Duration::from_secs(1));
        assert!(poster.lost > 0);
    }
}
