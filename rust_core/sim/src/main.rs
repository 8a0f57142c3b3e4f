//! Runs the simulator: `sim SECONDS` with fresh seeds, or `sim --seed N` to repeat one, shrink it and show it.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "the runner talks to people and looks at the clock"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sim::plan::Plan;
use sim::{coverage::Coverage, plan_of, run, shrink};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--seed", seed] => match seed.parse() {
            Ok(seed) => repeat(seed),
            Err(_) => usage(),
        },
        [seconds] => match seconds.parse() {
            Ok(seconds) => explore(seconds),
            Err(_) => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: sim SECONDS | sim --seed NUMBER");
    ExitCode::from(2)
}

fn repeat(seed: u64) -> ExitCode {
    let plan = plan_of(seed);
    match run::check(&plan) {
        Ok(report) => {
            println!("seed {seed}: nothing is wrong. {report:#?}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            show(&plan, failure);
            ExitCode::FAILURE
        }
    }
}

fn explore(seconds: u64) -> ExitCode {
    let first = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as u64);
    let began = Instant::now();
    let (mut plans, mut steps, mut hours, mut passed_over, mut epochs) = (0_u64, 0, 0, 0, 0);
    let coverage = Coverage::default();
    for seed in first.. {
        if began.elapsed() >= Duration::from_secs(seconds) {
            break;
        }
        let plan = plan_of(seed);
        match run::check(&plan) {
            Ok(report) => {
                plans += 1;
                steps += report.steps;
                hours += 2 * report.simulated_ms / 3_600_000;
                passed_over += report.passed_over;
                epochs += report.epochs;
                coverage.add(&report.coverage);
            }
            Err(failure) => {
                println!("plan {} from seed {first}:", plans + 1);
                show(&plan, failure);
                return ExitCode::FAILURE;
            }
        }
    }
    println!(
        "{plans} plans from seed {first}, each twice: {steps} steps, {epochs} ownerships, {passed_over} batches \
         passed over, {hours} simulated hours in {seconds} s; transitions not seen: {:?}",
        coverage.missed()
    );
    let unknown = coverage.unknown();
    if !unknown.is_empty() {
        println!("transitions that the table says can't be reached: {unknown:?}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The small plan, what it says, and how to repeat it.
fn show(plan: &Plan, failure: String) {
    println!("seed {} fails: {failure}", plan.seed);
    let (small, failure) = shrink::shrink(plan, failure);
    println!(
        "still fails with {} of {} moves:",
        small.moves.len(),
        plan.moves.len()
    );
    small
        .moves
        .iter()
        .for_each(|next| println!("  after {} ms {:?}", next.wait_ms, next.action));
    println!("{failure}\nrepeat: make sim SEED={}", plan.seed);
}
