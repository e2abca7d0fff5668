//! A way along arrows that comes back to where it began.

use crate::Arrows;
use std::collections::BTreeMap;

/// The names along a circle, the first one again at its end.
pub fn find(arrows: &Arrows) -> Option<Vec<&str>> {
    let mut targets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in arrows {
        targets.entry(from).or_default().push(to);
    }
    let mut done = Vec::new();
    let names: Vec<&str> = targets.keys().copied().collect();
    names
        .into_iter()
        .find_map(|name| from(name, &targets, &mut Vec::new(), &mut done))
}

fn from<'a>(
    name: &'a str,
    targets: &BTreeMap<&str, Vec<&'a str>>,
    way: &mut Vec<&'a str>,
    done: &mut Vec<&'a str>,
) -> Option<Vec<&'a str>> {
    if let Some(start) = way.iter().position(|seen| *seen == name) {
        way.push(name);
        return Some(way.split_off(start));
    }
    if done.contains(&name) {
        return None;
    }
    way.push(name);
    let found = targets
        .get(name)
        .and_then(|to| to.iter().find_map(|to| from(to, targets, way, done)));
    way.pop();
    done.push(name);
    found
}
