//! Which module of a folder names which, tests left out. What a folder's own file (`mod.rs`, `folder.rs`) hands on counts as
//! named where it is defined; what it defines itself is called by the folder's name.

use crate::{Arrows, paths};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A crate's modules, by their paths from its root.
pub struct Code(BTreeMap<Vec<String>, String>);

impl Code {
    /// Reads the crate whose sources lie in this folder.
    pub fn read(sources: &Path) -> Self {
        let files: Vec<(PathBuf, String)> = files(sources)
            .into_iter()
            .map(|file| {
                let text = fs::read_to_string(&file).expect("it can be read");
                (file, text)
            })
            .collect();
        let module = |file: &Path| path_of_module(file.strip_prefix(sources).expect("it lies there"));
        let for_tests: BTreeSet<Vec<String>> = files
            .iter()
            .flat_map(|(file, text)| {
                let parent = module(file);
                let names = modules_of_tests(text);
                names
                    .into_iter()
                    .map(move |name| [parent.clone(), vec![name]].concat())
            })
            .collect();
        let is_of_tests = |module: &[String]| {
            let of_tests = (1..=module.len()).any(|length| for_tests.contains(&module[..length]));
            of_tests || module.iter().any(|name| name.ends_with("tests"))
        };
        let modules = files
            .iter()
            .map(|(file, text)| (module(file), without_tests(text)));
        Self(modules.filter(|(module, _)| !is_of_tests(module)).collect())
    }

    /// The arrows between what lies in a folder, given as names from the sources.
    pub fn arrows(&self, folder: &[&str]) -> Arrows {
        let folder: Vec<String> = folder.iter().map(|name| (*name).to_owned()).collect();
        let inside = Inside {
            code: self,
            folder: &folder,
            imports: self.imports(&folder),
        };
        let modules = self.0.iter().filter(|(module, _)| module.starts_with(&folder));
        // A crate's root ties its modules together.
        let modules = modules.filter(|(module, _)| !module.is_empty());
        modules
            .flat_map(|(module, code)| inside.arrows_from(module, code))
            .collect()
    }

    fn imports(&self, module: &[String]) -> BTreeMap<String, Vec<String>> {
        let code = self.0.get(module).map(String::as_str).unwrap_or_default();
        let imports = paths::imports(code, module).into_iter();
        imports.map(|named| (named.name, named.path)).collect()
    }
}

/// A folder whose arrows are asked for.
struct Inside<'a> {
    code: &'a Code,
    folder: &'a [String],
    /// What its own file brings in or hands on.
    imports: BTreeMap<String, Vec<String>>,
}

impl Inside<'_> {
    fn arrows_from(&self, module: &[String], code: &str) -> Vec<(String, String)> {
        let from = self.unit(module);
        let mut paths = paths::absolute(code, module);
        if module == self.folder {
            let code = paths::without_reexports(code);
            paths = paths::absolute(&code, module);
            paths.extend(self.children().filter(|child| names(&code, child)).map(|child| {
                let child = child.to_owned();
                module.iter().cloned().chain([child]).collect()
            }));
        }
        let targets = paths.into_iter().filter_map(|path| self.target(path));
        let targets = targets.filter(|to| *to != from);
        targets.map(|to| (from.clone(), to)).collect()
    }

    /// The part of the folder that a path leads to.
    fn target(&self, mut path: Vec<String>) -> Option<String> {
        // As far as names are handed on; more rounds than that would be a circle of imports.
        for _ in 0..4 {
            let name = path.strip_prefix(self.folder)?.first()?;
            if self.children().any(|child| child == name) {
                return Some(name.clone());
            }
            match self.imports.get(name) {
                Some(origin) => path = origin.clone(),
                None if self.folder.is_empty() => return None,
                None => return self.folder.last().cloned(),
            }
        }
        None
    }

    /// What a module is counted to: the part of the folder that it lies in, or the folder's own file.
    fn unit(&self, module: &[String]) -> String {
        let part = module.get(self.folder.len()).or(self.folder.last());
        part.cloned().unwrap_or_default()
    }

    fn children(&self) -> impl Iterator<Item = &str> {
        let below = self
            .code
            .0
            .keys()
            .filter_map(|module| module.strip_prefix(self.folder));
        below.filter_map(|below| below.first()).map(String::as_str)
    }
}

/// Whether code has a path that begins with this name.
fn names(code: &str, child: &str) -> bool {
    let start = format!("{child}::");
    code.match_indices(&start).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || "_:".contains(before))
    })
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

fn path_of_module(file: &Path) -> Vec<String> {
    let file = file.with_extension("");
    let names = file.iter().map(|name| name.to_str().expect("a name").to_owned());
    let mut names: Vec<String> = names.collect();
    names.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
    names
}

/// Modules in files of their own that only tests, or tests and fuzzers, have.
fn modules_of_tests(code: &str) -> Vec<String> {
    let attributes = code.split("#[cfg(").skip(1).filter(|rest| {
        let condition = rest.lines().next().unwrap_or_default();
        condition.starts_with("test")
            || condition.starts_with("any(test")
            || condition.starts_with("feature = \"fuzzing\"")
    });
    let items = attributes.filter_map(|rest| {
        rest.lines()
            .skip(1)
            .find(|line| !line.trim_start().starts_with("#["))
    });
    let modules = items.filter_map(|item| item.trim().strip_suffix(';')?.split("mod ").nth(1));
    modules.map(str::to_owned).collect()
}

/// The module of tests is the last thing in a file.
fn without_tests(code: &str) -> String {
    let begin = [
        "#[cfg(test)]\nmod tests {",
        "#[cfg(test)]\npub(crate) mod tests {",
    ];
    let end = begin.iter().filter_map(|begin| code.find(begin)).min();
    let code = &code[..end.unwrap_or(code.len())];
    let lines = code
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}
