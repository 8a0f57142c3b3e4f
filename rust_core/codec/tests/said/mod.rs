//! Comparing what an old recording means today with the account that was written when it was made.

/// True when `today` says all that `then` said, in the same order. Types that grew since may say more in between.
pub fn says(today: &str, then: &str) -> bool {
    let mut today = pieces(today);
    pieces(then).all(|piece| today.any(|said| said == piece))
}

/// The fields of a text that `{:?}` wrote, each closing brace being one of its own. A field that became optional says
/// what it said.
fn pieces(text: &str) -> impl Iterator<Item = String> + '_ {
    let pieces = text.lines().flat_map(|line| line.split(", "));
    pieces
        .map(|piece| piece.replace("Some(", ""))
        .flat_map(|piece| {
            let field = piece.trim_end_matches([' ', '}', ')', ']']).to_owned();
            let closing = piece[field.len()..].chars().map(String::from);
            [field.clone()]
                .into_iter()
                .chain(closing)
                .filter(|part| !part.trim().is_empty())
                .collect::<Vec<_>>()
        })
}
