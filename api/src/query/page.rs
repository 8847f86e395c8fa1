//! Paging: `limit`, and the opaque token that a page hands to the next.
//!
//! Invariant: the token carries the first page's cursor, so that a watch from any page's
//! cursor completes the whole list (SEMANTICS 13).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use model::{ResourceId, cursor::Cursor};
use url::form_urlencoded;
use utoipa::IntoParams;

use super::{Query, number};
use crate::limits::Limits;

const VERSION: &str = "1";

/// The parameters of paging, for the description of the API.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `page` and its neighbours read")]
pub(crate) struct PageParams {
    /// The most rows of a page: 500 unless told, at most 5,000.
    #[param(minimum = 1, maximum = 5000)]
    limit: Option<u64>,
    /// Where the page begins: from the `Link` of the page before.
    #[param(format = "bellwether-page")]
    r#continue: Option<String>,
    /// `linearizable` (the default) or `stale`: what this node has, with its age.
    #[param(pattern = "^(linearizable|stale)$")]
    consistency: Option<String>,
    /// `allow`: answer with the shards that do, and name the others in `Bellwether-Missing-Shards`.
    #[param(pattern = "^allow$")]
    partial: Option<String>,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageStart {
    /// The last row of the page before.
    pub(crate) after: ResourceId,
    /// The cursor of the first page.
    pub(crate) cursor: Cursor,
}

/// Reads `limit` and `continue`.
pub(crate) fn page(query: &mut Query, limits: &Limits) -> (usize, Option<PageStart>) {
    let max = u64::try_from(limits.list_max).unwrap_or(u64::MAX);
    let limit = query.take("limit", number(1, max));
    let limit = limit.map_or(limits.list_default, |n| usize::try_from(n).unwrap_or(usize::MAX));
    (limit, query.take("continue", PageStart::read))
}

impl PageStart {
    fn read(token: &str) -> Result<Self, &'static str> {
        let invalid = "is no token of this list; follow the `Link` of the page before, unchanged";
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid)?;
        let text = String::from_utf8(bytes).map_err(|_| invalid)?;
        let mut parts = text.split(' ');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(VERSION), Some(cursor), Some(after), None) => Ok(Self {
                cursor: cursor.parse().map_err(|_| invalid)?,
                after: after.parse().map_err(|_| invalid)?,
            }),
            _ => Err(invalid),
        }
    }

    pub(crate) fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{VERSION} {} {}", self.cursor, self.after))
    }
}

/// The `Link` to the next page (RFC 8288): the same question, with another `continue`.
pub(crate) fn page_link(path: &str, raw_query: &str, next: &PageStart) -> String {
    let kept = form_urlencoded::parse(raw_query.as_bytes()).filter(|(key, _)| key != "continue");
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(kept).append_pair("continue", &next.token());
    format!("<{path}?{}>; rel=\"next\"", query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> PageStart {
        let cursor = Cursor { cluster_incarnation: 3, ..Cursor::default() };
        PageStart { after: "host:n1".parse().unwrap(), cursor }
    }

    #[test]
    fn a_token_survives_the_link() {
        let link = page_link("/r", "labels=a%3Db&limit=2&continue=old", &start());
        let (url, rel) = link.split_once('>').unwrap();
        assert_eq!(rel, "; rel=\"next\"");
        let (path, raw) = url.trim_start_matches('<').split_once('?').unwrap();
        assert_eq!(path, "/r");
        let mut query = Query::parse(raw);
        assert_eq!(page(&mut query, &Limits::default()), (2, Some(start())));
        assert_eq!(query.take("labels", str::parse::<String>).as_deref(), Some("a=b"));
        assert!(query.finish().is_ok());
    }

    #[test]
    fn a_page_has_bounds_and_a_default() {
        let limits = Limits::default();
        assert_eq!(page(&mut Query::parse(""), &limits), (500, None));
        for bad in ["limit=0", "limit=5001", "limit=-1", "continue=x", "continue=MSAg"] {
            let mut query = Query::parse(bad);
            page(&mut query, &limits);
            assert!(query.finish().is_err(), "{bad}");
        }
    }
}
