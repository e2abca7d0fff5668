//! The names in a piece of Rust: where paths lead that begin at a crate's root or beside the file, and what a file imports.

/// A path, and the name under which an import brings it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub path: Vec<String>,
    pub name: String,
}

/// The paths from the crate's root that a module's code names: `crate::…`, `super::…` and `self::…`.
pub fn absolute(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let begins = |word: &'static str| {
        let starts = code.match_indices(word);
        starts.filter(|(at, _)| {
            let before = &code[..*at];
            // Who may see something is no use of it: `pub(in crate::…)`.
            !before.ends_with(|last: char| is_of_name(last) || last == ':') && !before.ends_with("pub(in ")
        })
    };
    let starts = begins("crate::").chain(begins("super::")).chain(begins("self::"));
    let trees = starts.flat_map(|(at, _)| tree(&code[at..]));
    trees
        .filter_map(|named| from_the_root(&named.path, module))
        .collect()
}

/// What a module's `use` items bring into it, as paths from the crate's root. Those of other crates lead nowhere.
pub fn imports(code: &str, module: &[String]) -> Vec<Named> {
    let trees = items(code).flat_map(|(_, item)| tree(item));
    let trees = trees.map(|named| {
        let path = from_the_root(&named.path, module);
        let below = || module.iter().chain(&named.path).cloned().collect();
        Named {
            path: path.unwrap_or_else(below),
            name: named.name,
        }
    });
    trees.collect()
}

/// Code without what it only hands on: its `pub use` items.
pub fn without_reexports(code: &str) -> String {
    let mut code = code.to_owned();
    let handed_on: Vec<String> = items(&code)
        .filter(|(public, _)| *public)
        .map(|(_, item)| item.to_owned())
        .collect();
    for item in handed_on {
        code = code.replace(&format!("use {item};"), "");
    }
    code
}

/// The `use` items at the outermost level, and whether they are public.
fn items(code: &str) -> impl Iterator<Item = (bool, &str)> {
    code.match_indices("use ").filter_map(|(at, word)| {
        let before = code[..at].rsplit('\n').next()?;
        let is_item = before.is_empty() || before.starts_with("pub ") || before.starts_with("pub(");
        let item = code[at + word.len()..].split(';').next()?;
        is_item.then_some((!before.is_empty(), item))
    })
}

fn from_the_root(path: &[String], module: &[String]) -> Option<Vec<String>> {
    let ups = path.iter().take_while(|name| *name == "super").count();
    let base = match path.first()?.as_str() {
        "crate" => &[],
        "self" => module,
        "super" => &module[..module.len().checked_sub(ups)?],
        _ => return None,
    };
    Some(base.iter().chain(&path[ups.max(1)..]).cloned().collect())
}

/// The paths that a tree of names stands for: `a::{b, c::d as e}` for `a::b` and `a::c::d`.
fn tree(text: &str) -> Vec<Named> {
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        return members(group).into_iter().flat_map(tree).collect();
    }
    let (name, rest) = text.split_at(text.find(|next| !is_of_name(next)).unwrap_or(text.len()));
    if let Some(rest) = rest.strip_prefix("::").filter(|_| !name.is_empty()) {
        let mut below = tree(rest);
        for named in &mut below {
            named.path.insert(0, name.to_owned());
            if named.path.last().is_some_and(|last| last == "self") && named.path.len() > 1 {
                named.path.pop();
                named.name = name.to_owned();
            }
        }
        return below;
    }
    let alias = rest
        .trim_start()
        .strip_prefix("as ")
        .map(|alias| alias.trim_start());
    let alias = alias.map(|alias| alias.split(|next| !is_of_name(next)).next().unwrap_or_default());
    vec![Named {
        path: Some(name)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .into_iter()
            .collect(),
        name: alias.unwrap_or(name).to_owned(),
    }]
}

/// What stands between commas, up to the brace that ends the group.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut members) = (0, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                members.push(&group[start..at]);
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    members.retain(|member| !member.trim().is_empty());
    members
}

fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str) -> Vec<String> {
        path.split("::").map(str::to_owned).collect()
    }

    #[test]
    fn paths_are_followed_from_the_root_and_from_the_module() {
        let code = "use crate::{a::{self, B}, c};\npub(in crate::o) fn d() { super::e::f::<T>(); super::super::g(); }";
        let found = absolute(code, &path("m::n"));
        assert_eq!(found, ["a", "a::B", "c", "m::e::f", "g"].map(path));
    }

    #[test]
    fn imports_are_known_by_the_names_that_they_bring() {
        let code = "use a::{B as C, d::{self}};\npub(crate) use super::e::F;\nuse crate::G;\n";
        let found = imports(code, &path("m"));
        let found: Vec<_> = found
            .iter()
            .map(|named| (named.path.join("::"), named.name.as_str()))
            .collect();
        let paths = [("m::a::B", "C"), ("m::a::d", "d"), ("e::F", "F"), ("G", "G")];
        assert_eq!(found, paths.map(|(path, name)| (path.to_owned(), name)));
        assert!(!without_reexports(code).contains("super"));
        assert!(without_reexports(code).contains("crate::G"));
    }
}
