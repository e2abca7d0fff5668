//! A histogram that takes no lock: whoever answers requests must not wait for one another to count them.

use std::fmt::Error;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::{MetricEncoder, NoLabelSet};

/// How many values were up to each bound, and what they are together.
#[derive(Debug)]
pub(super) struct Histogram {
    bounds: &'static [f64],
    /// Of the values above the bound before; the last are above all bounds.
    counts: Box<[AtomicU64]>,
    /// The bits of a float.
    sum: AtomicU64,
}

impl Histogram {
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        Histogram {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0f64.to_bits()),
        }
    }

    pub(super) fn observe(&self, value: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        let add = |sum| Some((f64::from_bits(sum) + value).to_bits());
        // It never fails: the closure always gives something.
        let _ = self.sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
}

/// Some histograms with the same bounds, taken together.
#[derive(Debug)]
pub(super) struct Sum {
    bounds: &'static [f64],
    counts: Vec<u64>,
    sum: f64,
}

impl Sum {
    /// None of no histograms.
    pub(super) fn of<'a>(histograms: impl Iterator<Item = &'a Histogram>) -> Option<Self> {
        histograms.fold(None, |before: Option<Sum>, histogram| {
            let mut sum = before.unwrap_or_else(|| Sum {
                bounds: histogram.bounds,
                counts: vec![0; histogram.counts.len()],
                sum: 0.0,
            });
            for (total, count) in sum.counts.iter_mut().zip(&histogram.counts) {
                *total += count.load(Ordering::Relaxed);
            }
            sum.sum += f64::from_bits(histogram.sum.load(Ordering::Relaxed));
            Some(sum)
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    /// With only these of its bounds.
    pub(super) fn encode(&self, mut encoder: MetricEncoder<'_>, bounds: &[f64]) -> Result<(), Error> {
        let mut buckets: Vec<_> = bounds.iter().map(|bound| (*bound, 0)).collect();
        buckets.push((f64::INFINITY, 0));
        for (index, count) in self.counts.iter().enumerate() {
            let up_to = self.bounds.get(index).copied().unwrap_or(f64::INFINITY);
            if let Some((_, total)) = buckets.iter_mut().find(|(bound, _)| *bound >= up_to) {
                *total += count;
            }
        }
        let count = self.counts.iter().sum();
        encoder.encode_histogram::<NoLabelSet>(self.sum, count, &buckets, None)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::DescriptorEncoder;
    use prometheus_client::metrics::MetricType;
    use prometheus_client::registry::Registry;

    use super::*;

    #[derive(Debug)]
    struct Shown(Sum);

    impl Collector for Shown {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
            self.0.encode(
                encoder.encode_descriptor("a", "Some", None, MetricType::Histogram)?,
                &[1.0, 4.0],
            )
        }
    }

    #[test]
    fn values_are_counted_up_to_each_bound_that_is_asked_for() {
        let (one, other) = (Histogram::new(&[1.0, 2.0, 4.0]), Histogram::new(&[1.0, 2.0, 4.0]));
        for value in [0.5, 1.0, 1.5, 5.0] {
            one.observe(value);
        }
        other.observe(3.0);
        let mut registry = Registry::default();
        let sum = Sum::of([&one, &other].into_iter()).unwrap();
        registry.register_collector(Box::new(Shown(sum)));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert_eq!(
            text,
            "# HELP a Some\n# TYPE a histogram\na_sum 11.0\na_count 5\na_bucket{le=\"1.0\"} 2\na_bucket{le=\"4.0\"} 4\n\
             a_bucket{le=\"+Inf\"} 5\n# EOF\n"
        );
    }
}
