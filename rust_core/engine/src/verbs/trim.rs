//! trim: says where the journal may begin, and which blobs must be moved so that it may begin later; then moves them.
//! What is moved is decided on the state at that time: what is gone, or was moved meanwhile, is passed over.

use crate::batch::Batch;
use crate::command::{Move, Trim};
use crate::ids::Part;
use crate::record::Record;
use crate::reply::{Reply, Survivor, Trimming};
use crate::state::State;
use crate::survey::Survey;

/// Where the journal may begin is told of what was recorded before; the reply leaves when that is durable.
pub(super) fn run(batch: &mut Batch, trim: Trim) -> Reply {
    batch.change_volatile(|state| {
        state.live.kept(trim.first_lsn, trim.journal_bytes);
        let survey = state
            .survey
            .take()
            .or_else(|| begin(state, trim.horizon_lsn));
        let (mut found, mut more) = (Vec::new(), false);
        if let Some(mut survey) = survey {
            more = survey.look(state);
            if !more {
                found = survey.page();
            }
            if more || !found.is_empty() {
                state.survey = Some(survey);
            }
        }
        Reply::Trimming(Trimming {
            oldest_live_lsn: state.oldest_live_lsn(),
            live_bytes: state.live.live_bytes(),
            more,
            found,
        })
    })
}

/// Everything up to the horizon is looked for when it is worth moving.
fn begin(state: &State, horizon_lsn: u64) -> Option<Survey> {
    let extent = state.live.until(horizon_lsn);
    let worth = extent.is_worth_moving(state.live.range_bytes());
    worth.then(|| Survey::new(horizon_lsn))
}

pub(super) fn move_all(batch: &mut Batch, moves: Vec<Move>) -> Reply {
    let mut count = 0;
    for Move { survivor, blob } in moves {
        let Survivor { message, part, at } = survivor;
        if lies_there(batch.state(), survivor) {
            batch.carry(blob);
            batch.commit(Record::Moved {
                message,
                part,
                from: at,
                blob_bytes: blob.length,
            });
            count += 1;
        }
    }
    Reply::Moved { count }
}

fn lies_there(state: &State, survivor: Survivor) -> bool {
    let Survivor { message, part, at } = survivor;
    let here = state.messages.find(message);
    match part {
        Part::Envelope => here.is_some_and(|message| message.envelope == at),
        Part::Error => here.is_some() && state.errors(message.slot).contains(&at),
        Part::Result => {
            let done = state.results.done.get(message.number);
            done.is_some_and(|done| done.result == at)
        }
    }
}
