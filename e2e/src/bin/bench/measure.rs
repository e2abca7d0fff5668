//! Figures of one stretch of work, and medians of several.

use std::time::Instant;

use crate::servers::Server;

/// What one round of some work took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Seconds by the clock.
    pub(crate) wall: f64,
    /// Seconds of processor time, user and system, that the server's processes used.
    pub(crate) cpu: f64,
}

/// Does the work, and looks at the server before and after.
pub(crate) async fn measured<T>(
    server: &Server,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<(Sample, T)> {
    let cpu = server.process.cpu()?;
    let started = Instant::now();
    let done = work.await?;
    let wall = started.elapsed().as_secs_f64();
    let sample = Sample {
        wall,
        cpu: server.process.cpu()? - cpu,
    };
    Ok((sample, done))
}

/// Medians of what several rounds took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<Sample>);

impl Samples {
    pub(crate) fn push(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    pub(crate) fn cpu(&self) -> f64 {
        median(self.0.iter().map(|sample| sample.cpu))
    }

    pub(crate) fn wall(&self) -> f64 {
        median(self.0.iter().map(|sample| sample.wall))
    }

    /// Both medians, as a cell of the table.
    pub(crate) fn text(&self) -> String {
        format!("{:.2} s CPU, {:.2} s", self.cpu(), self.wall())
    }
}

/// The middle one; of an even number, the mean of the two in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[length / 2],
        length => f64::midpoint(values[length / 2 - 1], values[length / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 3.0, 2.0]), 2.5);
        assert!(median([]).is_nan());
    }
}
