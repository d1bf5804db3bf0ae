//! What the system lets the process have.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the number of files the process may have open as far as it is allowed to, and gives that number.
pub(super) fn raise_open_files() -> usize {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((SOFT_USUAL, SOFT_USUAL));
    let raised = match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(error) => {
            tracing::warn!(%error, soft, hard, "the number of open files cannot be raised");
            soft
        }
    };
    usize::try_from(raised).unwrap_or(usize::MAX)
}

/// Stream connections that leave room for media ports: a call takes four.
pub(super) fn connections_max(open_files: usize) -> usize {
    (open_files / 4).clamp(CONNECTIONS_MIN, crate::io::stream::CONNECTIONS_MAX)
}

const SOFT_USUAL: u64 = 1024;
const CONNECTIONS_MIN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_media() {
        assert_eq!(connections_max(1024), 256);
        assert_eq!(connections_max(65_536), crate::io::stream::CONNECTIONS_MAX);
        assert_eq!(connections_max(10), CONNECTIONS_MIN);
    }

    #[test]
    fn the_limit_on_open_files_is_raised() {
        assert!(raise_open_files() as u64 >= getrlimit(Resource::RLIMIT_NOFILE).unwrap().0);
    }
}
