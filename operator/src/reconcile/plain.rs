//! Answers of the API server, as people are told of them.

/// As much of what the API server says as people are told.
const LONGEST_ANSWER: usize = 500;

/// What the API server said, for people: its first line, without the objects and the differences that follow.
pub(super) fn plain(error: &kube::Error) -> String {
    let text = match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    };
    let line = text.lines().next().unwrap_or_default();
    line[..line.floor_char_boundary(LONGEST_ANSWER)].to_owned()
}
