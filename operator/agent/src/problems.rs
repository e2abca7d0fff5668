//! What stands between this node and its registries, put together from all that the agent knows. Pure.

use roadstead_api::trust::{Problem, ProblemReason};

use crate::host::HostPath;
use crate::runtime::{Found, Reads, Runtime};

/// What concerns every host, because the runtime does.
pub fn of_runtime(found: &Found) -> Option<Problem> {
    match found {
        Found::Nothing => Some(every_host(
            ProblemReason::UnsupportedRuntime,
            None,
            "no container runtime that Roadstead can write for was found on this node: it looks for containerd's socket"
                .to_owned(),
        )),
        Found::Foreign { socket } => Some(every_host(
            ProblemReason::UnsupportedRuntime,
            Some(socket),
            format!("{socket} does not speak the runtime interface v1: containerd 1.6 or later with its CRI plugin is needed"),
        )),
        // Nothing is written meanwhile either: which folder it reads is not known.
        Found::Silent { socket, why } => Some(every_host(
            ProblemReason::Unproved,
            Some(socket),
            format!("the container runtime at {socket} does not answer: {why}"),
        )),
        Found::Runtime(runtime) if runtime.reads == Reads::No => Some(every_host(
            ProblemReason::ConfigPathUnset,
            Some(&runtime.root),
            format!("containerd {} reads no certs.d folder: {}", runtime.version.version, lines_to_add(runtime)),
        )),
        Found::Runtime(_) => None,
    }
}

/// What concerns every host, because no pass over the files succeeds.
pub fn of_failed_passes(error: &str) -> Problem {
    every_host(
        ProblemReason::WriteFailed,
        None,
        format!("what is on this node could not be looked at or recorded: {error}; it is tried again"),
    )
}

/// Adds the exact lines for this runtime where they are the way out.
pub fn with_advice(mut problem: Problem, runtime: &Runtime) -> Problem {
    if problem.reason == ProblemReason::ConfigNotRead {
        problem.message = format!("{}; {}", problem.message, lines_to_add(runtime));
    }
    problem
}

fn lines_to_add(runtime: &Runtime) -> String {
    let plugin = match major(&runtime.version.version) {
        Some(0 | 1) => "io.containerd.grpc.v1.cri",
        Some(_) | None => "io.containerd.cri.v1.images",
    };
    format!(
        "add [plugins.\"{plugin}\".registry] with config_path = \"{}\" to containerd's config.toml on this node and restart containerd",
        runtime.root
    )
}

fn major(version: &str) -> Option<u32> {
    version.trim_start_matches('v').split('.').next()?.parse().ok()
}

fn every_host(reason: ProblemReason, path: Option<&HostPath>, message: String) -> Problem {
    Problem {
        host: String::new(),
        reason,
        path: path.map(ToString::to_string),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cri::{Client, Version};
    use crate::host::HostRoot;
    use std::sync::Arc;

    fn runtime(version: &str, reads: Reads) -> Runtime {
        let host = Arc::new(HostRoot::open(std::path::Path::new("/")).expect("the root"));
        let socket: HostPath = "/run/containerd/containerd.sock".parse().expect("a path");
        Runtime {
            client: Client::new(host, socket.clone()),
            version: Version {
                name: "containerd".into(),
                version: version.into(),
            },
            socket,
            start: "1".into(),
            root: "/etc/containerd/certs.d".parse().expect("a path"),
            reads,
        }
    }

    #[tokio::test]
    async fn an_unset_folder_comes_with_the_lines_for_that_version() {
        for (version, plugin) in [
            ("1.6.20~ds1", "io.containerd.grpc.v1.cri"),
            ("v2.2.1", "io.containerd.cri.v1.images"),
        ] {
            let problem = of_runtime(&Found::Runtime(runtime(version, Reads::No))).expect("a problem");
            assert_eq!(
                (problem.host.as_str(), problem.reason),
                ("", ProblemReason::ConfigPathUnset)
            );
            let lines =
                format!("add [plugins.\"{plugin}\".registry] with config_path = \"/etc/containerd/certs.d\"");
            assert!(problem.message.contains(&lines), "{}", problem.message);
        }
    }

    #[tokio::test]
    async fn a_runtime_that_may_read_our_folder_is_no_problem_yet() {
        for reads in [Reads::Yes, Reads::Perhaps] {
            assert_eq!(of_runtime(&Found::Runtime(runtime("2.2.1", reads))), None);
        }
    }
}
