//! How many files may be open: each connection is one, and so is each blob that is read or written.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::http::server::ConnectionLimits;

/// The usual soft limit of 1024 is for programs of the past.
pub(super) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    ) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

/// No more connections than half of the files, so that those that are open can also be answered.
pub(super) fn fitting(limits: ConnectionLimits) -> ConnectionLimits {
    within(limits, getrlimit(Resource::Nofile).current)
}

fn within(limits: ConnectionLimits, files: Option<u64>) -> ConnectionLimits {
    let most = files.and_then(|files| usize::try_from(files / 2).ok());
    let (Some(wanted), Some(most)) = (limits.in_all, most) else {
        return limits;
    };
    if wanted <= most {
        return limits;
    }
    tracing::info!(
        "the limit of open files leaves room for {most} connections, not for {wanted}; raise it (ulimit -Hn), or lower \
         http.limits.connections"
    );
    ConnectionLimits {
        in_all: Some(most),
        ..limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_what_they_ask_for() {
        let in_all = |wanted, files| {
            let limits = ConnectionLimits {
                in_all: wanted,
                per_address: Some(7),
            };
            let limits = within(limits, files);
            assert_eq!(limits.per_address, Some(7));
            limits.in_all
        };
        assert_eq!(in_all(Some(16_384), Some(1024)), Some(512));
        assert_eq!(in_all(Some(16_384), Some(1_048_576)), Some(16_384));
        assert_eq!(in_all(Some(16_384), None), Some(16_384));
        assert_eq!(in_all(None, Some(1024)), None);
    }
}
