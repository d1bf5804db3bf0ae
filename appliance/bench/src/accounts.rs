//! Who calls and registers: the same accounts on every server.

use branchline_sip::digest::{Account, Answerer};

/// Realm of every server's challenges.
pub(crate) const REALM: &str = "bench.test";

const CALLERS_FROM: usize = 20_000;
const CALLEES_FROM: usize = 30_000;
const REGISTRANTS_FROM: usize = 40_000;

/// One account.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) password: String,
}

impl User {
    fn new(number: usize) -> User {
        User {
            name: number.to_string(),
            password: format!("secret-{number}"),
        }
    }

    /// Credentials of this user that no server has asked for yet.
    pub(crate) fn answerer(&self) -> Answerer {
        let account = Account::with_password(self.name.clone(), self.password.clone());
        Answerer::new(account, [7; 32])
    }
}

pub(crate) fn callers(count: usize) -> Vec<User> {
    (0..count).map(|n| User::new(CALLERS_FROM + n)).collect()
}

pub(crate) fn callees(count: usize) -> Vec<User> {
    (0..count).map(|n| User::new(CALLEES_FROM + n)).collect()
}

/// At most 10,000.
pub(crate) fn registrants(count: usize) -> Vec<User> {
    (0..count).map(|n| User::new(REGISTRANTS_FROM + n)).collect()
}
