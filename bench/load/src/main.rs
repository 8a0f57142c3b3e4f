//! Closed-loop load: `hanzo-load MODE --address host:port --connections N --seconds T ...`, one line of JSON out.
//! Modes: `noop-get`, `noop-post` (the reference route), `enqueue`, `enqueue-batch`, `drain` (receive and ack), and with
//! a number of stamped messages (`--messages`) instead of a time: `fill`, `pass` (each worker enqueues, receives, acks).
//! `--features on` gives each message a priority and a dedup id of its own.
//! `--ids FILE` writes the ids that were acknowledged, or received and acked: the ledger that makes a figure count.

mod arguments;
mod backlog;
mod body;
mod fields;
mod http;
mod ledger;
mod modes;
mod report;

use std::process::ExitCode;
use std::rc::Rc;
use std::time::Instant;

use arguments::Arguments;
use modes::Plan;
use report::Tally;

fn main() -> ExitCode {
    match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => run(&arguments),
        Err(detail) => {
            eprintln!("hanzo-load: {detail}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let started = Instant::now();
    let mut total = tokio::task::LocalSet::new().block_on(
        &runtime.expect("a runtime can be made"),
        all_connections(arguments),
    );
    let seconds = started.elapsed().as_secs_f64();
    let ids_path = arguments.text("ids", "");
    if !ids_path.is_empty() {
        std::fs::write(ids_path, total.ids.join("\n")).expect("the ids file can be written");
    }
    println!("{}", total.json(seconds));
    if total.errors == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn all_connections(arguments: &Arguments) -> Tally {
    let plan = Rc::new(Plan::new(arguments));
    let workers: Vec<_> = (0..arguments.number("connections", 8))
        .map(|number| {
            let (plan, mode) = (Rc::clone(&plan), arguments.mode.clone());
            tokio::task::spawn_local(async move { modes::work(&mode, &plan, number).await })
        })
        .collect();
    let mut total = Tally::default();
    for worker in workers {
        total.add(worker.await.expect("a worker ends"));
    }
    if let Some(ledger) = plan.ledger.as_ref().filter(|_| arguments.mode != "fill") {
        total.balance(&ledger.borrow());
    }
    total
}
