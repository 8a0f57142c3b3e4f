//! A consumer group as seen from outside.

use super::queue::{put_age, put_counts};
use super::write::Json;
use engine::reply::{GroupView, MemberView};

/// One group. Its lag is what it has not taken yet.
pub fn put(json: &mut Json, now_ms: u64, group: &GroupView) {
    json.object(|json| {
        let counts = &group.counts;
        json.text("name", &group.name);
        json.text("queue", &group.queue);
        json.instant("createdAt", group.created_at_ms);
        put_counts(json, counts);
        put_age(json, now_ms, group.oldest_ready_ms);
        json.number("lag", counts.ready + counts.blocked + counts.delayed);
        json.name("members");
        json.array(|json| {
            group
                .members
                .iter()
                .for_each(|member| put_member(json, member))
        });
    });
}

fn put_member(json: &mut Json, member: &MemberView) {
    json.object(|json| {
        json.text("id", &member.consumer);
        json.instant("joinedAt", member.joined_at_ms);
        json.instant("lastSeenAt", member.seen_ms);
        json.number("leased", member.leased);
        json.number("keys", member.keys);
    });
}

/// All groups of a queue.
pub fn put_all(json: &mut Json, now_ms: u64, groups: &[GroupView]) {
    json.object(|json| {
        json.name("groups");
        json.array(|json| groups.iter().for_each(|group| put(json, now_ms, group)));
    });
}
