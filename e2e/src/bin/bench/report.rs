//! The run as Markdown: on the screen, and in a page of the documentation.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

use crate::sizes::{Size, Sizes};
use crate::table::{Row, heading};

const BEGIN: &str = "<!-- figures: written by make bench -->";
const END: &str = "<!-- end of the figures -->";

/// Everything that a run has to say.
pub(crate) struct Report<'a> {
    pub(crate) machine: &'a str,
    pub(crate) sizes: &'a Sizes,
    pub(crate) size: Size,
    pub(crate) rows: &'a [Row],
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.size == Size::Small {
            writeln!(f, "At this size the figures mean nothing.\n")?;
        }
        writeln!(f, "{}\n- medians of {} rounds\n", self.machine, self.sizes.rounds)?;
        writeln!(f, "{}", heading())?;
        for row in self.rows {
            writeln!(f, "{row}")?;
        }
        Ok(())
    }
}

impl Report<'_> {
    /// Replaces the figures of a page; its words stay.
    pub(crate) fn write_into(&self, page: &Path) -> anyhow::Result<()> {
        let text = fs::read_to_string(page).with_context(|| format!("cannot read {}", page.display()))?;
        let text = replaced(&text, &self.to_string())
            .with_context(|| format!("{} has no lines {BEGIN:?} and {END:?}", page.display()))?;
        fs::write(page, text).with_context(|| format!("cannot write {}", page.display()))
    }
}

fn replaced(page: &str, figures: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!(
        "{before}{BEGIN}\n\n{}\n\n{END}{after}",
        figures.trim_end()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_replaced_and_words_stay() {
        let page = format!("# Figures\n\n{BEGIN}\nold\n{END}\n\nWords.\n");
        let once = replaced(&page, "new\n").unwrap();
        assert_eq!(once, format!("# Figures\n\n{BEGIN}\n\nnew\n\n{END}\n\nWords.\n"));
        assert_eq!(replaced(&once, "new").unwrap(), once);
        assert_eq!(replaced("no marks", "new"), None);
    }
}
