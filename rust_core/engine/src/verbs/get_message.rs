//! get message: what is known of one message, wherever it is, or of its result when it is done and one is kept.

use crate::ids::MessageId;
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::state::State;
use crate::view;

pub(super) fn run(state: &State, now_ms: u64, id: MessageId) -> Result<Reply, Rejection> {
    if let Some(slot) = state.known(id) {
        return Ok(Reply::Message(view::message(state, slot).into()));
    }
    let done = view::done(state, id, now_ms);
    done.map(Reply::Done).ok_or(Rejection::MessageNotFound)
}

#[cfg(test)]
mod tests {
    use crate::command::NewMessage;
    use crate::config::{Backoff, QueueConfig};
    use crate::reply::Nacked;
    use crate::twin::{SECOND, Twin, config, message};

    #[test]
    fn retries_of_its_own_are_shown_where_they_hold_and_where_they_rest() {
        let mut twin = Twin::new();
        let dead_letter_queue = Some("letters".into());
        twin.create(
            "q",
            QueueConfig {
                dead_letter_queue,
                ..config()
            },
        );
        let own = (Some(0), Some(Backoff::DEFAULT));
        let id = twin.enqueue(
            "q",
            NewMessage {
                max_retries: own.0,
                backoff: own.1,
                ..message()
            },
        );
        let shown = |twin: &mut Twin, id| {
            let view = twin.message(id);
            (view.max_retries, view.backoff)
        };
        assert_eq!(shown(&mut twin, id.message), own);
        let lease = twin.receive("q", 1)[0].lease;
        let Nacked::DeadLettered { message: letter } = twin.nack(lease, None) else {
            panic!("it has no retries")
        };
        assert_eq!(shown(&mut twin, letter), own);
        let plain = twin.enqueue("q", message()).message;
        assert_eq!(shown(&mut twin, plain), (None, None));
    }

    #[test]
    fn a_leased_one_shows_when_its_lease_ends_and_another_since_when_it_waits() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let began_ms = twin.now_ms;
        let expires = NewMessage {
            ttl_ms: Some(9 * SECOND),
            ..message()
        };
        let id = twin.enqueue("q", expires).message;
        twin.wait(SECOND);
        assert_eq!(twin.message(id).at_ms, began_ms);
        assert_eq!(twin.receive("q", 1).len(), 1);
        assert_eq!(twin.message(id).at_ms, began_ms + 31 * SECOND);
    }
}
