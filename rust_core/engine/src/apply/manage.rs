//! Applies what people do to queues and messages, beside making and settling them, and what their settings do.

use crate::record::Record;
use crate::state::State;

impl State {
    pub(super) fn manage(&mut self, record: &Record) {
        match *record {
            Record::QueuePaused { queue, paused } => self.pause(queue, paused),
            Record::QueuePurged { queue, fresh } => self.purge_queue(queue, fresh),
            Record::Retired { queue, count } => self.retire(queue, count),
            Record::Changed {
                message,
                priority,
                due_ms,
            } => self.change(message, priority, due_ms),
            Record::Deleted { message } => self.delete(message),
            Record::Lost { message, freed } => self.lose(message, freed),
            Record::Moved {
                message,
                part,
                from,
                blob_bytes,
            } => self.moved(message, part, from, blob_bytes),
            _ => unreachable!("every other record is applied elsewhere"),
        }
    }
}
