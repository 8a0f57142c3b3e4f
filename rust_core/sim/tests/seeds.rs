//! Two hundred plans that are always the same, and one that never was: nothing is wrong in any, and together they see
//! every transition that can be reached.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "a seed nobody knows comes from the clock, and is printed"
)]

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use sim::coverage::Coverage;
use sim::{plan_of, run, shrink};

const FIXED: u64 = 200;
/// Fresh ones that failed once.
const FAILED: [u64; 2] = [1_795_872_728_063_599, 1_795_975_367_546_721];

fn failure(seed: u64, coverage: &Coverage) -> Option<String> {
    let plan = plan_of(seed);
    match run::check(&plan) {
        Ok(report) => {
            coverage.add(&report.coverage);
            None
        }
        Err(failure) => {
            let (small, failure) = shrink::shrink(&plan, failure);
            Some(format!(
                "{failure}\n{:#?}\nrepeat: make sim SEED={seed}",
                small.moves
            ))
        }
    }
}

fn fixed() -> &'static (Vec<String>, Vec<String>) {
    static FOUND: OnceLock<(Vec<String>, Vec<String>)> = OnceLock::new();
    FOUND.get_or_init(|| {
        let coverage = Coverage::default();
        let failures = (0..FIXED).find_map(|seed| failure(seed, &coverage));
        let unseen = coverage
            .missed()
            .into_iter()
            .map(|missed| format!("not seen: {missed:?}"));
        let unknown = coverage
            .unknown()
            .into_iter()
            .map(|unknown| format!("not in the table: {unknown:?}"));
        (
            failures.into_iter().collect(),
            unseen.chain(unknown).collect(),
        )
    })
}

#[test]
fn fixed_seeds() {
    let failures = &fixed().0;
    assert!(failures.is_empty(), "{}", failures[0]);
}

#[test]
fn every_transition_is_seen() {
    let wrong = &fixed().1;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn seeds_that_failed_once() {
    for seed in FAILED {
        let failure = failure(seed, &Coverage::default());
        assert!(failure.is_none(), "{}", failure.unwrap_or_default());
    }
}

#[test]
fn a_new_seed() {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let seed = since.as_micros() as u64;
    println!("seed {seed}");
    let failure = failure(seed, &Coverage::default());
    assert!(failure.is_none(), "{}", failure.unwrap_or_default());
}
