//! The simulator: from one seed a workload, clocks and faults; the engine, the codec and the protocol of a partition
//! run under them in simulated time, and every reply is held against a model.
//!
//! ```text
//! seed -> plan -> world: nodes (engine + model) -> network -> journal -> replies -> clients (ledger)
//! ```
//! A run is a function of its plan. What fails panics; the runner catches it, shrinks the plan and prints it.
#![forbid(unsafe_code)]

pub mod audit;
mod chain;
mod checkpoints;
mod clients;
pub mod coverage;
mod damage;
mod generate;
mod journal;
mod ledger;
mod model;
mod node;
pub mod plan;
mod protocol;
pub mod random;
pub mod run;
pub mod shrink;
mod store;
mod world;

pub use generate::{plan as plan_of, plan_of_everything};
