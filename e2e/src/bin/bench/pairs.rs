//! Two of our programs, measured in turns: `--baseline PROGRAM`.
//!
//! A machine that others use too is slower in one minute than in the next, so each pair is measured at once, the two in
//! the other order each time (A B, B A, …), and what counts is the median of the pairs' ratios of the servers' CPU.

use std::fmt;
use std::path::Path;

use crate::bench::Registries;
use crate::measure::median;
use crate::rows::RowName;
use crate::servers::Server;
use crate::sizes::Sizes;
use crate::table::ROADSTEAD;

/// A program's server. It ends before its folder goes.
struct Side {
    server: Server,
    _registries: Registries,
}

/// What the pairs of one figure came to.
pub(crate) struct Outcome {
    figure: &'static str,
    /// The baseline's cost and the other's, of each pair.
    pairs: Vec<(f64, f64)>,
}

impl Outcome {
    fn ratios(&self) -> impl Iterator<Item = f64> {
        self.pairs.iter().map(|(baseline, other)| other / baseline)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = self
            .ratios()
            .fold((f64::INFINITY, 0.0), |(least, most): (f64, f64), ratio| {
                (least.min(ratio), most.max(ratio))
            });
        write!(
            f,
            "| {} | {:.3} | {:.3} | {:.3}× ({least:.3}–{most:.3}, {} pairs) |",
            self.figure,
            median(self.pairs.iter().map(|(baseline, _)| *baseline)),
            median(self.pairs.iter().map(|(_, other)| *other)),
            median(self.ratios()),
            self.pairs.len()
        )
    }
}

/// The lines above the outcomes.
pub(crate) fn heading() -> &'static str {
    "| CPU of | baseline | this | ratio |\n|---|---|---|---|"
}

/// Measures one row on both programs, in so many pairs.
pub(crate) async fn compare(
    row: RowName,
    [baseline, other]: [&Path; 2],
    folder: &Path,
    sizes: &Sizes,
    pairs: usize,
) -> anyhow::Result<Vec<Outcome>> {
    let baseline = start(baseline, folder).await?;
    let other = start(other, folder).await?;
    let mut outcomes: Vec<Outcome> = Vec::new();
    // The first pair warms up.
    for pair in 0..=pairs {
        let (before, after) = match pair % 2 {
            0 => {
                let before = row.costs(&baseline.server, sizes).await?;
                (before, row.costs(&other.server, sizes).await?)
            }
            _ => {
                let after = row.costs(&other.server, sizes).await?;
                (row.costs(&baseline.server, sizes).await?, after)
            }
        };
        for (number, ((figure, before), (_, after))) in before.into_iter().zip(after).enumerate() {
            if outcomes.len() <= number {
                outcomes.push(Outcome {
                    figure,
                    pairs: Vec::new(),
                });
            } else {
                outcomes[number].pairs.push((before, after));
            }
        }
    }
    Ok(outcomes)
}

async fn start(program: &Path, folder: &Path) -> anyhow::Result<Side> {
    let registries = Registries::new(program, folder)?;
    let data = registries.setting.make_folder("roadstead/data")?;
    let (server, _) = registries.start(ROADSTEAD, &data).await?;
    Ok(Side {
        server,
        _registries: registries,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_median_of_the_pairs_and_not_the_ratio_of_the_medians() {
        let outcome = Outcome {
            figure: "push",
            pairs: vec![(1.0, 0.9), (2.0, 1.0), (1.5, 1.5)],
        };
        assert_eq!(
            outcome.to_string(),
            "| push | 1.500 | 1.000 | 0.900× (0.500–1.000, 3 pairs) |"
        );
    }
}
