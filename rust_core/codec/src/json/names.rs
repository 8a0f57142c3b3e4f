//! What queues, messages and receipts are called.

use super::invalid::Invalid;
use crate::id;
use crate::receipt::Receipt;
use engine::ids::{MessageId, PartitionNumber};
use engine::record::DeathReason;

/// `[A-Za-z0-9][A-Za-z0-9._-]*`
pub fn is_queue_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// W3C trace context: `00-<32 hex>-<16 hex>-<2 hex>`; later versions may append to it.
pub fn is_traceparent(text: &str) -> bool {
    let hex = |text: &str, width: usize| {
        text.len() == width
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let mut parts = text.split('-');
    let mut part = |width| parts.next().is_some_and(|part| hex(part, width));
    part(2) && part(32) && part(16) && part(2) && (text.len() == 55 || !text.starts_with("00"))
}

/// Why messages die.
pub const DEATH_REASONS: [(&str, DeathReason); 4] = [
    ("retriesExhausted", DeathReason::RetriesExhausted),
    ("leaseEnded", DeathReason::LeaseEnded),
    ("expired", DeathReason::Expired),
    ("rejected", DeathReason::Rejected),
];

/// The reason of that name.
pub fn death_reason(name: &str) -> Option<DeathReason> {
    let found = DEATH_REASONS.iter().find(|(known, _)| *known == name);
    found.map(|(_, reason)| *reason)
}

/// What a reason is called.
pub fn death_reason_name(reason: DeathReason) -> &'static str {
    let mut known = DEATH_REASONS.iter();
    let found = known.find(|(_, known)| *known == reason);
    found.expect("every reason has a name").0
}

/// The message an id names.
pub fn message(text: &str) -> Result<(PartitionNumber, MessageId), Invalid> {
    id::decode(text).ok_or_else(|| Invalid::new("message_id_invalid", MESSAGE_ID_RULE))
}

/// What a message id must be.
pub const MESSAGE_ID_RULE: &str =
    "this is not a message id: use the `id` that an enqueue or a receive answered, unchanged";

/// A sweep's id has the form of a message's, in a slot that no message has: it names its partition too.
pub fn sweep_id(number: u64) -> MessageId {
    MessageId {
        number,
        slot: u32::MAX,
    }
}

/// The sweep an id names.
pub fn sweep(text: &str) -> Result<u64, Invalid> {
    let found = id::decode(text).filter(|(_, id)| *id == sweep_id(id.number));
    let number = found.map(|(_, id)| id.number);
    number.ok_or_else(|| {
        let rule =
            "this is not the id of a redrive or a sweep: use the `id` that its start answered";
        Invalid::new("sweep_not_found", rule)
    })
}

/// What a receipt must be.
pub const RECEIPT_RULE: &str = "this is not a receipt: use the `receipt` of the receive that handed the message out, unchanged";

/// The partition that a message id or a receipt names.
pub fn partition_of_message(text: &str) -> Result<PartitionNumber, Invalid> {
    let receipt = || Receipt::decode(text).map(|receipt| receipt.claim().partition);
    let partition = id::decode(text)
        .map(|(partition, _)| partition)
        .or_else(receipt);
    partition.ok_or_else(|| Invalid::new("message_id_invalid", MESSAGE_ID_RULE))
}
