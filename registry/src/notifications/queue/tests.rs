//! A queue in a folder: in order, across restarts, bounded.

use super::*;

const SMALL: Limits = Limits {
    segment: 10,
    segments: 3,
};

fn take(queue: &mut Queue) -> Option<String> {
    let next = queue.next().unwrap()?;
    queue.done(&next).unwrap();
    Some(String::from_utf8(next.line).unwrap())
}

fn lines(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("{number:04}\n")).collect()
}

#[test]
fn what_goes_in_comes_out_in_order_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut queue = Queue::open(
        folder.path(),
        Limits {
            segments: 100,
            ..SMALL
        },
    )
    .unwrap();
    assert_eq!(queue.add(&lines(0..25)).unwrap(), 0);
    assert_eq!(queue.len(), 25);
    let taken: Vec<_> = std::iter::from_fn(|| take(&mut queue)).collect();
    assert_eq!(taken, lines(0..25));
    assert_eq!(queue.len(), 0);
    queue.add(&lines(25..26)).unwrap();
    assert_eq!(take(&mut queue).as_deref(), Some("0025\n"));
    assert_eq!(queue.next().unwrap(), None);
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, [PLACE], "the files are gone with what was in them");
}

#[test]
fn it_goes_on_where_it_was_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    for taken in 0..25 {
        let mut queue = Queue::open(
            folder.path(),
            Limits {
                segments: 100,
                ..SMALL
            },
        )
        .unwrap();
        if taken == 0 {
            queue.add(&lines(0..24)).unwrap();
        }
        assert_eq!(queue.len(), 24 - taken.min(24) as u64);
        assert_eq!(take(&mut queue), lines(0..24).get(taken).cloned());
    }
}

#[test]
fn what_was_taken_but_not_done_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut queue = Queue::open(folder.path(), SMALL).unwrap();
    queue.add(&lines(0..2)).unwrap();
    let first = queue.next().unwrap();
    assert_eq!(queue.next().unwrap(), first);
    assert_eq!(Queue::open(folder.path(), SMALL).unwrap().next().unwrap(), first);
}

#[test]
fn a_line_that_was_never_finished_is_no_event() {
    let folder = tempfile::tempdir().unwrap();
    Queue::open(folder.path(), SMALL)
        .unwrap()
        .add(&lines(0..1))
        .unwrap();
    let path = folder.path().join(format!("{:020}", 0));
    OpenOptions::new()
        .append(true)
        .open(path)
        .unwrap()
        .write_all(b"{\"half")
        .unwrap();
    let mut queue = Queue::open(folder.path(), SMALL).unwrap();
    queue.add(&lines(1..2)).unwrap();
    assert_eq!(queue.len(), 2);
    assert_eq!(
        std::iter::from_fn(|| take(&mut queue)).collect::<Vec<_>>(),
        lines(0..2)
    );
}

#[test]
fn the_oldest_go_when_there_are_too_many_and_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut queue = Queue::open(folder.path(), SMALL).unwrap();
    queue.add(&lines(0..1)).unwrap();
    let on_its_way = queue.next().unwrap().unwrap();
    let lost = queue.add(&lines(1..20)).unwrap();
    assert_eq!(lost + queue.len(), 20);
    assert!(queue.len() <= 6, "three files of two lines, {} wait", queue.len());
    queue.done(&on_its_way).unwrap();
    let kept: Vec<_> = std::iter::from_fn(|| take(&mut queue)).collect();
    assert_eq!(
        kept,
        lines(usize::try_from(lost).unwrap()..20),
        "the newest, all of them"
    );
}

#[test]
fn a_file_is_taken_over_whole_from_where_it_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let mut queue = Queue::open(
        folder.path(),
        Limits {
            segments: 100,
            ..SMALL
        },
    )
    .unwrap();
    queue.add(&lines(0..5)).unwrap();
    take(&mut queue);
    let mut taken = Vec::new();
    while let Some(file) = queue.first_file().unwrap() {
        taken.extend(file);
        queue.drop_first().unwrap();
    }
    assert_eq!(taken.concat(), lines(1..5).concat().into_bytes());
    assert_eq!(queue.len(), 0);
}
