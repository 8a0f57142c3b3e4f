//! Which mutant of the woven engine is on: the one that `MUTANT` names. Put beside the engine's modules by
//! `scripts/mutants`, and part of nothing else.

use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex};

const MUTANTS_MAX: usize = 1 << 16;

static ON: LazyLock<u32> = LazyLock::new(|| match std::env::var("MUTANT") {
    Ok(number) => number.parse().expect("MUTANT is a number"),
    Err(_) => 0,
});
static REACHED: [AtomicBool; MUTANTS_MAX] = [const { AtomicBool::new(false) }; MUTANTS_MAX];
static REPORT: LazyLock<Option<Mutex<File>>> =
    LazyLock::new(|| std::env::var("MUTANTS_REACHED").ok().map(|path| Mutex::new(File::create(path).unwrap())));

/// The mutant that is on, wherever it lies; 0 is none. `here` are those that the place asking has: each is written, once,
/// to the file that `MUTANTS_REACHED` names.
#[inline]
pub(crate) fn at(here: &[u32]) -> u32 {
    if let Some(report) = &*REPORT {
        for &number in here {
            if !REACHED[number as usize].swap(true, Ordering::Relaxed) {
                writeln!(report.lock().unwrap(), "{number}").unwrap();
            }
        }
    }
    *ON
}
