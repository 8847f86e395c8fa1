//! What must hold of any bytes that somebody sends as a selector or a cursor.
//!
//! `make fuzz` drives these under coverage, the tests below over the corpus and mutations.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    Labels,
    cursor::Cursor,
    selector::{MAX_SELECTOR, Selector},
};

/// The longest error, in bytes: it goes into an answer as it is.
const MAX_ERROR: usize = 400;

/// A selector is read or refused; what is read is written back, selects what it says, and
/// what is refused is quoted within bounds.
///
/// # Panics
/// Where that does not hold.
pub fn selector(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let selector: Selector = match text.parse() {
        Ok(selector) => selector,
        Err(error) => return is_readable(&format!("{error}")),
    };
    let written = selector.to_string();
    assert!(written.len() <= MAX_SELECTOR, "written with {} bytes", written.len());
    assert_eq!(written.parse(), Ok(selector.clone()), "{written:?} reads otherwise");
    assert_eq!(selector.is_empty(), text.trim().is_empty());
    selects_what_it_says(&selector);
}

fn selects_what_it_says(selector: &Selector) {
    let wanted = selector.equalities().map(|(key, value)| (key, Box::<str>::from(value)));
    let equal: Labels = wanted.collect();
    if selector.matches(&equal) {
        let same =
            |(key, value): (&str, &str)| equal.get(key).is_some_and(|found| **found == *value);
        assert!(selector.equalities().all(same), "{selector} selects {equal:?}");
    }
    if selector.matches(&Labels::default()) {
        assert_eq!(selector.equalities().count(), 0, "{selector} selects what has no labels");
    }
}

/// A cursor is read or refused; what is read is written back.
///
/// # Panics
/// Where that does not hold.
pub fn cursor(bytes: &[u8]) {
    reads_back(&String::from_utf8_lossy(bytes));
    // A checksum is no secret: what follows it has to hold, too.
    let mut sealed = vec![1];
    sealed.extend(bytes);
    sealed.extend(crc32c::crc32c(&sealed).to_le_bytes());
    reads_back(&URL_SAFE_NO_PAD.encode(sealed));
}

fn reads_back(text: &str) {
    match text.parse::<Cursor>() {
        Ok(cursor) => {
            let written = cursor.to_string();
            assert!(written.len() <= text.len(), "{text} is written with more: {written}");
            assert_eq!(written.parse(), Ok(cursor));
        }
        Err(error) => is_readable(&error.to_string()),
    }
}

fn is_readable(error: &str) {
    assert!(!error.is_empty() && error.len() <= MAX_ERROR, "{} bytes: {error}", error.len());
    assert!(!error.chars().any(char::is_control), "{error:?}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn any_bytes_are_a_selector_or_refused() {
        mutate::short("selector", 20_000, super::selector);
    }

    #[test]
    fn any_bytes_are_a_cursor_or_refused() {
        mutate::short("cursor", 20_000, super::cursor);
    }
}
