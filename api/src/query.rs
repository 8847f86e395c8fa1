//! Strict reading of query parameters: unknown, repeated and bad ones are errors, all at once.

mod filter;
mod page;

use std::{convert::Infallible, fmt::Display};

use axum::{extract::FromRequestParts, http::request::Parts};
use model::decode::{Problem, nearest};
use raft::Consistency;
use url::form_urlencoded;

use crate::error::ApiError;

pub(crate) use filter::{FilterParams, filter};
pub(crate) use page::{PageParams, PageStart, page, page_link};

/// The parameters of a request, taken one by one. Call [`Query::finish`] last.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
    problems: Vec<Problem>,
}

impl Query {
    /// Of parameters that came in another way; empty ones are absent.
    pub(crate) fn of(pairs: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        let pairs = given.map(|(name, value)| (name.to_owned(), value)).collect();
        Self { pairs, ..Self::default() }
    }

    pub(crate) fn parse(raw: &str) -> Self {
        let pairs = form_urlencoded::parse(raw.as_bytes()).into_owned().collect();
        Self { pairs, ..Self::default() }
    }

    /// A parameter that may be absent.
    pub(crate) fn take<T, E: Display>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.known.push(name);
        let mut values = self.pairs.iter().filter(|(key, _)| key == name);
        let (_, value) = values.next()?;
        let outcome = match values.next() {
            Some(_) => Err("is given twice".to_owned()),
            None => read(value).map_err(|e| e.to_string()),
        };
        outcome.map_err(|detail| self.problem(name, detail)).ok()
    }

    /// How fresh the answer must be.
    pub(crate) fn consistency(&mut self) -> Consistency {
        let read = |text: &str| match text {
            "linearizable" => Ok(Consistency::Linearizable),
            "stale" => Ok(Consistency::Stale),
            _ => Err("expected `linearizable` or `stale`"),
        };
        self.take("consistency", read).unwrap_or_default()
    }

    /// Whether shards may be missing from the answer.
    pub(crate) fn partial(&mut self) -> bool {
        let read = |text: &str| match text {
            "allow" => Ok(true),
            _ => Err("expected `allow`; leave it out where every shard must answer"),
        };
        self.take("partial", read).unwrap_or_default()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Names every bad and every unknown parameter.
    pub(crate) fn finish(mut self) -> Result<(), ApiError> {
        let unknown: Vec<String> = self
            .pairs
            .iter()
            .map(|(key, _)| key)
            .filter(|key| !self.known.contains(&key.as_str()))
            .cloned()
            .collect();
        for key in unknown {
            let shown: String = key.chars().take(60).collect();
            let hint = nearest(&key, &self.known);
            self.problem(&shown, format!("unknown parameter `{shown}`{hint}"));
        }
        if self.problems.is_empty() { Ok(()) } else { Err(ApiError::invalid(self.problems)) }
    }

    fn problem(&mut self, name: &str, detail: impl Into<String>) {
        self.problems.push(Problem { pointer: format!("?{name}"), detail: detail.into() });
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

/// For calls that take no parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoQuery;

impl<S: Sync> FromRequestParts<S> for NoQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Query::parse(parts.uri.query().unwrap_or_default()).finish().map(|()| Self)
    }
}

/// A whole number from `min` to `max`.
pub(crate) fn number(min: u64, max: u64) -> impl Fn(&str) -> Result<u64, String> {
    move |text| {
        let number = text.parse::<u64>().ok().filter(|n| (min..=max).contains(n));
        number.ok_or_else(|| format!("expected a whole number from {min} to {max}"))
    }
}

/// `true` or `false`.
pub(crate) fn truth(text: &str) -> Result<bool, &'static str> {
    text.parse().map_err(|_| "expected `true` or `false`")
}

/// A text of 1 to `max` bytes.
pub(crate) fn text(max: usize) -> impl Fn(&str) -> Result<String, String> {
    move |text| {
        if text.is_empty() || text.len() > max {
            return Err(format!("expected 1 to {max} bytes, found {}", text.len()));
        }
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use axum::{http::StatusCode, response::IntoResponse};

    use super::*;

    fn problems(query: &Query) -> Vec<String> {
        let found = query.problems.iter().map(|p| format!("{}: {}", p.pointer, p.detail));
        found.collect()
    }

    #[test]
    fn a_parameter_is_read_once() {
        let mut query = Query::parse("limit=7&name=a%20b");
        assert_eq!(query.take("limit", number(1, 10)), Some(7));
        assert_eq!(query.take("name", text(10)).as_deref(), Some("a b"));
        assert_eq!(query.take("absent", text(10)), None);
        assert!(query.finish().is_ok());
    }

    #[test]
    fn bad_values_name_their_parameter() {
        let mut query = Query::parse("limit=ten&name=&consistency=strong&partial=yes&x=1&x=2");
        query.take("limit", number(1, 10));
        query.take("name", text(10));
        query.take("x", text(10));
        query.consistency();
        query.partial();
        assert_eq!(
            problems(&query),
            [
                "?limit: expected a whole number from 1 to 10",
                "?name: expected 1 to 10 bytes, found 0",
                "?x: is given twice",
                "?consistency: expected `linearizable` or `stale`",
                "?partial: expected `allow`; leave it out where every shard must answer",
            ]
        );
    }

    #[test]
    fn an_unknown_parameter_is_refused_with_the_nearest_known() {
        let mut query = Query::parse("limt=7");
        query.take("limit", number(1, 10));
        let error = query.finish().unwrap_err();
        assert_eq!(error.clone().into_response().status(), StatusCode::BAD_REQUEST);
        assert!(format!("{error:?}").contains("did you mean `limit`?"), "{error:?}");
    }
}
