//! The bytes of a sweep as it is seen from outside: what checkpoints keep of it, but for its total, which has a place
//! of its own there.

use super::*;

/// Appends it.
pub fn encode(out: &mut Vec<u8>, view: &SweepView) {
    put(out, view.number);
    put_text(out, &view.queue);
    put_plan(out, &view.plan);
    let tally = &view.tally;
    for count in [tally.matched, tally.moved, tally.skipped] {
        put(out, count);
    }
    put_failed(out, &tally.failed);
    put(out, view.created_at_ms);
    put_flags(out, [view.ended.is_some()]);
    if let Some((end, ended_at_ms)) = view.ended {
        let code = ENDS.iter().position(|known| *known == end);
        put(out, code.expect("every end is listed") as u64);
        put(out, ended_at_ms);
    }
    put_messages(out, &view.sample);
}

/// Reads it.
pub fn decode(reader: &mut Reader<'_>) -> Result<SweepView, Malformed> {
    Ok(SweepView {
        number: reader.u64()?,
        queue: text(reader)?,
        plan: plan(reader)?,
        total: None,
        tally: SweepTally {
            matched: reader.u64()?,
            moved: reader.u64()?,
            skipped: reader.u64()?,
            failed: failed(reader)?,
        },
        created_at_ms: reader.u64()?,
        ended: {
            let [ended] = flags(reader)?;
            when(ended, || {
                let end = known(&ENDS, reader.u64()?, "a sweep has an unknown end")?;
                Ok((end, reader.u64()?))
            })?
        },
        sample: messages(reader)?,
    })
}
