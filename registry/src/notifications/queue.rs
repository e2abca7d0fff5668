//! What waits to be sent to one endpoint, on disk: lines in numbered files, and how far they were sent.
//!
//! Nothing is flushed: what was written survives the end of the process, by `kill -9` as well; a power cut may take
//! the last seconds. What was sent may be sent again after a crash, and is never left out.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// How much a queue may hold. An endpoint that is away for longer loses the oldest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// A file of this size is full.
    pub(super) segment: u64,
    pub(super) segments: usize,
}

impl Limits {
    /// Some tens of thousands of events.
    pub(super) const USUAL: Limits = Limits {
        segment: 1 << 20,
        segments: 64,
    };
}

#[derive(Debug)]
struct Segment {
    number: u64,
    bytes: u64,
    events: u64,
}

/// The oldest event, and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Next {
    segment: u64,
    offset: u64,
    pub(super) line: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Queue {
    folder: PathBuf,
    limits: Limits,
    /// The first is being sent, the last is being written; it may be the same.
    segments: VecDeque<Segment>,
    tail: Option<File>,
    /// What of the first segment was sent.
    offset: u64,
    sent: u64,
    number: u64,
}

/// Where the file says how far the first segment was sent.
const PLACE: &str = "sent";

impl Queue {
    /// Takes up what is in the folder, which is made if it is not there.
    pub(super) fn open(folder: &Path, limits: Limits) -> io::Result<Self> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            numbers.extend(
                entry?
                    .file_name()
                    .to_str()
                    .and_then(|name| name.parse::<u64>().ok()),
            );
        }
        numbers.sort_unstable();
        let mut queue = Queue {
            folder: folder.to_owned(),
            limits,
            segments: VecDeque::new(),
            tail: None,
            offset: 0,
            sent: 0,
            number: numbers.last().map_or(0, |last| last + 1),
        };
        for number in numbers {
            let segment = measure(&queue.path(number), number)?;
            queue.segments.push_back(segment);
        }
        queue.find_place()?;
        Ok(queue)
    }

    /// How many events wait.
    pub(super) fn len(&self) -> u64 {
        self.segments.iter().map(|segment| segment.events).sum::<u64>() - self.sent
    }

    /// Adds lines, each with its end. Gives how many old ones had to go for them.
    pub(super) fn add(&mut self, lines: &[impl AsRef<[u8]>]) -> io::Result<u64> {
        let mut lost = 0;
        for line in lines {
            self.add_line(line.as_ref())?;
            while self.segments.len() > self.limits.segments {
                lost += self.segments[0].events - self.sent;
                self.drop_first()?;
            }
        }
        Ok(lost)
    }

    fn add_line(&mut self, line: &[u8]) -> io::Result<()> {
        let full = self
            .segments
            .back()
            .is_none_or(|last| last.bytes >= self.limits.segment);
        if full || self.tail.is_none() {
            let path = self.path(self.number);
            let file = OpenOptions::new()
                .append(true)
                .create_new(true)
                .mode(0o600)
                .open(path)?;
            self.tail = Some(file);
            self.segments.push_back(Segment {
                number: self.number,
                bytes: 0,
                events: 0,
            });
            self.number += 1;
        }
        let (Some(tail), Some(last)) = (&mut self.tail, self.segments.back_mut()) else {
            return Err(io::Error::other("a segment was made just now"));
        };
        if let Err(error) = tail.write_all(line) {
            // A part of a line would spoil the next one.
            tail.set_len(last.bytes)?;
            return Err(error);
        }
        last.bytes += line.len() as u64;
        last.events += 1;
        Ok(())
    }

    /// The oldest that waits.
    pub(super) fn next(&mut self) -> io::Result<Option<Next>> {
        while let Some(first) = self.segments.front() {
            if self.offset < first.bytes {
                let mut file = BufReader::new(File::open(self.path(first.number))?);
                file.seek(SeekFrom::Start(self.offset))?;
                let mut line = Vec::new();
                file.take(first.bytes - self.offset)
                    .read_until(b'\n', &mut line)?;
                let (segment, offset) = (first.number, self.offset);
                return Ok(Some(Next {
                    segment,
                    offset,
                    line,
                }));
            }
            self.drop_first()?;
        }
        Ok(None)
    }

    /// It was sent.
    pub(super) fn done(&mut self, next: &Next) -> io::Result<()> {
        let first = self.segments.front().map(|first| first.number);
        // It may be gone already: too much came after it.
        if first != Some(next.segment) || self.offset != next.offset {
            return Ok(());
        }
        self.offset += next.line.len() as u64;
        self.sent += 1;
        self.write_place(next.segment)
    }

    /// All that waits in the oldest file, in order; [`Self::drop_first`] when it has gone elsewhere.
    pub(super) fn first_file(&mut self) -> io::Result<Option<Vec<Vec<u8>>>> {
        if self.next()?.is_none() {
            return Ok(None);
        }
        let Some(first) = self.segments.front() else {
            return Ok(None);
        };
        let mut file = File::open(self.path(first.number))?;
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = Vec::new();
        file.take(first.bytes - self.offset).read_to_end(&mut bytes)?;
        Ok(Some(
            bytes
                .split_inclusive(|byte| *byte == b'\n')
                .map(<[u8]>::to_vec)
                .collect(),
        ))
    }

    pub(super) fn drop_first(&mut self) -> io::Result<()> {
        let Some(first) = self.segments.pop_front() else {
            return Ok(());
        };
        (self.offset, self.sent) = (0, 0);
        if self.segments.is_empty() {
            self.tail = None;
        }
        std::fs::remove_file(self.path(first.number))
    }

    /// One write of a fixed length: it is there, or it is not.
    fn write_place(&self, segment: u64) -> io::Result<()> {
        let place = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.folder.join(PLACE))?;
        place.write_all_at(format!("{segment:020} {:020}\n", self.offset).as_bytes(), 0)
    }

    fn find_place(&mut self) -> io::Result<()> {
        let text = match std::fs::read_to_string(self.folder.join(PLACE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut numbers = text.split_ascii_whitespace().map(str::parse::<u64>);
        let (Some(Ok(number)), Some(Ok(offset))) = (numbers.next(), numbers.next()) else {
            return Ok(());
        };
        let Some(first) = self.segments.front().filter(|first| first.number == number) else {
            return Ok(());
        };
        let offset = offset.min(first.bytes);
        let mut sent = 0;
        let file = BufReader::new(File::open(self.path(number))?.take(offset));
        for line in file.split(b'\n') {
            line?;
            sent += 1;
        }
        (self.offset, self.sent) = (offset, sent);
        Ok(())
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:020}"))
    }
}

/// What a file holds, without a last line that was never finished.
fn measure(path: &Path, number: u64) -> io::Result<Segment> {
    let mut file = BufReader::new(OpenOptions::new().read(true).write(true).open(path)?);
    let (mut bytes, mut events) = (0, 0);
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
        bytes += line.len() as u64;
        events += 1;
        line.clear();
    }
    file.into_inner().set_len(bytes)?;
    Ok(Segment {
        number,
        bytes,
        events,
    })
}

#[cfg(test)]
mod tests;
