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
        let (mut found, mut more) = (Vec::new(), false);
        let oldest_live_lsn = state.oldest_live_lsn();
        let mut survey = state.survey.take();
        if let Some(survey) = &mut survey {
            survey.forget_before(oldest_live_lsn);
        }
        let is_due = state.live.is_due(trim.horizon_lsn);
        if is_due && !trim.is_moving {
            survey.get_or_insert_with(|| Survey::new(trim.horizon_lsn));
        }
        if let (true, Some(survey)) = (is_due, &mut survey) {
            more = survey.look(state);
            if !more {
                found = survey.page();
                more = !found.is_empty() || survey.is_of_before(trim.horizon_lsn);
            }
            found.retain(|&survivor| lies_there(state, survivor));
        }
        // What it found and nobody asks for now is moved when it is due again.
        state.survey = survey.filter(|survey| !survey.is_over());
        Reply::Trimming(Trimming {
            oldest_live_lsn,
            more,
            found,
        })
    })
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
        Part::Envelope => here.is_some_and(|message| message.envelope() == at),
        Part::Error => here.is_some() && state.errors(message.slot).contains(&at),
        Part::Result => {
            let done = state.results.done.get(message.number);
            done.is_some_and(|done| done.result == at)
        }
    }
}
