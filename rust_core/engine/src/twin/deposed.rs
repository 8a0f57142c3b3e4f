//! A batch that a deposed owner appended after it was fenced.

use super::{Twin, config, message};

#[test]
fn a_deposed_owner_s_batch_takes_its_place_and_changes_nothing() {
    let mut twin = Twin::new();
    twin.create("q", config());
    twin.enqueue("q", message());
    let lsn = twin.live.lsn();
    twin.live.pass_over(lsn + 1);
    twin.replica.pass_over(lsn + 1);
    assert_eq!(twin.live.lsn(), lsn + 1);
    assert_eq!(twin.receive("q", 9).len(), 1);
    assert_eq!(twin.live.lsn(), lsn + 2);
}
