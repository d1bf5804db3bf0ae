use std::fmt;

/// What a call to a number costs and where it goes; a class of service allows or denies kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Another telephone of this box.
    Internal,
    /// Same area code as the site.
    Local,
    /// Geographic or other ordinary number of the site's country.
    National,
    /// Mobile of the site's country.
    Mobile,
    /// Free to the caller.
    TollFree,
    /// Somewhat dearer than national (0845, 0180, 0820).
    SharedCost,
    /// Short public service number such as directory or road assistance.
    Service,
    /// Another country; also North American numbers that are billed as one.
    International,
    /// Pay-per-call, satellite, and every number whose kind is not known: what is not known may cost most.
    Premium,
}

impl Kind {
    /// Every kind, cheapest first.
    pub const ALL: [Kind; 9] = [
        Kind::Internal,
        Kind::Local,
        Kind::National,
        Kind::Mobile,
        Kind::TollFree,
        Kind::SharedCost,
        Kind::Service,
        Kind::International,
        Kind::Premium,
    ];

    /// The word used in the file and in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Internal => "internal",
            Kind::Local => "local",
            Kind::National => "national",
            Kind::Mobile => "mobile",
            Kind::TollFree => "toll_free",
            Kind::SharedCost => "shared_cost",
            Kind::Service => "service",
            Kind::International => "international",
            Kind::Premium => "premium",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl crate::text::FromText for Kind {
    fn from_text(text: &str) -> Result<Kind, crate::fault::Wrong> {
        Kind::from_word(text).ok_or_else(|| {
            let words: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
            let problem = format!("\"{text}\" is not a kind of destination");
            crate::fault::Wrong::new(problem, format!("write one of {}", words.join(", ")))
        })
    }
}
