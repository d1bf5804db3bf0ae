//! The one screen the program shows when it starts.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use branchline_config::{Listen, Secret, Transport};

use crate::invocation::Invocation;

/// What the screen tells.
#[derive(Clone, Debug)]
pub struct Screen {
    /// Site name.
    pub site: String,
    /// Where SIP listens.
    pub listen: Vec<Listen>,
    /// Addresses of this box that phones can enter, the most likely first.
    pub addresses: Vec<IpAddr>,
    /// Extensions in order.
    pub extensions: Vec<ExtensionLine>,
    /// Where the page listens; `None` when it could not.
    pub page: Option<SocketAddr>,
    /// Country name from the configuration.
    pub country: String,
    /// Its general emergency number.
    pub emergency: String,
    /// The configuration file, as the user knows it.
    pub config: String,
    /// How commands are called here.
    pub invocation: Invocation,
    /// What may be shown only now.
    pub start: Start,
}

/// One extension.
#[derive(Clone, Debug)]
pub struct ExtensionLine {
    /// What is dialled, and the user name.
    pub number: String,
    /// Shown to others.
    pub name: String,
}

/// Whether the passwords exist in the clear.
#[derive(Clone, Debug)]
pub enum Start {
    /// The first one: they were made a moment ago and are shown this once.
    First {
        /// Password of each extension, in the order of the lines.
        phones: Vec<Secret>,
        /// Password of the page.
        page: Secret,
    },
    /// The first one, but what is printed is kept by others: a log is no place for passwords.
    FirstUnseen,
    /// Only hashes are left.
    Later,
}

// A branch of a hundred extensions needs no list of them at each start.
const LINES_MAX: usize = 12;

/// The text, ready to print.
pub fn render(screen: &Screen) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = write_screen(&mut text, screen);
    screen.invocation.spell(&text)
}

fn write_screen(out: &mut String, screen: &Screen) -> std::fmt::Result {
    writeln!(out, "\n  Branchline: {}\n", printable(&screen.site))?;
    let host = screen
        .addresses
        .first()
        .map_or_else(|| "127.0.0.1".to_owned(), ToString::to_string);
    writeln!(out, "  SIP server   {host}{}", ports(&screen.listen))?;
    for other in screen.addresses.iter().skip(1) {
        writeln!(out, "               {other}")?;
    }
    match &screen.start {
        Start::First { phones, .. } => write_passwords(out, &screen.extensions, phones)?,
        Start::FirstUnseen => write_extensions(out, &screen.extensions, "passwords are not written to a log;")?,
        Start::Later => write_extensions(out, &screen.extensions, "passwords were shown at first start;")?,
    }
    write_page(out, screen)?;
    write_next(out, screen, &host)
}

fn write_passwords(out: &mut String, extensions: &[ExtensionLine], phones: &[Secret]) -> std::fmt::Result {
    writeln!(out, "\n  Extension    Password")?;
    for (extension, password) in extensions.iter().zip(phones) {
        writeln!(out, "  {:<12} {}", extension.number, password.expose())?;
    }
    writeln!(
        out,
        "\n  Write the passwords down: they are shown this once and kept only as hashes."
    )
}

fn write_extensions(out: &mut String, extensions: &[ExtensionLine], why: &str) -> std::fmt::Result {
    let mut shown: Vec<&str> = extensions
        .iter()
        .take(LINES_MAX)
        .map(|line| line.number.as_str())
        .collect();
    let more = format!("and {} more", extensions.len().saturating_sub(LINES_MAX));
    if extensions.len() > LINES_MAX {
        shown.push(&more);
    }
    let list = if shown.is_empty() {
        "none yet".to_owned()
    } else {
        shown.join(", ")
    };
    let example = extensions.first().map_or("201", |line| line.number.as_str());
    writeln!(out, "  Extensions   {list}")?;
    writeln!(out, "               {why}")?;
    writeln!(
        out,
        "               `branchline extension password {example}` makes a new one"
    )
}

fn write_page(out: &mut String, screen: &Screen) -> std::fmt::Result {
    let Some(page) = screen.page else {
        return writeln!(out, "\n  Local page   not available: see the log");
    };
    writeln!(
        out,
        "\n  Local page   http://{}/",
        page_address(page, &screen.addresses)
    )?;
    match &screen.start {
        Start::First { page, .. } => writeln!(out, "  Password     {}", page.expose()),
        Start::FirstUnseen | Start::Later => {
            writeln!(out, "               `branchline page-password` makes a new password")
        }
    }
}

fn write_next(out: &mut String, screen: &Screen, host: &str) -> std::fmt::Result {
    writeln!(out, "\n  Next")?;
    match screen.extensions.as_slice() {
        [one, two, ..] => {
            writeln!(
                out,
                "    1. Point two phones at {host}: extension {} on one, {} on the other.",
                one.number, two.number
            )?;
            writeln!(out, "    2. Call {} from {}.", two.number, one.number)?;
        }
        [_] | [] => {
            writeln!(out, "    1. Add two extensions: branchline extension add 201")?;
            writeln!(out, "    2. Point two phones at {host} and call one from the other.")?;
        }
    }
    writeln!(out, "    3. Watch it: branchline trace")?;
    writeln!(
        out,
        "\n  Country      {}, emergency number {}",
        screen.country, screen.emergency
    )?;
    writeln!(out, "  Settings     {}", screen.config)?;
    writeln!(out, "  Trouble?     branchline doctor\n")
}

