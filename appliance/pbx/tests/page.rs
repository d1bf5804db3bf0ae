//! The local page in a real browser, fed with views made up here.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a step that fails ends the test with its cause"
)]

mod browser;
mod fixtures;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use branchline_branch::view::{CallView, View};
use branchline_config::{Reach, Secret};
use branchline_pbx::hub::{self, Feed};
use branchline_pbx::page::{Page, Sessions, Settings};
use branchline_pbx::password;
use browser::{Browser, SHOW_WITHIN, exchange, wait_for};
use fixtures::{busy_view, past_calls};
use serde_json::json;
use tokio::sync::oneshot;

const DESK: (u32, u32) = (1280, 800);
const PHONE: (u32, u32) = (360, 740);
const PAGES: [&str; 6] = ["phones", "calls", "records", "trunks", "emergency", "health"];

/// A page with a password, served until it is dropped.
struct Served {
    feed: Feed,
    address: SocketAddr,
    password: Secret,
    sessions: Arc<Sessions>,
    folder: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Served {
    fn start() -> Served {
        Served::start_at("127.0.0.1:0".parse().unwrap(), password::generate().unwrap())
    }

    fn start_at(address: SocketAddr, password: Secret) -> Served {
        let settings = Settings {
            host_names: vec!["branch.local".into()],
            reach: Reach::Box,
            password_hash_file: PathBuf::new(),
        };
        let page = Page::bind(address, settings).unwrap();
        let address = page.address().unwrap();
        let folder = std::env::temp_dir().join(format!("branchline-page-{}", password::random_hex().unwrap()));
        std::fs::create_dir(&folder).unwrap();
        let (hub, feed) = hub::hub(folder.join("calls.db"));
        feed.tell_page_hash(Some(&password::page_hash(&password).unwrap()));
        let sessions = Arc::new(Sessions::default());
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&sessions);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                tokio::select! {
                    ended = page.serve(hub, shared) => panic!("the page ended: {ended:?}"),
                    _ = stopped => {}
                }
            });
        });
        Served {
            feed,
            address,
            password,
            sessions,
            folder,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn log_in(&self, browser: &Browser) {
        browser.go(&self.url("/"));
        browser.wait_for_path("/login");
        browser.submit("#password", self.password.expose());
        browser.wait_for_path("/");
        browser.wait_for_text("#link-text", "Live");
    }

    fn get(&self, path: &str, headers: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n");
        exchange(self.address, &request).unwrap()
    }

    fn post_password(&self, password: &str, headers: &str) -> String {
        let body = format!("password={password}");
        let kind = "Content-Type: application/x-www-form-urlencoded";
        let length = body.len();
        exchange(
            self.address,
            &format!(
                "POST /login HTTP/1.1\r\nConnection: close\r\n{kind}\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
            ),
        )
        .unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn the_right_password_logs_in_a_wrong_one_does_not_and_logging_out_ends_it() {
    let served = Served::start();
    served.feed.publish(busy_view());
    let browser = Browser::open("login", DESK);
    browser.go(&served.url("/"));
    browser.wait_for_path("/login");
    browser.submit("#password", "not the password");
    browser.wait_for_text("[role=alert]", "That is not the password.");
    // The browser reports the refused login itself; nothing else is wrong.
    let console = browser.console();
    assert!(console.iter().all(|line| line.contains("status of 401")), "{console:?}");

    served.log_in(&browser);
    browser.wait_for_text("#rows-phones", "201");
    assert_eq!(
        browser.run("return document.cookie"),
        json!(""),
        "scripts cannot see the session"
    );
    browser.click("header form button");
    browser.wait_for_path("/login");
    browser.go(&served.url("/"));
    browser.wait_for_path("/login");

    served.log_in(&browser);
    served.sessions.end_all();
    browser.wait_for_path("/login");
}

#[test]
fn a_new_hash_in_the_configuration_counts_at_once_and_ends_the_sessions() {
    let served = Served::start();
    let old = served.password.expose();
    let answer = served.post_password(old, "Host: localhost\r\n");
    let cookie = answer
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .unwrap();
    let cookie = format!("Host: localhost\r\nCookie: {}\r\n", cookie.split(';').next().unwrap());
    let is_in = || served.get("/api/view", &cookie).starts_with("HTTP/1.1 200");
    assert!(is_in());
    let new = password::generate().unwrap();
    let hash = password::page_hash(&new).unwrap();
    served.feed.tell_page_hash(Some(&hash));
    wait_for("the end of the session", SHOW_WITHIN, || (!is_in()).then_some(()));
    let status = |password: &str| served.post_password(password, "Host: localhost\r\n")[9..12].to_owned();
    assert_eq!((status(old), status(new.expose())), ("401".into(), "303".into()));
}

#[test]
fn a_change_appears_without_a_reload_and_nothing_breaks_the_policy() {
    let served = Served::start();
    served.feed.publish(View {
        site: "Harbour office".into(),
        version: 1,
        ..View::default()
    });
    let browser = Browser::open("live", DESK);
    served.log_in(&browser);
    browser.wait_for_text("#site", "Harbour office");
    browser.run("window.marked = true; location.hash = '#calls'");
    browser.wait_for_text("#page-calls", "Nobody is on a call.");
    assert_eq!(
        browser.text("#count-health"),
        "",
        "a box that is starting is not called ill"
    );

    served.feed.publish(busy_view());
    browser.wait_for_text("#rows-calls", "+49 30 5550100");
    browser.wait_for_text("#rows-calls", "Talking");
    browser.wait_for_text("#sum-calls", "2 talking, 1 ringing");
    let hostile = CallView {
        from: "<img src=x onerror=alert(1)>".into(),
        ..busy_view().calls[0].clone()
    };
    served.feed.publish(View {
        version: 3,
        calls: vec![hostile],
        ..busy_view()
    });
    browser.wait_for_text("#rows-calls th", "<img src=x onerror=alert(1)>");

    for page in PAGES {
        browser.run(&format!("location.hash = '#{page}'"));
        wait_for(page, SHOW_WITHIN, || {
            let shown = browser.run(&format!("return !document.getElementById('page-{page}').hidden"));
            shown.as_bool().filter(|shown| *shown)
        });
    }
    browser.wait_for_text("#health", "Normal");
    assert_eq!(
        browser.run("return window.marked"),
        json!(true),
        "the page was never loaded again"
    );
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn a_lost_box_is_admitted_and_found_again() {
    let served = Served::start();
    served.feed.publish(busy_view());
    let browser = Browser::open("lost", DESK);
    served.log_in(&browser);
    let (address, password) = (served.address, served.password.clone());
    drop(served);
    browser.wait_for_text("#lost", "Connection lost since");
    browser.wait_for_text("#link-text", "Not live");
    assert!(
        browser.text("#rows-phones").contains("201"),
        "what was known is still shown"
    );

    // A restarted daemon knows no session, so the browser is asked to log in again.
    let again = wait_for("free port", SHOW_WITHIN, || {
        std::net::TcpListener::bind(address).ok().map(drop)?;
        Some(Served::start_at(address, password.clone()))
    });
    browser.wait_for_path("/login");
    again.log_in(&browser);
}

#[test]
fn past_calls_are_paged_and_found_by_number_and_day() {
    let served = Served::start();
    past_calls(&served.folder, 120);
    let browser = Browser::open("records", DESK);
    served.log_in(&browser);
    browser.run("location.hash = '#records'");
    browser.wait_for_text("#sum-records", "50 calls, latest first");
    keep_screenshot(&browser, "wide-records-filled");
    browser.wait_for_text("#rows-records tr:first-child", "+49305550100");
    browser.wait_for_text("#rows-records tr:nth-child(2)", "Busy");
    browser.click("#older");
    browser.wait_for_text("#pager-text", "Page 2");
    browser.click("#older");
    browser.wait_for_text("#sum-records", "20 calls");
    assert_eq!(
        browser.run("return document.getElementById('older').disabled"),
        json!(true)
    );

    browser.submit("#number", "+49305550100");
    browser.wait_for_text("#sum-records", "1 call,");
    browser.wait_for_text("#rows-records", "over main");
    browser.run("document.getElementById('until').value = '2001-01-01'");
    browser.submit("#number", "+49305550100");
    browser.wait_for_text("#empty-records", "No call fits.");
    browser.click("#search [type=reset]");
    browser.wait_for_text("#sum-records", "50 calls");
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn nothing_scrolls_sideways_on_a_phone_and_every_control_has_a_name() {
    let served = Served::start();
    served.feed.publish(busy_view());
    for (name, size) in [("narrow", PHONE), ("wide", DESK)] {
        let browser = Browser::open(name, size);
        served.log_in(&browser);
        for scheme in ["light", "dark"] {
            let feature = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
            browser.devtools("Emulation.setEmulatedMedia", &feature);
            for page in PAGES {
                browser.run(&format!("location.hash = '#{page}'"));
                browser.wait_for_text("nav a[aria-current]", &page[1..]);
                check_layout(&browser, &format!("{name} {scheme} {page}"));
                keep_screenshot(&browser, &format!("{name}-{scheme}-{page}"));
            }
        }
        browser.click("header form button");
        browser.wait_for_path("/login");
        check_layout(&browser, &format!("{name} login"));
        keep_screenshot(&browser, &format!("{name}-login"));
        assert_eq!(browser.console(), Vec::<String>::new());
    }
}

fn check_layout(browser: &Browser, what: &str) {
    let excess = browser.run("return document.documentElement.scrollWidth - window.innerWidth");
    assert!(excess.as_i64().unwrap() <= 0, "{what} is {excess} px too wide");
    let nameless = browser.run(
        "return [...document.querySelectorAll('button, input:not([hidden]), a')]
            .filter((node) => !(node.innerText || node.labels?.length || node.ariaLabel)).map((node) => node.outerHTML)
            .filter((html) => !html.includes('skip'))",
    );
    assert_eq!(nameless, json!([]), "{what}");
    let low = browser.run(LOW_CONTRAST);
    assert_eq!(low, json!([]), "{what}: text with less contrast than WCAG AA asks for");
}

// Contrast of each visible text against the nearest background that is not transparent (WCAG 2 section 1.4.3).
const LOW_CONTRAST: &str = r"
    const numbers = (color) => color.match(/[\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
    const ground = (node) => {
        for (; node; node = node.parentElement) {
            const color = numbers(getComputedStyle(node).backgroundColor);
            if (color.length === 3 || color[3] > 0) return color;
        }
        return [255, 255, 255];
    };
    const low = [];
    for (const node of document.querySelectorAll('body *')) {
        const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
        if (!own || !node.checkVisibility() || node.disabled || node.getAnimations().length) continue;
        const [a, b] = [light(numbers(getComputedStyle(node).color)), light(ground(node))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) low.push(`${node.innerText}: ${ratio.toFixed(2)}`);
    }
    return low;
";

// For a person to look at: BRANCHLINE_SCREENSHOTS names a folder.
fn keep_screenshot(browser: &Browser, name: &str) {
    if let Some(folder) = std::env::var_os("BRANCHLINE_SCREENSHOTS") {
        std::fs::write(
            PathBuf::from(folder).join(format!("{name}.png.base64")),
            browser.screenshot(),
        )
        .unwrap();
    }
}

#[test]
fn a_foreign_name_or_origin_is_refused_and_replies_carry_their_protection() {
    let served = Served::start();
    let own = format!("Host: {}\r\n", served.address);
    let cases = [
        ("Host: evil.example\r\n", "/login", "421"),
        ("Host: branch.local\r\n", "/login", "200"),
        ("", "/login", "4"),
        (own.as_str(), "/", "303"),
        (own.as_str(), "/api/view", "401"),
        (own.as_str(), "/api/records", "401"),
        (own.as_str(), "/events", "401"),
        (own.as_str(), "/none", "404"),
        (own.as_str(), "/logout", "405"),
    ];
    for (host, path, status) in cases {
        let reply = served.get(path, host);
        assert!(
            reply.starts_with(&format!("HTTP/1.1 {status}")),
            "{path} {host}: {reply}"
        );
        if !host.is_empty() {
            for header in [
                "content-security-policy: default-src 'none'; script-src 'self'",
                "x-content-type-options: nosniff",
            ] {
                assert!(reply.contains(header), "{path}: {reply}");
            }
        }
    }
    let reply = served.get("/api/view", &own);
    assert!(
        reply.contains("application/problem+json") && reply.contains("\"status\":401"),
        "{reply}"
    );
    let foreign = served.post_password(
        served.password.expose(),
        &format!("{own}Origin: http://evil.example\r\n"),
    );
    assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
    let ours = served.post_password(
        served.password.expose(),
        &format!("{own}Origin: http://{}\r\n", served.address),
    );
    assert!(
        ours.starts_with("HTTP/1.1 303") && ours.contains("HttpOnly; SameSite=Strict"),
        "{ours}"
    );
}

#[test]
fn guessing_the_password_is_held_back() {
    let served = Served::start();
    let own = format!("Host: {}\r\n", served.address);
    for _ in 0..5 {
        let reply = served.post_password("guess", &own);
        assert!(reply.starts_with("HTTP/1.1 401"), "{reply}");
    }
    let reply = served.post_password(served.password.expose(), &own);
    assert!(
        reply.starts_with("HTTP/1.1 429") && reply.contains("retry-after:"),
        "{reply}"
    );
}

#[test]
fn metrics_are_read_on_the_box_without_a_login() {
    let served = Served::start();
    served.feed.publish(busy_view());
    let reply = served.get("/metrics", &format!("Host: {}\r\n", served.address));
    assert!(reply.contains("text/plain; version=0.0.4"), "{reply}");
    assert!(reply.contains("\nbranchline_extensions_reachable 3\n"), "{reply}");
    assert!(reply.contains("\nbranchline_calls{state=\"up\"} 1\n"), "{reply}");
}
