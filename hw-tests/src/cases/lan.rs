//! What a stranger on the network finds.

use super::Plan;
use crate::Fault;
use crate::board::Board;
use crate::report::Figure;

/// SIP without and with TLS, and the page, which refuses the network until it is shown.
const OURS: [u16; 3] = [5060, 5061, 8080];
/// Above the ports that every system knows.
const FURTHER: [u16; 12] = [1194, 1883, 2049, 3000, 3306, 5060, 5061, 5353, 5355, 8000, 8080, 9090];

pub(super) fn ports(board: &mut Board, _plan: &Plan) -> Result<Vec<Figure>, Fault> {
    board.in_service()?;
    let looked_at: Vec<u16> = (1..=1024).chain(FURTHER).collect();
    let count = looked_at.len();
    let mut open = board.listening(looked_at)?;
    open.sort_unstable();
    let text = format!("{open:?} of {count} TCP ports");
    let only_ours = open.iter().all(|port| OURS.contains(port)) && open.contains(&5060);
    let outcome = if only_ours { Ok(text) } else { Err(text) };
    Ok(vec![Figure::outcome("nothing listens but SIP and the page", outcome)])
}

pub(super) fn enumeration(board: &mut Board, _plan: &Plan) -> Result<Vec<Figure>, Fault> {
    board.in_service()?;
    let mut figures = Vec::new();
    for method in ["REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE"] {
        let [known, unknown] = [
            board.ask_as_stranger(method, "201")?,
            board.ask_as_stranger(method, "299")?,
        ];
        let [known, unknown] = [plain(&known, "201"), plain(&unknown, "299")];
        let status = known.lines().next().unwrap_or_default().to_owned();
        let outcome = match known == unknown {
            true => Ok(status),
            false => Err(format!("{known}\n{unknown}")),
        };
        let what = format!("{method} of a stranger is answered alike for any extension");
        figures.push(Figure::outcome(what, outcome));
    }
    Ok(figures)
}

/// An answer without what differs from one to the next anyway.
fn plain(answer: &str, extension: &str) -> String {
    let without = |line: &str| {
        let line = line.replace(extension, "EXTENSION");
        let mut words = Vec::new();
        for word in line.split([';', ',']) {
            let name = word.trim().split('=').next().unwrap_or_default();
            match name {
                "tag" | "nonce" => words.push(format!("{name}=")),
                _ if name.ends_with(" nonce") => words.push(name.to_owned()),
                _ => words.push(word.to_owned()),
            }
        }
        words.join(";")
    };
    let varies = |line: &&str| !line.starts_with("Date:");
    answer
        .lines()
        .filter(varies)
        .map(without)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_differ_only_in_what_tells_extensions_apart() {
        let answer = |extension: &str, nonce: &str, status: &str| {
            let text = format!(
                "SIP/2.0 {status}\r\nTo: <sip:{extension}@h>;tag={nonce}\r\n\
                 WWW-Authenticate: Digest realm=\"x\", nonce=\"{nonce}\", qop=\"auth\"\r\n"
            );
            plain(&text, extension)
        };
        assert_eq!(
            answer("201", "a", "401 Unauthorized"),
            answer("299", "b", "401 Unauthorized")
        );
        assert_ne!(
            answer("201", "a", "401 Unauthorized"),
            answer("299", "b", "404 Not Found")
        );
    }
}
