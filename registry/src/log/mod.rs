//! Log lines, as registry:2 writes them: `time="…" level=info msg="…" name=value`, or the same as JSON.
//!
//! It knows nothing of what is logged; that no secret is logged is for those who log.

pub mod combined;
mod fields;
mod line;
mod settings;
mod sparingly;
mod writer;

use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use self::line::Line;
pub use self::settings::{Format, Settings};
pub use self::sparingly::Sparingly;
use self::writer::Writer;

/// Writes what is left when it is dropped.
#[must_use = "lines are written by a thread of its own, which needs the time"]
pub struct Guard(Arc<Writer>);

impl Guard {
    /// Writes lines of another format between those of the log.
    pub fn lines(&self) -> impl Fn(String) + Send + Sync + 'static {
        let writer = Arc::clone(&self.0);
        move |line| writer.write(line)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// From here on everything goes to standard output in this format.
pub fn start(settings: &Settings) -> Guard {
    let writer = Writer::start(std::io::stdout());
    let lines = Lines {
        format: settings.format,
        level: settings.level,
        ending: fields::ending(settings.format, &settings.fields),
        writer: Arc::clone(&writer),
    };
    // A second start, in a test, keeps the first.
    let _ = tracing_subscriber::registry().with(lines).try_init();
    std::panic::set_hook(Box::new(
        |info| tracing::error!(panic = %info, "the program has a mistake: please report it"),
    ));
    Guard(writer)
}

struct Lines {
    format: Format,
    level: Level,
    /// What every line ends with.
    ending: String,
    writer: Arc<Writer>,
}

impl Lines {
    /// Libraries speak only when something is wrong: their details are of no use to an operator.
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let ours = metadata.target().starts_with("roadstead");
        *metadata.level() <= self.level && (ours || *metadata.level() <= Level::WARN)
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::from_level(self.level))
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::begin(self.format, event.metadata().level(), jiff::Timestamp::now());
        event.record(&mut line);
        self.writer.write(line.end(&self.ending));
    }
}
