//! htpasswd files: one `user:hash` a line, bcrypt only, as registry:2 has it.

use std::collections::BTreeMap;

/// Users and their bcrypt hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Htpasswd {
    users: BTreeMap<String, String>,
    /// What a wrong name costs, and a wrong password at least, so that timing does not list the users.
    usual_cost: u32,
}

/// A line that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct LineProblem {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong and what to do. Never any part of the line but the user's name.
    pub what: String,
}

/// Why a password could not be hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The user's name cannot stand in a line.
    #[error(
        "the user name {0:?} is not usable: it must not be empty nor hold a colon or a control character"
    )]
    User(String),
    /// The password is empty.
    #[error("the password of {0} is empty")]
    EmptyPassword(String),
    /// bcrypt would leave out the rest.
    #[error(
        "the password of {0} has more than {LONGEST_PASSWORD} bytes, and bcrypt ignores what follows: choose a shorter one"
    )]
    LongPassword(String),
    /// So slow a hash would be refused when it is read.
    #[error("bcrypt cost {0} is not usable: it must lie between {MIN_COST} and {MAX_COST}")]
    Cost(u32),
    /// bcrypt refused.
    #[error("cannot hash the password: {0}")]
    Bcrypt(#[from] bcrypt::BcryptError),
}

/// The least cost that bcrypt has.
const MIN_COST: u32 = 4;
/// The highest cost that is taken. Each step doubles the work of a login, right or wrong: 14 takes about a second, and
/// 31, the most that bcrypt has, would take days.
pub const MAX_COST: u32 = 14;

/// What costs a login no time that a person notices, and guessing enough.
const MODEST_COST: u32 = 10;
/// How long a hash is. As registry:2, what stands behind it (a comment, an end of line of old) counts for nothing.
const HASH: usize = 60;
/// bcrypt heeds no more bytes of a password.
const LONGEST_PASSWORD: usize = 72;

/// What follows the cost in a hash of no password that anyone has.
const NOBODY: &str = "AAAAAAAAAAAAAAAAAAAAA.n0h/mIMCzQV5sAcS2EkWlrP7Nqjmb2m";

impl Htpasswd {
    /// Reads a file of which every line is usable.
    ///
    /// # Errors
    /// Every line that is not.
    pub fn parse(text: &str) -> Result<Self, Vec<LineProblem>> {
        match Self::read(text) {
            (htpasswd, problems) if problems.is_empty() => Ok(htpasswd),
            (_, problems) => Err(problems),
        }
    }

    /// Reads a file, and tells the lines that let nobody in. Empty lines and lines that begin with `#` are passed over;
    /// of two lines for one user the later holds, as in Apache's, and if that is unusable, neither.
    pub fn read(text: &str) -> (Self, Vec<LineProblem>) {
        let mut users = BTreeMap::new();
        let mut problems = Vec::new();
        // Editors of Windows begin a file with a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match check_line(line) {
                Ok((user, hash)) => drop(users.insert(user.to_owned(), hash.to_owned())),
                Err(what) => {
                    // Whoever replaced a password does not want the old one to be taken.
                    users.remove(line.split(':').next().unwrap_or_default());
                    problems.push(LineProblem {
                        line: index + 1,
                        what,
                    });
                }
            }
        }
        let usual_cost = usual(users.values().map(|hash| cost_of(hash)).collect());
        (Self { users, usual_cost }, problems)
    }

    /// The users' names, sorted.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(String::as_str)
    }

    /// Whether there is such a user.
    pub fn contains(&self, user: &str) -> bool {
        self.users.contains_key(user)
    }

    /// The user's hash. With another one comes another password, or the same one set again.
    pub fn hash(&self, user: &str) -> Option<&str> {
        self.users.get(user).map(String::as_str)
    }

    /// Whether this user's password takes longer to verify than that of others.
    pub fn is_dear(&self, user: &str) -> bool {
        self.hash(user)
            .is_some_and(|hash| cost_of(hash) > self.usual_cost)
    }

    /// Whether this is the user's password. Slow on purpose (bcrypt): call it where blocking is allowed.
    pub fn verify(&self, user: &str, password: &str) -> bool {
        let Some(hash) = self.hash(user) else {
            hash_for_nobody(password, self.usual_cost);
            return false;
        };
        let is_right = bcrypt::verify(password, hash).unwrap_or(false);
        if !is_right {
            // Each cost takes twice as long as the one before: these together make up for a cheaper hash.
            (cost_of(hash)..self.usual_cost).for_each(|cost| hash_for_nobody(password, cost));
        }
        is_right
    }
}

/// What half of the users do not exceed, and as much as the dearest of them where that is modest. One user's dear hash
/// must not make all wrong passwords dear, even if that tells that there is such a user.
fn usual(mut costs: Vec<u32>) -> u32 {
    costs.sort_unstable();
    let (Some(&dearest), Some(&median)) = (costs.last(), costs.get(costs.len().saturating_sub(1) / 2)) else {
        return MODEST_COST;
    };
    median.max(dearest.min(MODEST_COST))
}

