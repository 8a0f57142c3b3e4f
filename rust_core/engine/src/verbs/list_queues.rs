//! list queues: a page of them, in order of name.

use crate::reply::Reply;
use crate::state::State;
use crate::view;

pub(super) fn run(state: &State, prefix: &str, after: Option<&str>, limit: u32) -> Reply {
    let mut rest = state.queues.after(prefix, after);
    let queues = rest
        .by_ref()
        .take(limit as usize)
        .map(view::queue)
        .collect();
    Reply::Queues {
        queues,
        more: rest.next().is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::twin::{Twin, config};

    #[test]
    fn pages_in_order_of_name() {
        let mut twin = Twin::new();
        ["c", "a", "b"].iter().for_each(|name| {
            twin.create(name, config());
        });
        let mut page = |prefix: &str, after: Option<&str>| match twin.ask(Command::ListQueues {
            prefix: prefix.into(),
            after: after.map(Into::into),
            limit: 2,
        }) {
            Reply::Queues { queues, more } => (
                queues
                    .iter()
                    .map(|queue| queue.name.to_string())
                    .collect::<String>(),
                more,
            ),
            other => panic!("{other:?}"),
        };
        assert_eq!(page("", None), ("ab".into(), true));
        assert_eq!(page("", Some("b")), ("c".into(), false));
        assert_eq!(page("", Some("aa")), ("bc".into(), false));
        assert_eq!(page("b", None), ("b".into(), false));
        assert_eq!(page("b", Some("a")), ("b".into(), false));
        assert_eq!(page("c", Some("a")), ("c".into(), false));
        assert_eq!(page("b", Some("b")), ("".into(), false));
        assert_eq!(page("a", Some("c")), ("".into(), false));
        assert_eq!(page("bb", None), ("".into(), false));
    }
}
