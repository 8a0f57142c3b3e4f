//! Comparing what an old recording means today with the account that was written when it was made.

/// True when `today` says all that `then` said, in the same order. Types that grew since may say more in between.
pub fn says(today: &str, then: &str) -> bool {
    let mut today = pieces(today);
    pieces(then).all(|piece| today.any(|said| said == piece))
}

/// The fields of a text that `{:?}` wrote, a closing brace being one of its own.
fn pieces(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines()
        .flat_map(|line| line.split(", ").map(str::to_owned).collect::<Vec<_>>())
        .flat_map(|piece| {
            let field = piece.trim_end_matches([' ', '}', ')', ']']).to_owned();
            let end = piece[field.len()..].to_owned();
            [field, end]
                .into_iter()
                .filter(|part| !part.trim().is_empty())
                .collect::<Vec<_>>()
        })
}
