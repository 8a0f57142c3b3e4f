//! What a command weighs: a step takes no more of them than it has time for.

use super::*;
use crate::twin::{lease, message, nack, peek, receive};

const MESSAGE: MessageId = MessageId { number: 1, slot: 0 };

fn complete(follow_ups: usize) -> Complete {
    let follow_up = FollowUp {
        queue: "q".into(),
        message: message(),
    };
    Complete {
        lease: lease(MESSAGE, 1),
        result: None,
        enqueue: vec![follow_up; follow_ups],
    }
}

#[test]
fn a_command_weighs_what_it_touches_and_brings_what_it_enqueues() {
    let settle = Command::Settle {
        queue: "q".into(),
        acks: vec![complete(2), complete(0)],
        nacks: vec![nack(lease(MESSAGE, 1)); 3],
        extends: vec![
            Extend {
                lease: lease(MESSAGE, 1),
                visibility_timeout_ms: None,
            };
            5
        ],
        releases: vec![
            Release {
                lease: lease(MESSAGE, 1),
                delay_ms: None,
            };
            7
        ],
    };
    let enqueue = Command::Enqueue {
        queue: "q".into(),
        messages: vec![message(); 3],
        atomic: false,
    };
    let step_sweep = Command::StepSweep {
        sweep: 1,
        choice: None,
    };
    let peek_at = |filter| {
        let mut command = peek("q", PeekState::Dead, None, 7);
        if let Command::Peek { filter: of, .. } = &mut command {
            *of = filter;
        }
        command
    };
    let by_key = PeekFilter {
        fairness_key: Some(1),
        ..PeekFilter::default()
    };
    for (command, touched, brought) in [
        (peek_at(PeekFilter::default()), 7, 0),
        (peek_at(by_key), PeekFilter::LOOKED_AT_MAX, 0),
        (enqueue, 3, 3),
        (receive("q", 7), 7, 0),
        (settle, 3 + 1 + 3 + 5 + 7, 2),
        (Command::Complete(Box::new(complete(2))), 3, 2),
        (Command::GetQueue { name: "q".into() }, 1, 0),
        (step_sweep, 400, 0),
    ] {
        let weighed = (command.messages_max(), command.messages_brought());
        assert_eq!(weighed, (touched, brought), "{command:?}");
    }
}