fn cost_of(hash: &str) -> u32 {
    let parts = hash.parse::<bcrypt::HashParts>();
    parts.map_or(MODEST_COST, |parts| parts.get_cost())
}

/// Takes the time of a verification.
fn hash_for_nobody(password: &str, cost: u32) {
    let _ = bcrypt::verify(password, &nobodys_hash(cost));
}

fn nobodys_hash(cost: u32) -> String {
    format!("$2y${cost:02}${NOBODY}")
}

/// The user and the hash of one line, or what is wrong with it.
pub fn check_line(line: &str) -> Result<(&str, &str), String> {
    let (user, hash) = line
        .split_once(':')
        .ok_or("expected user:hash; make the line with htpasswd -nB USER")?;
    if user.is_empty() {
        return Err("the user name before the colon is empty".to_owned());
    }
    if user.contains(char::REPLACEMENT_CHARACTER) {
        return Err("the user name is not UTF-8; save the file as UTF-8".to_owned());
    }
    let hash = hash.get(..HASH).unwrap_or(hash);
    if !["$2a$", "$2b$", "$2x$", "$2y$"]
        .iter()
        .any(|prefix| hash.starts_with(prefix))
    {
        return Err(format!(
            "the password of {user} is not hashed with bcrypt; make the line anew with htpasswd -nB {user}"
        ));
    }
    match hash.parse::<bcrypt::HashParts>().map(|parts| parts.get_cost()) {
        Ok(MIN_COST..=MAX_COST) => Ok((user, hash)),
        Ok(cost) if (MAX_COST..=31).contains(&cost) => Err(format!(
            "the password of {user} is hashed with bcrypt cost {cost}, and {MAX_COST} is the highest that is taken, \
             because each step doubles the time of a login; make the line anew with htpasswd -nB -C 12 {user}"
        )),
        Ok(_) | Err(_) => Err(format!(
            "the bcrypt hash of {user} is damaged; make the line anew with htpasswd -nB {user}"
        )),
    }
}

