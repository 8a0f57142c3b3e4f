//! Instants as text: RFC 3339, UTC, milliseconds: `2026-01-02T03:04:05.678Z`. Always 24 characters.

const DAY_MS: u64 = 86_400_000;

/// The last instant of year 9999: a later one has no four-digit year, and is written as this one.
const INSTANT_MS_MAX: u64 = 253_402_300_799_999;

/// Characters of an instant.
pub const INSTANT_CHARS: usize = 24;

/// Instant 0.
pub const INSTANT_FIRST: &[u8; INSTANT_CHARS] = b"1970-01-01T00:00:00.000Z";

/// The instant `ms` milliseconds after 1970, in ASCII.
pub fn text(ms: u64) -> [u8; INSTANT_CHARS] {
    let ms = ms.min(INSTANT_MS_MAX);
    let (days, of_day) = ((ms / DAY_MS) as u32, (ms % DAY_MS) as u32);
    let (year, month, day) = civil(days);
    let (of_day, thousandths) = (of_day / 1000, of_day % 1000);
    let mut text: [u8; INSTANT_CHARS] = *b"0000-00-00T00:00:00.000Z";
    let mut pair = |at: usize, value: u32| {
        text[at] = b'0' + (value / 10) as u8;
        text[at + 1] = b'0' + (value % 10) as u8;
    };
    pair(0, year / 100);
    pair(2, year % 100);
    pair(5, month);
    pair(8, day);
    pair(11, of_day / 3600);
    pair(14, of_day / 60 % 60);
    pair(17, of_day % 60);
    pair(20, thousandths / 10);
    text[22] = b'0' + (thousandths % 10) as u8;
    text
}

/// Year, month and day of the `days`-th day after 1970-01-01, by Howard Hinnant's `civil_from_days`: years are
/// counted from March, so that the leap day is a year's last.
fn civil(days: u32) -> (u32, u32, u32) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    (year_of_era + era * 400 + u32::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants() {
        let known = [
            (0, std::str::from_utf8(INSTANT_FIRST).unwrap()),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_767_323_045_678, "2026-01-02T03:04:05.678Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (INSTANT_MS_MAX, "9999-12-31T23:59:59.999Z"),
            (u64::MAX, "9999-12-31T23:59:59.999Z"),
        ];
        for (ms, known) in known {
            assert_eq!(std::str::from_utf8(&text(ms)), Ok(known));
        }
    }

    #[test]
    fn days_follow_each_other() {
        let mut last = civil(0);
        for days in 1..200_000 {
            let next = civil(days);
            let new_month = next.2 == 1 && last.2 >= 28;
            assert!(
                (next.2 == last.2 + 1 && next.1 == last.1) || new_month,
                "{last:?} {next:?}"
            );
            last = next;
        }
    }
}
