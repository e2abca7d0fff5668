//! What was used lately, within a bound.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keeps values up to a cost of all together. Two generations: what is used moves to the young one, and when that is
/// full the old one is dropped whole.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    /// Of one generation.
    budget: usize,
    generations: Mutex<Generations<K, V>>,
}

#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, Kept<V>>,
    young_cost: usize,
    old: HashMap<K, Kept<V>>,
}

#[derive(Clone, Debug)]
struct Kept<V> {
    value: V,
    cost: usize,
}

impl<K: Eq + Hash + Clone, V: Clone> Recent<K, V> {
    /// `budget`: what all values together may cost.
    pub(crate) fn new(budget: usize) -> Self {
        Recent {
            budget: budget / 2,
            generations: Mutex::new(Generations {
                young: HashMap::new(),
                young_cost: 0,
                old: HashMap::new(),
            }),
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let mut generations = self.lock();
        if let Some(kept) = generations.young.get(key) {
            return Some(kept.value.clone());
        }
        let (key, kept) = generations.old.remove_entry(key)?;
        let value = kept.value.clone();
        let dropped = generations.insert(key, kept, self.budget);
        drop(generations);
        drop(dropped);
        Some(value)
    }

    /// One that costs more than all may is not kept.
    pub(crate) fn insert(&self, key: K, value: V, cost: usize) {
        if cost > self.budget {
            return;
        }
        let mut generations = self.lock();
        generations.old.remove(&key);
        let dropped = generations.insert(key, Kept { value, cost }, self.budget);
        drop(generations);
        // Outside of the lock: it may be many.
        drop(dropped);
    }

    pub(crate) fn remove(&self, key: &K) {
        let mut generations = self.lock();
        generations.old.remove(key);
        if let Some(kept) = generations.young.remove(key) {
            generations.young_cost -= kept.cost;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generations<K, V>> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, V> Generations<K, V> {
    /// Gives what is dropped for it.
    fn insert(&mut self, key: K, kept: Kept<V>, budget: usize) -> HashMap<K, Kept<V>> {
        let mut dropped = HashMap::new();
        if self.young_cost + kept.cost > budget {
            let full = std::mem::take(&mut self.young);
            dropped = std::mem::replace(&mut self.old, full);
            self.young_cost = 0;
        }
        self.young_cost += kept.cost;
        if let Some(before) = self.young.insert(key, kept) {
            self.young_cost -= before.cost;
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_is_bounded() {
        let recent = Recent::new(1000);
        for number in 0..10_000 {
            recent.insert(number, "value", 10);
            assert!(recent.get(&0).is_some(), "after {number}");
        }
        let generations = recent.lock();
        let kept = generations.young.len() + generations.old.len();
        assert!(kept <= 100, "{kept} values kept");
        assert!(!generations.young.contains_key(&1) && !generations.old.contains_key(&1));
    }

    #[test]
    fn a_value_that_is_replaced_or_removed_costs_nothing_any_more() {
        let recent = Recent::new(1000);
        for number in 0..100 {
            recent.insert(1, number, 400);
            assert_eq!(recent.get(&1), Some(number));
        }
        recent.remove(&1);
        assert_eq!(recent.get(&1), None);
        recent.insert(2, 0, 501);
        assert_eq!(recent.get(&2), None, "it would cost more than all may");
        assert_eq!(recent.lock().young_cost, 0);
    }
}
