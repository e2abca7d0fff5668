//! Who may do what in which repository: `access.rules`.
//!
//! The first rule that names both the user and the repository decides. It knows neither passwords nor HTTP.

use std::sync::Arc;

use roadstead_oci::RepositoryName;

use super::pattern::Pattern;
use super::token::Bearer;

/// What can be done in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Pull,
    Push,
    Delete,
}

impl Action {
    const ALL: [Action; 3] = [Action::Pull, Action::Push, Action::Delete];

    pub fn as_str(self) -> &'static str {
        match self {
            Action::Pull => "pull",
            Action::Push => "push",
            Action::Delete => "delete",
        }
    }
}

/// Who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// No authentication is configured.
    Anonymous,
    User(String),
    /// Let in by a token, for what it grants.
    Bearer(Arc<Bearer>),
}

impl Identity {
    pub fn user(&self) -> Option<&str> {
        match self {
            Identity::Anonymous => None,
            Identity::User(name) => Some(name),
            Identity::Bearer(bearer) => bearer.subject.as_deref(),
        }
    }
}

/// One rule: these users may do these things in these repositories, and nothing else there.
#[derive(Clone, Debug)]
pub struct Rule {
    users: Vec<Pattern>,
    repositories: Vec<Pattern>,
    actions: Vec<Action>,
}

impl Rule {
    /// A rule without users or repositories would never decide, which nobody means to write. One without actions
    /// takes everything away from those whom it names.
    pub fn new(users: &[String], repositories: &[String], actions: &[String]) -> Result<Rule, String> {
        if users.is_empty() {
            return Err("users is empty; to name everyone, write users: [\"*\"]".to_owned());
        }
        if repositories.is_empty() {
            return Err("repositories is empty; to name all, write repositories: [\"**\"]".to_owned());
        }
        Ok(Rule {
            users: users.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
            repositories: repositories
                .iter()
                .map(|text| text.parse())
                .collect::<Result<_, _>>()?,
            actions: actions
                .iter()
                .map(|text| action(text))
                .collect::<Result<_, _>>()?,
        })
    }

    fn names(&self, user: &str, repository: &str) -> bool {
        self.users.iter().any(|pattern| pattern.matches(user))
            && self
                .repositories
                .iter()
                .any(|pattern| pattern.matches(repository))
    }
}

fn action(text: &str) -> Result<Action, String> {
    Action::ALL
        .into_iter()
        .find(|action| action.as_str() == text)
        .ok_or_else(|| format!("\"{text}\" is not one of pull, push, delete"))
}

/// The rules in the order in which they are written. What none of them names is denied.
#[derive(Clone, Debug, Default)]
pub struct Rules(Vec<Rule>);

impl Rules {
    pub fn new(rules: Vec<Rule>) -> Rules {
        Rules(rules)
    }

    pub fn allow(&self, identity: &Identity, repository: &RepositoryName, action: Action) -> bool {
        // Rules are about users; whoever has no name is named by none.
        let Some(user) = identity.user() else { return false };
        let repository = repository.to_string();
        let rule = self.0.iter().find(|rule| rule.names(user, &repository));
        rule.is_some_and(|rule| rule.actions.contains(&action))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(users: &[&str], repositories: &[&str], actions: &[&str]) -> Rule {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        Rule::new(&owned(users), &owned(repositories), &owned(actions)).unwrap()
    }

    fn allowed(rules: &Rules, user: &str, repository: &str) -> Vec<&'static str> {
        let identity = Identity::User(user.to_owned());
        let repository = repository.parse().unwrap();
        Action::ALL
            .into_iter()
            .filter(|&action| rules.allow(&identity, &repository, action))
            .map(Action::as_str)
            .collect()
    }

    #[test]
    fn the_first_rule_that_names_user_and_repository_decides() {
        let rules = Rules::new(vec![
            rule(&["roadstead-pull"], &["**"], &["pull"]),
            rule(&["ci"], &["team/**"], &["pull", "push"]),
            rule(&["ci"], &["team/secret"], &["delete"]),
            rule(&["*"], &["public/*"], &["pull"]),
        ]);
        assert_eq!(allowed(&rules, "roadstead-pull", "team/app"), ["pull"]);
        assert_eq!(allowed(&rules, "ci", "team/app"), ["pull", "push"]);
        assert_eq!(
            allowed(&rules, "ci", "team/secret"),
            ["pull", "push"],
            "the earlier rule stands"
        );
        assert_eq!(allowed(&rules, "dave", "public/app"), ["pull"]);
        assert_eq!(allowed(&rules, "dave", "public/app/deep"), [] as [&str; 0]);
        assert_eq!(
            allowed(&rules, "dave", "team/app"),
            [] as [&str; 0],
            "no rule matches: denied"
        );
    }

    #[test]
    fn a_rule_without_actions_takes_everything_away() {
        let rules = Rules::new(vec![
            rule(&["dave"], &["**"], &[]),
            rule(&["*"], &["**"], &["pull"]),
        ]);
        assert_eq!(allowed(&rules, "dave", "app"), [] as [&str; 0]);
        assert_eq!(allowed(&rules, "carol", "app"), ["pull"]);
    }

    #[test]
    fn a_caller_without_a_name_is_named_by_no_rule() {
        let rules = Rules::new(vec![rule(&["*"], &["**"], &["pull"])]);
        assert!(!rules.allow(&Identity::Anonymous, &"app".parse().unwrap(), Action::Pull));
    }

    #[test]
    fn rules_that_nobody_means_to_write_are_refused() {
        let text = |text: &str| vec![text.to_owned()];
        assert!(Rule::new(&[], &text("**"), &text("pull")).is_err());
        assert!(Rule::new(&text("*"), &[], &text("pull")).is_err());
        assert!(Rule::new(&text("*"), &text("**"), &text("Pull")).is_err());
        assert!(Rule::new(&text(""), &text("**"), &text("pull")).is_err());
    }
}
