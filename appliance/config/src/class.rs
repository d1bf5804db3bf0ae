use crate::fault::Wrong;
use crate::read::Reader;
use crate::text::{FromText, Name};
use crate::{Kind, Pattern};

/// `[[class]]`: class of service, what an extension may dial. Emergencies are never asked about.
///
/// A number pattern is more exact than a kind, so patterns are asked first; of two equals the denial wins; what no line
/// names is denied.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    /// How extensions call it. `default` is what an extension has that names none.
    pub name: String,
    /// `allow = ["internal", "local", "+4420*"]`
    pub allow: Vec<Rule>,
    /// `deny = ["premium", "+4487*"]`
    pub deny: Vec<Rule>,
}

/// One entry of a class.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// Every number of a kind.
    Kind(Kind),
    /// Numbers by pattern, see [`Pattern`].
    Numbers(Pattern),
}

impl Class {
    /// The class of extensions that name none: what a stolen password would cost stays small.
    pub(crate) fn built_in() -> Class {
        let allow = [
            Kind::Internal,
            Kind::Local,
            Kind::National,
            Kind::Mobile,
            Kind::TollFree,
            Kind::SharedCost,
            Kind::Service,
        ];
        Class {
            name: "default".to_owned(),
            allow: allow.map(Rule::Kind).to_vec(),
            deny: Vec::new(),
        }
    }

    /// True when a number of this kind may be called. `forms` are the ways the number can be written (E.164, as dialled).
    pub fn allows(&self, kind: Kind, forms: &[&str]) -> bool {
        let by_number = |rules: &[Rule]| {
            rules.iter().any(|rule| match rule {
                Rule::Numbers(pattern) => forms.iter().any(|form| pattern.matches(form)),
                Rule::Kind(_) => false,
            })
        };
        if by_number(&self.deny) {
            return false;
        }
        by_number(&self.allow) || (self.allow.contains(&Rule::Kind(kind)) && !self.deny.contains(&Rule::Kind(kind)))
    }

    pub(crate) fn read(mut table: Reader<'_>) -> Option<Class> {
        let name = table.required::<Name>("name", "office");
        let allow = table.list("allow").unwrap_or_default();
        let deny = table.list("deny").unwrap_or_default();
        table.finish();
        Some(Class {
            name: name?.0,
            allow,
            deny,
        })
    }
}

impl FromText for Rule {
    fn from_text(text: &str) -> Result<Rule, Wrong> {
        if let Some(kind) = Kind::from_word(text) {
            return Ok(Rule::Kind(kind));
        }
        // A word is a misspelt kind; anything else is meant as a pattern.
        if text.len() > 1
            && text.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_')
            && !text.contains(['x', 'X', 'n', 'N'])
        {
            return Kind::from_text(text).map(Rule::Kind);
        }
        Pattern::new(text).map(Rule::Numbers).map_err(|fault| {
            let words: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
            let fix = match crate::text::nearest(text, &words) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("write one of {}, or a pattern such as \"+1900*\"", words.join(", ")),
            };
            Wrong::new(format!("\"{text}\" is neither a kind nor a pattern: {fault}"), fix)
        })
    }
}