/// A line `user:$2y$…` for a password. `cost` is bcrypt's: each step doubles the work (5 for random
/// passwords, 10 or more for people's), up to [`MAX_COST`].
pub fn hash_line(user: &str, password: &str, cost: u32) -> Result<String, HashError> {
    if user.is_empty() || user.contains(':') || user.starts_with('#') || user.chars().any(char::is_control) {
        return Err(HashError::User(user.to_owned()));
    }
    if password.is_empty() {
        return Err(HashError::EmptyPassword(user.to_owned()));
    }
    if password.len() > LONGEST_PASSWORD {
        return Err(HashError::LongPassword(user.to_owned()));
    }
    if !(MIN_COST..=MAX_COST).contains(&cost) {
        return Err(HashError::Cost(cost));
    }
    let hash = bcrypt::hash_with_result(password, cost)?.format_for_version(bcrypt::Version::TwoY);
    Ok(format!("{user}:{hash}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(user: &str, password: &str) -> String {
        hash_line(user, password, 4).unwrap()
    }

    #[test]
    fn a_hashed_line_admits_its_password_and_no_other() {
        let file = Htpasswd::parse(&line("alice", "secret")).unwrap();
        assert!(file.verify("alice", "secret"));
        assert!(!file.verify("alice", "Secret"));
        assert!(!file.verify("bob", "secret"));
        assert!(!file.verify("", ""));
    }

    /// Each as registry:2 reads it.
    #[test]
    fn a_hash_ends_where_it_ends_and_may_have_any_prefix_of_bcrypts() {
        let whole = line("alice", "secret");
        for written in [
            format!("{whole} # since March"),
            format!("{whole}:0:99999"),
            format!("{whole}\0"),
            format!("{whole}\rbob:x"),
            whole.replace("$2y$", "$2a$"),
            whole.replace("$2y$", "$2b$"),
            whole.replace("$2y$", "$2x$"),
        ] {
            let file = Htpasswd::parse(&written).unwrap();
            assert!(file.verify("alice", "secret"), "{written:?}");
            assert!(!file.verify("alice", "other"), "{written:?}");
        }
    }

    #[test]
    fn what_is_usual_is_not_set_by_one_dear_user_and_hides_those_of_modest_cost() {
        for (costs, expected) in [
            (vec![], 10),
            (vec![5], 5),
            (vec![14], 14),
            (vec![5, 14], 10),
            (vec![5, 5, 10], 10),
            (vec![12, 5, 12, 14], 12),
            (vec![14, 12, 12, 12, 14], 12),
            (vec![14, 14, 14, 5], 14),
        ] {
            assert_eq!(usual(costs.clone()), expected, "{costs:?}");
        }
    }

    #[test]
    fn nobodys_hash_is_a_real_one_of_the_usual_cost() {
        let (file, problems) = Htpasswd::read(&format!(
            "{}\n{}",
            line("a", "x"),
            hash_line("b", "x", 5).unwrap()
        ));
        assert_eq!(problems, []);
        let hash = nobodys_hash(file.usual_cost);
        let parts: bcrypt::HashParts = hash.parse().unwrap();
        assert_eq!(parts.get_cost(), 5);
        assert!(matches!(bcrypt::verify("x", &hash), Ok(false)));
        assert!(!file.is_dear("a") && !file.is_dear("b") && !file.is_dear("nobody"));
        let dear = format!("{}\nmallory:{}", line("a", "x"), nobodys_hash(14));
        let (file, _) = Htpasswd::read(&dear);
        assert!(file.is_dear("mallory") && !file.is_dear("a"));
    }

    #[test]
    fn a_cost_is_taken_up_to_the_bound_and_named_above_it() {
        for (cost, said) in [
            (3, Some("is damaged")),
            (4, None),
            (MAX_COST, None),
            (MAX_COST + 1, Some("cost 15, and 14 is the highest")),
            (31, Some("cost 31, and 14 is the highest")),
            (32, Some("is damaged")),
            (99, Some("is damaged")),
        ] {
            let line = format!("ada:{}", nobodys_hash(cost));
            match (check_line(&line), said) {
                (Ok(_), None) => {}
                (Err(what), Some(said)) => assert!(what.contains(said), "{cost}: {what}"),
                (outcome, _) => panic!("{cost}: {outcome:?}"),
            }
        }
    }

    #[test]
    fn no_line_is_made_that_would_be_refused() {
        for cost in [0, 3, MAX_COST + 1, 31] {
            assert!(matches!(hash_line("ada", "x", cost), Err(HashError::Cost(refused)) if refused == cost));
        }
    }

    #[test]
    fn hashes_of_apache_and_of_other_tools_are_read() {
        // htpasswd -nbB alice wonderland; PHP and Go write $2y$ and $2a$ for the same algorithm.
        let hash = bcrypt::hash_with_result("wonderland", 4).unwrap();
        for version in [
            bcrypt::Version::TwoY,
            bcrypt::Version::TwoA,
            bcrypt::Version::TwoB,
        ] {
            let text = format!("alice:{}", hash.format_for_version(version));
            assert!(
                Htpasswd::parse(&text).unwrap().verify("alice", "wonderland"),
                "{text}"
            );
        }
    }

    #[test]
    fn comments_and_empty_lines_are_passed_over_and_windows_line_ends_do_no_harm() {
        let text = format!("# people\r\n\r\n{}\r\n", line("alice", "x"));
        assert_eq!(
            Htpasswd::parse(&text).unwrap().users().collect::<Vec<_>>(),
            ["alice"]
        );
    }

    #[test]
    fn each_unusable_line_is_named_with_its_number_and_without_its_hash() {
        let text = "alice:$apr1$abcdefgh$0123456789012345678901\nbob\n:x\ncarol:$2y$10$short\n";
        let problems = Htpasswd::parse(text).unwrap_err();
        let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            problems.iter().map(|problem| problem.line).collect::<Vec<_>>(),
            [1, 2, 3, 4]
        );
        assert!(
            texts[0].contains("htpasswd -nB alice") && !texts[0].contains("apr1"),
            "{}",
            texts[0]
        );
        assert!(!texts[3].contains("short"), "{}", texts[3]);
    }

    #[test]
    fn unusable_lines_let_nobody_in_and_keep_nobody_out() {
        for unusable in [
            "bob:$apr1$abcdefgh$0123456789012345678901",
            "bob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
            "bob:$1$abcdefgh$0123456789012345678901",
            "bob:$5$rounds=5000$abc$def",
            "bob:$6$abc$def",
            "bob:$argon2id$v=19$m=65536,t=3,p=4$abc$def",
            "bob:rl0uE9Ye3rk7Y",
            "bob:secret",
            "bob:",
            "bob",
            "b\u{fffd}b:$2y$05$",
            &format!("bob:{}", nobodys_hash(15)),
        ] {
            let text = format!(
                "{}\n{unusable}\n{}",
                line("bob", "secret"),
                line("alice", "wonderland")
            );
            let (file, problems) = Htpasswd::read(&text);
            assert!(file.verify("alice", "wonderland"), "{unusable}");
            let old_one_counts = unusable.starts_with("b\u{fffd}b");
            assert_eq!(file.contains("bob"), old_one_counts, "{unusable}");
            assert_eq!(problems.len(), 1, "{unusable}");
            assert_eq!(problems[0].line, 2, "{unusable}");
            assert!(!problems[0].what.contains("secret"), "{}", problems[0]);
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_name() {
        let (file, problems) = Htpasswd::read(&format!("\u{feff}{}\n", line("alice", "x")));
        assert!(file.verify("alice", "x") && problems.is_empty());
    }

    #[test]
    fn a_password_of_which_bcrypt_would_ignore_a_part_is_refused() {
        assert!(hash_line("a", &"x".repeat(72), 4).is_ok());
        let error = hash_line("a", &"x".repeat(73), 4).unwrap_err();
        assert!(error.to_string().contains("72 bytes"), "{error}");
    }

    #[test]
    fn names_that_would_break_a_line_are_refused() {
        for name in ["", "a:b", "#a", "a\nb"] {
            assert!(
                matches!(hash_line(name, "x", 4), Err(HashError::User(_))),
                "{name:?}"
            );
        }
        assert!(matches!(hash_line("a", "", 4), Err(HashError::EmptyPassword(_))));
    }
}
