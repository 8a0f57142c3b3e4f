//! A node dies before and after everything that reaches a disk: appends, blocks and manifests of checkpoints, purges,
//! trims. After each death the other one takes over, and nothing may be lost, doubled or out of order.

use sim::plan::{CrashPoint, Plan, Side};
use sim::{plan_of_everything, run};

/// Dies at each point once, on one side of it.
fn die_everywhere(side: Side) {
    let plan = plan_of_everything(136);
    let report = run::check(&plan).expect("nothing goes wrong");
    let there = report.operations > 300 && report.checkpoints > 10;
    let gone = report.trimmed > 100 && report.purged > 100;
    assert!(there && gone, "too little happens: {report:#?}");
    for operation in 1..=report.operations {
        let crash = Some(CrashPoint { operation, side });
        let plan = Plan {
            crash,
            ..plan.clone()
        };
        let failed = run::check_once(&plan).err();
        assert!(
            failed.is_none(),
            "{crash:?}: {}",
            failed.unwrap_or_default()
        );
    }
}

#[test]
fn a_death_before_anything_reaches_a_disk_loses_nothing() {
    die_everywhere(Side::Before);
}

#[test]
fn a_death_after_anything_reached_a_disk_loses_nothing() {
    die_everywhere(Side::After);
}
