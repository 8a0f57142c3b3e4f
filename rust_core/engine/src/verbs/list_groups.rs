//! list groups: a queue's consumer groups. There are few, so they come all at once.

use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::state::State;
use crate::view;

pub(super) fn run(state: &State, queue: &str) -> Result<Reply, Rejection> {
    let source = state.queues.named(queue)?;
    let groups = state.queues.groups_of(source);
    let shown = groups.map(|group| view::group(state, group));
    Ok(Reply::Groups(shown.collect()))
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::rejection::Rejection;
    use crate::reply::Reply;
    use crate::twin::{Twin, config};

    #[test]
    fn all_groups_of_a_queue_come_the_default_one_first() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.create("another", config());
        twin.create_group("another", "theirs");
        twin.create_group("q", "b");
        twin.create_group("q", "a");
        let mut list = |queue: &str| {
            twin.ask(Command::ListGroups {
                queue: queue.into(),
            })
        };
        let Reply::Groups(groups) = list("q") else {
            panic!("not listed")
        };
        let names: Vec<&str> = groups.iter().map(|group| &*group.name).collect();
        assert_eq!(names, ["default", "b", "a"]);
        assert_eq!(
            list("none"),
            Reply::Rejected(Rejection::QueueNotFound {
                queue: "none".into()
            })
        );
    }
}
