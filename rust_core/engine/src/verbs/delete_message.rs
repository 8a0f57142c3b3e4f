//! delete message: a message that nobody holds is gone for good, in every consumer group. The next of its ordering key takes over, and its dedup
//! id stays taken as long as its window lasts.

use super::lease;
use crate::batch::Batch;
use crate::ids::MessageId;
use crate::record::Record;
use crate::rejection::Rejection;
use crate::reply::Reply;

pub(super) fn run(batch: &mut Batch, id: MessageId) -> Result<Reply, Rejection> {
    for message in lease::free(batch.state(), id)? {
        batch.commit(Record::Deleted { message });
    }
    Ok(Reply::MessageDeleted)
}

#[cfg(test)]
mod tests {
    use crate::command::{Command, NewMessage};
    use crate::ids::MessageId;
    use crate::rejection::Rejection;
    use crate::reply::{Nacked, Reply, State};
    use crate::twin::{SECOND, Twin, config, message, with_dedup};

    fn delete(message: MessageId) -> Command {
        Command::DeleteMessage { message }
    }

    fn twin() -> Twin {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin
    }

    #[test]
    fn a_message_of_any_state_goes_once_but_none_that_somebody_holds() {
        let mut twin = twin();
        let config = crate::config::QueueConfig {
            max_retries: 0,
            ..config()
        };
        twin.create("fragile", config);
        let dead = twin.enqueue("fragile", message()).message;
        let lease = twin.receive("fragile", 1)[0].lease;
        let leased = Reply::Rejected(Rejection::MessageLeased);
        assert_eq!(twin.ask(delete(dead)), leased);
        assert_eq!(twin.nack(lease, None), Nacked::Dead);
        let late = NewMessage {
            delay_ms: Some(SECOND),
            ..message()
        };
        let ids = [with_dedup(7, 1), late].map(|new| twin.enqueue("q", new).message);
        for id in [dead, ids[0], ids[1]] {
            assert_eq!(twin.ask(delete(id)), Reply::MessageDeleted);
            let gone = Reply::Rejected(Rejection::MessageNotFound);
            assert_eq!(twin.ask(delete(id)), gone);
        }
        assert_eq!(twin.live.message_count(), 0);
        let [hides, _] = [(); 2].map(|()| twin.enqueue("q", message()).message);
        let step = twin.step(vec![delete(hides)]);
        assert_eq!(step.woken, [("q".into(), 1)], "it may have hidden another");
        assert!(twin.enqueue("q", with_dedup(7, 1)).duplicate);
    }

    #[test]
    fn a_key_s_next_takes_over_when_its_head_is_deleted() {
        let mut twin = twin();
        let keyed = NewMessage {
            ordering_key: Some(1),
            ..message()
        };
        let ids = [(); 4].map(|()| twin.enqueue("q", keyed.clone()).message);
        twin.ask(delete(ids[1]));
        assert_eq!(twin.message(ids[2]).state, State::Blocked);
        let step = twin.step(vec![delete(ids[0])]);
        assert_eq!(step.woken, [("q".into(), 1)]);
        assert_eq!(twin.receive("q", 9)[0].lease.message, ids[2]);
        assert_eq!(twin.message(ids[3]).state, State::Blocked);
    }
}
