//! list sweeps: a page of those under way and those that ended lately, the latest first.

use super::get_sweep::is_kept;
use crate::reply::Reply;
use crate::state::State;

pub(super) fn run(
    state: &State,
    now_ms: u64,
    before: Option<u64>,
    limit: u32,
    kept_ms: u64,
) -> Reply {
    let earlier = state.sweeps.before(before.unwrap_or(u64::MAX));
    let mut kept = earlier.filter(|sweep| is_kept(sweep, now_ms, kept_ms));
    let page = kept.by_ref().take(limit as usize);
    let sweeps = page.map(|sweep| sweep.view()).collect();
    Reply::Sweeps {
        sweeps,
        more: kept.next().is_some(),
    }
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::reply::Reply;
    use crate::twin::Twin;
    use crate::twin::sweeps::{letters, redrive};

    fn page(twin: &mut Twin, before: Option<u64>) -> (Vec<u64>, bool) {
        let list = Command::ListSweeps {
            before,
            limit: 2,
            kept_ms: 1000,
        };
        match twin.ask(list) {
            Reply::Sweeps { sweeps, more } => {
                (sweeps.iter().map(|sweep| sweep.number).collect(), more)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn pages_go_back_to_those_that_ended_long_ago() {
        let mut twin = letters(0);
        twin.sweep("q", redrive());
        twin.wait(1001);
        for _ in 0..2 {
            twin.sweep("q", redrive());
        }
        twin.start_sweep("letters", redrive());
        assert_eq!(page(&mut twin, None), (vec![4, 3], true));
        assert_eq!(page(&mut twin, Some(3)), (vec![2], false));
        twin.wait(1001);
        assert_eq!(page(&mut twin, None), (vec![4], false));
    }
}