// ` port 5060 (UDP, TCP), 5061 (TLS)`
fn ports(listen: &[Listen]) -> String {
    let mut by_port: Vec<(u16, Vec<&str>)> = Vec::new();
    for place in listen {
        let word = match place.transport {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
        };
        match by_port.iter_mut().find(|(port, _)| *port == place.address.port()) {
            Some((_, words)) if words.contains(&word) => {}
            Some((_, words)) => words.push(word),
            None => by_port.push((place.address.port(), vec![word])),
        }
    }
    let texts: Vec<String> = by_port
        .iter()
        .map(|(port, words)| format!("{port} ({})", words.join(", ")))
        .collect();
    if texts.is_empty() {
        String::new()
    } else {
        format!("   port {}", texts.join(", "))
    }
}

fn page_address(bound: SocketAddr, addresses: &[IpAddr]) -> SocketAddr {
    match (bound.ip().is_unspecified(), addresses.first()) {
        (true, Some(address)) => SocketAddr::new(*address, bound.port()),
        (true, None) => SocketAddr::new(IpAddr::from([127, 0, 0, 1]), bound.port()),
        (false, _) => bound,
    }
}

// A site name must not move the cursor.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;

    fn screen(start: Start) -> Screen {
        let listen = |transport, port| Listen {
            transport,
            address: SocketAddr::from(([0, 0, 0, 0], port)),
        };
        let line = |number: &str| ExtensionLine {
            number: number.into(),
            name: "Phone".into(),
        };
        Screen {
            site: "Harbour\u{1b}[2J office".into(),
            listen: vec![
                listen(Transport::Udp, 5060),
                listen(Transport::Tcp, 5060),
                listen(Transport::Tls, 5061),
            ],
            addresses: vec!["192.168.1.20".parse().unwrap(), "2001:db8::20".parse().unwrap()],
            extensions: vec![line("201"), line("202")],
            page: Some("127.0.0.1:8080".parse().unwrap()),
            country: "United States".into(),
            emergency: "911".into(),
            config: "/var/lib/branchline/branchline.toml".into(),
            invocation: Invocation::with("branchline", &Place::new(None, None)),
            start,
        }
    }

    #[test]
    fn the_first_screen_shows_all_one_needs_to_call() {
        let phones = vec![Secret::new("aaaaa-11111"), Secret::new("bbbbb-22222")];
        let text = render(&screen(Start::First {
            phones,
            page: Secret::new("ccccc-33333"),
        }));
        for needed in [
            "SIP server   192.168.1.20   port 5060 (UDP, TCP), 5061 (TLS)",
            "\n               2001:db8::20\n",
            "201          aaaaa-11111",
            "202          bbbbb-22222",
            "http://127.0.0.1:8080/",
            "Password     ccccc-33333",
            "Point two phones at 192.168.1.20",
            "Call 202 from 201.",
            "branchline trace",
            "United States, emergency number 911",
        ] {
            assert!(text.contains(needed), "{needed}\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(
            text.lines().count() <= 24 && text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }

    #[test]
    fn a_later_screen_says_how_to_make_new_passwords() {
        let text = render(&screen(Start::Later));
        assert!(text.contains("passwords were shown at first start"), "{text}");
        assert!(text.contains("`branchline extension password 201`"), "{text}");
        assert!(text.contains("`branchline page-password`"), "{text}");
        assert!(!text.contains("Password  "), "{text}");
    }

    #[test]
    fn a_log_is_told_how_to_get_passwords_and_never_sees_one() {
        let text = render(&screen(Start::FirstUnseen));
        assert!(text.contains("passwords are not written to a log"), "{text}");
        assert!(text.contains("`branchline extension password 201`"), "{text}");
    }

    #[test]
    fn the_commands_on_the_screen_are_those_that_work_here() {
        let mut elsewhere = screen(Start::Later);
        elsewhere.invocation = Invocation::with("/srv/b", &Place::new(None, Some("/srv/state".into())));
        let text = render(&elsewhere);
        for command in ["extension password 201", "page-password", "trace", "doctor"] {
            assert!(text.contains(&format!("/srv/b --state /srv/state {command}")), "{text}");
        }
        assert!(!text.contains("branchline trace"), "{text}");
    }

    #[test]
    fn many_extensions_are_counted_and_none_is_helped() {
        let mut full = screen(Start::Later);
        full.extensions = (100..200)
            .map(|n| ExtensionLine {
                number: n.to_string(),
                name: String::new(),
            })
            .collect();
        assert!(render(&full).contains("and 88 more"));
        full.extensions.clear();
        assert!(render(&full).contains("branchline extension add 201"));
    }

    #[test]
    fn a_page_on_every_interface_is_shown_by_an_address_that_works() {
        let mut open = screen(Start::Later);
        open.page = Some("0.0.0.0:8080".parse().unwrap());
        assert!(render(&open).contains("http://192.168.1.20:8080/"));
    }
}
