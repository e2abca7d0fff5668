//! The benchmark works, from the first row to the last. What it measures is for `make bench` to say.

use std::process::Command;

use roadstead_e2e::{Finished, checkout};

#[test]
fn the_benchmark_measures_every_row_at_a_small_size() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roadstead-bench"));
    command.current_dir(checkout()).args(["--size", "small"]);
    if let Some(server) = std::env::var_os("ROADSTEAD_REGISTRY_BIN") {
        command.arg("--server").arg(server);
    }
    let printed = Finished::run(&mut command, "").ok();
    let (_, table) = printed
        .split_once("| work |")
        .unwrap_or_else(|| panic!("no table in {printed}"));
    let rows: Vec<&str> = table
        .lines()
        .skip(2)
        .filter(|line| line.starts_with('|'))
        .collect();
    let announced = printed.lines().filter(|line| line.starts_with("== ")).count();
    // The large volume gives two, and what memory all of it took was not announced.
    assert_eq!(rows.len(), announced + 2, "{printed}");
    for row in rows {
        assert!(
            row.contains("met") || row.contains("missed"),
            "no verdict in {row}"
        );
    }
}
