//! A real browser (headless Chromium) driven over WebDriver, with as little client as that needs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const START_WITHIN: Duration = Duration::from_secs(30);
/// How long a page may take to show what a test waits for.
pub(crate) const SHOW_WITHIN: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// A browser window; dropping it closes the browser.
pub(crate) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    profile: PathBuf,
}

impl Browser {
    /// Opens a window of so many CSS pixels.
    pub(crate) fn open(name: &str, (width, height): (u32, u32)) -> Browser {
        let profile = std::env::temp_dir().join(format!("branchline-browser-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&profile);
        std::fs::create_dir_all(&profile).unwrap();
        let address = free_address();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={}", address.port()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts; `make test` installs what is missing (apt install chromium chromium-driver)");
        let mut browser = Browser {
            driver,
            address,
            session: String::new(),
            profile,
        };
        wait_for("chromedriver", START_WITHIN, || {
            browser.ask("GET", "/status", &Value::Null).ok()
        });
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
        ];
        let mut arguments: Vec<String> = arguments.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", browser.profile.display()));
        arguments.push(format!("--window-size={width},{height}"));
        let mut options = json!({ "args": arguments, "binary": "/usr/bin/chromium" });
        if width < 500 {
            // Windows are never this narrow; a phone's screen is emulated.
            options["mobileEmulation"] =
                json!({ "deviceMetrics": { "width": width, "height": height, "pixelRatio": 2.0, "touch": true } });
        }
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let answer = browser.ask("POST", "/session", &wanted).expect("a browser session");
        browser.session = format!("/session/{}", answer["sessionId"].as_str().expect("an id"));
        browser
    }

    /// Goes to an address.
    pub(crate) fn go(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// What a script (a function body) returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Text of the first element a selector finds; empty when there is none.
    pub(crate) fn text(&self, selector: &str) -> String {
        let found = self.run(&format!(
            "return document.querySelector({})?.innerText ?? ''",
            json!(selector)
        ));
        found.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the text of an element contains `part`.
    pub(crate) fn wait_for_text(&self, selector: &str, part: &str) {
        let shown = || Some(()).filter(|()| self.text(selector).contains(part));
        if try_for(SHOW_WITHIN, shown).is_none() {
            panic!("\"{part}\" is not shown in {selector}, but: {}", self.text("body"));
        }
    }

    /// Waits until the path and fragment of the page are these.
    pub(crate) fn wait_for_path(&self, path: &str) {
        wait_for(path, SHOW_WITHIN, || {
            let there = self.run("return location.pathname + location.hash");
            (there.as_str() == Some(path)).then_some(())
        });
    }

    /// Types into a field and sends its form.
    pub(crate) fn submit(&self, selector: &str, text: &str) {
        let element = self.post("/element", &json!({ "using": "css selector", "value": selector }));
        let id = element
            .as_object()
            .and_then(|object| object.values().next())
            .and_then(Value::as_str)
            .unwrap()
            .to_owned();
        self.post(&format!("/element/{id}/clear"), &json!({}));
        self.post(
            &format!("/element/{id}/value"),
            &json!({ "text": format!("{text}\u{e007}") }),
        );
    }

    /// Clicks an element.
    pub(crate) fn click(&self, selector: &str) {
        let element = self.post("/element", &json!({ "using": "css selector", "value": selector }));
        let id = element
            .as_object()
            .and_then(|object| object.values().next())
            .and_then(Value::as_str)
            .unwrap()
            .to_owned();
        self.post(&format!("/element/{id}/click"), &json!({}));
    }

    /// Messages of the console since the last call, errors and policy violations among them.
    pub(crate) fn console(&self) -> Vec<String> {
        let entries = self.post("/se/log", &json!({ "type": "browser" }));
        let text = |entry: &Value| format!("{} {}", entry["level"], entry["message"]);
        entries
            .as_array()
            .map(|entries| entries.iter().map(text).collect())
            .unwrap_or_default()
    }

    /// The window as PNG, base 64.
    pub(crate) fn screenshot(&self) -> String {
        self.ask("GET", &format!("{}/screenshot", self.session), &Value::Null)
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The Chrome DevTools command `name`.
    pub(crate) fn devtools(&self, name: &str, params: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({ "cmd": name, "params": params }))
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", &format!("{}{path}", self.session), body)
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let text = exchange(self.address, &format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address, body.len(),
        )).map_err(|error| error.to_string())?;
        let (_, json) = text.split_once("\r\n\r\n").ok_or("no body")?;
        let answer: Value = serde_json::from_str(json).map_err(|error| format!("{error}: {json}"))?;
        match answer["value"]["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", answer["value"]["message"])),
            None => Ok(answer["value"].clone()),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ = self.ask("DELETE", &self.session.clone(), &Value::Null);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = remove(&self.profile);
    }
}

/// Sends a request with `Connection: close` and reads the reply to its end.
pub(crate) fn exchange(address: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    let mut part = [0; 65536];
    loop {
        let count = stream.read(&mut part)?;
        bytes.extend_from_slice(&part[..count]);
        if count == 0 || is_whole(&bytes) {
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}

// chromedriver keeps a connection open whatever it is asked.
fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, _)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|(_, value)| value.trim().parse::<usize>().ok());
    length.is_some_and(|length| bytes.len() >= head.len() + 4 + length)
}

/// Looks until `look` finds something; fails the test after `within`.
pub(crate) fn wait_for<T>(what: &str, within: Duration, look: impl FnMut() -> Option<T>) -> T {
    try_for(within, look).unwrap_or_else(|| panic!("within {within:?} there was no {what}"))
}

fn try_for<T>(within: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let give_up_at = now() + within;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if now() >= give_up_at {
            return None;
        }
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "a browser runs in real time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "between two looks at a condition")]
fn pause() {
    std::thread::sleep(LOOK_AGAIN);
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn remove(path: &Path) -> std::io::Result<()> {
    std::fs::remove_dir_all(path)
}
