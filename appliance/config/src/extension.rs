use crate::fault::Wrong;
use crate::read::{Reader, Word};
use crate::secret::{Hashes, from_hex};
use crate::text::{DialString, Digits, FromText, Name};
use crate::{Credentials, Extension};

/// `[[extension]]`: one telephone number of the box.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtensionEntry {
    /// What is dialled, and the user name of the digest.
    pub number: Extension,
    /// Shown to the called party. Default the number.
    pub name: String,
    /// `ha1_md5`, `ha1_sha256`: at least one.
    pub hashes: Hashes,
    /// Class of service by name. Default `default`.
    pub class: String,
    /// Calls at once. Default 2: one call and one waiting.
    pub max_calls: u32,
    /// Ringing before no-answer. Default none: `sip.ring_s`.
    pub no_answer_s: Option<u32>,
    /// Where a call goes when busy: a number to dial as this extension. Default none: 486.
    pub forward_busy: Option<String>,
    /// Where a call goes unanswered. Default none: 480.
    pub forward_no_answer: Option<String>,
    /// Own number shown on outside calls. Default none: the trunk's.
    pub caller_id: Option<String>,
    /// Default shown.
    pub privacy: Privacy,
    /// Its line at the hosted PBX: `hosted = { username = "201", password = "…" }`. Default none: it is known here only.
    pub hosted: Option<Credentials>,
    /// The analog telephone or handset of the board that is this extension's, by name. Default none.
    pub phone: Option<String>,
    /// Where its phones are, by id, whatever network they call from. Default none.
    pub location: Option<String>,
    /// Part of the site that locations may name. Default none.
    pub zone: Option<String>,
}

/// Whether outside parties see the caller's number (RFC 3323).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privacy {
    /// The number is presented.
    Shown,
    /// `Privacy: id`, From is anonymous.
    Withheld,
}

impl Word for Privacy {
    const WORDS: &'static [(&'static str, Privacy)] = &[("shown", Privacy::Shown), ("withheld", Privacy::Withheld)];
}

impl ExtensionEntry {
    pub(crate) fn read(mut table: Reader<'_>) -> Option<ExtensionEntry> {
        let number: Option<Extension> = table.required("number", "201");
        let shown = number.as_ref().map_or("201", |number| number.as_str()).to_owned();
        let fix = format!("run: branchline extension password {shown}");
        table.refuse("password", || {
            Wrong::new("passwords are not kept in the clear", fix.clone())
        });
        let md5: Option<Hex<16>> = table.optional("ha1_md5");
        let sha256: Option<Hex<32>> = table.optional("ha1_sha256");
        let hashes = Hashes {
            md5: md5.map(|hex| hex.0),
            sha256: sha256.map(|hex| hex.0),
        };
        if !table.has("ha1_md5") && !table.has("ha1_sha256") && !table.has("password") {
            table.wrong("ha1_sha256", Wrong::new("is missing, so no phone can log in", fix));
        }
        let name = table.or("name", shown);
        let class = table.or("class", Name("default".to_owned())).0;
        let max_calls = table.number("max_calls", 1..=100, 2);
        let no_answer_s = table.optional_number("no_answer_s", 5..=300);
        let forward_busy = table.optional::<DialString>("forward_busy").map(|to| to.0);
        let forward_no_answer = table.optional::<DialString>("forward_no_answer").map(|to| to.0);
        let caller_id = table.optional::<Digits>("caller_id").map(|digits| digits.0);
        let privacy = table.word("privacy", Privacy::Shown);
        let hosted = table.optional_table("hosted", |mut line| {
            let read = Credentials::read(&mut line);
            if !line.has("username") && !line.has("password") && !line.has("password_file") {
                line.wrong("username", Wrong::new("is missing", "add username = \"201\""));
            }
            line.finish();
            read
        });
        let phone = table.optional::<Name>("phone").map(|name| name.0);
        let location = table.optional::<Name>("location").map(|name| name.0);
        let zone = table.optional::<Name>("zone").map(|name| name.0);
        table.finish();
        Some(ExtensionEntry {
            number: number?,
            name,
            hashes,
            class,
            max_calls,
            no_answer_s,
            forward_busy,
            forward_no_answer,
            caller_id,
            privacy,
            hosted,
            phone,
            location,
            zone,
        })
    }
}

struct Hex<const N: usize>([u8; N]);

impl<const N: usize> FromText for Hex<N> {
    fn from_text(text: &str) -> Result<Hex<N>, Wrong> {
        from_hex(text).map(Hex).ok_or_else(|| {
            let problem = format!("is not {} hexadecimal digits", 2 * N);
            Wrong::new(problem, "run: branchline extension password NUMBER")
        })
    }
}
