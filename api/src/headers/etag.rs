//! Entity tags (RFC 9110 section 8.8.3): `"g<generation>.r<revision>"` (SEMANTICS 14).

use std::fmt;

use axum::{
    extract::FromRequestParts,
    http::{
        HeaderMap, HeaderName, HeaderValue,
        header::{IF_MATCH, IF_NONE_MATCH},
        request::Parts,
    },
};
use model::{Generation, Resource, Revision};
use raft::Precondition;

use crate::error::{ApiError, Kind};

/// What a row looked like: its declaration and its last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntityTag {
    generation: Generation,
    revision: Revision,
}

impl EntityTag {
    pub(crate) fn of(resource: &Resource) -> Self {
        Self { generation: resource.identity.generation, revision: resource.revision() }
    }

    pub(crate) fn value(self) -> HeaderValue {
        HeaderValue::from_str(&self.to_string()).expect("digits, letters and quotes are visible")
    }

    /// Reads the inside of the quotes.
    fn read(opaque: &str) -> Option<Self> {
        let (generation, revision) = opaque.strip_prefix('g')?.split_once(".r")?;
        Some(Self {
            generation: Generation(generation.parse().ok()?),
            revision: Revision(revision.parse().ok()?),
        })
    }
}

impl fmt::Display for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"g{}.r{}\"", self.generation, self.revision)
    }
}

/// What a conditional header names.
#[derive(Debug, PartialEq, Eq)]
enum Tags {
    Any,
    These(Vec<Option<EntityTag>>),
}

/// What a write expects to find: `If-Match` compares the generation, `If-None-Match: *` means
/// that nothing may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WriteCondition(pub(crate) Precondition);

impl<S: Sync> FromRequestParts<S> for WriteCondition {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        write_condition(&parts.headers).map(Self)
    }
}

fn write_condition(headers: &HeaderMap) -> Result<Precondition, ApiError> {
    match (tags(headers, &IF_MATCH)?, tags(headers, &IF_NONE_MATCH)?) {
        (None, None) => Ok(Precondition::None),
        (None, Some(Tags::Any)) => Ok(Precondition::Absent),
        (None, Some(Tags::These(_))) => {
            Err(ApiError::invalid_at("If-None-Match", "a write takes only `*` here"))
        }
        (Some(_), Some(_)) => Err(ApiError::invalid_at(
            "If-None-Match",
            "cannot be combined with If-Match; send one of them",
        )),
        (Some(Tags::Any), None) => Ok(Precondition::Exists),
        (Some(Tags::These(tags)), None) => one_generation(&tags),
    }
}

fn one_generation(tags: &[Option<EntityTag>]) -> Result<Precondition, ApiError> {
    let [tag] = tags else {
        return Err(ApiError::invalid_at("If-Match", "takes one entity tag or `*`"));
    };
    // A tag of another form is nobody's here, so nothing can match it.
    let tag = tag.ok_or_else(|| {
        ApiError::new(
            Kind::Precondition,
            "If-Match names no entity tag of this system; send the ETag of a former answer",
        )
    })?;
    Ok(Precondition::Generation(tag.generation.0))
}

/// Whether a read can be answered by "not modified": `If-None-Match` names the row as it is.
pub(crate) fn unchanged(headers: &HeaderMap, current: EntityTag) -> Result<bool, ApiError> {
    Ok(match tags(headers, &IF_NONE_MATCH)? {
        None => false,
        Some(Tags::Any) => true,
        Some(Tags::These(tags)) => tags.contains(&Some(current)),
    })
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, ApiError> {
    let mut found = Vec::new();
    for value in headers.get_all(name) {
        let bad = || {
            let detail = "is `*` or a list of quoted entity tags such as \"g41.r77\"";
            ApiError::invalid_at(
                if *name == IF_MATCH { "If-Match" } else { "If-None-Match" },
                detail,
            )
        };
        let text = value.to_str().map_err(|_| bad())?.trim();
        if text == "*" {
            return Ok(Some(Tags::Any));
        }
        for tag in text.split(',') {
            let tag = tag.trim();
            let tag = tag.strip_prefix("W/").unwrap_or(tag);
            let inside = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            found.push(EntityTag::read(inside.ok_or_else(bad)?));
        }
    }
    Ok((!found.is_empty()).then_some(Tags::These(found)))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let pair = |(name, value): &(HeaderName, &str)| (name.clone(), value.parse().unwrap());
        pairs.iter().map(pair).collect()
    }

    fn tag() -> EntityTag {
        EntityTag { generation: Generation(41), revision: Revision(77) }
    }

    #[test]
    fn semantics_14_a_tag_is_written_and_read() {
        assert_eq!(tag().to_string(), "\"g41.r77\"");
        assert_eq!(EntityTag::read("g41.r77"), Some(tag()));
        for other in ["", "g41", "41.77", "g.r", "g1.r2.3", "gx.r1"] {
            assert_eq!(EntityTag::read(other), None, "{other}");
        }
    }

    #[test]
    fn semantics_14_a_write_compares_the_generation() {
        for (sent, expected) in [
            (vec![], Precondition::None),
            (vec![(IF_MATCH, "\"g41.r1\"")], Precondition::Generation(41)),
            (vec![(IF_MATCH, "W/\"g41.r1\"")], Precondition::Generation(41)),
            (vec![(IF_MATCH, "*")], Precondition::Exists),
            (vec![(IF_NONE_MATCH, "*")], Precondition::Absent),
        ] {
            assert_eq!(write_condition(&headers(&sent)).unwrap(), expected, "{sent:?}");
        }
    }

    #[test]
    fn a_condition_that_cannot_be_met_or_read_is_refused() {
        for (sent, status) in [
            (vec![(IF_MATCH, "\"other\"")], StatusCode::PRECONDITION_FAILED),
            (vec![(IF_MATCH, "g41.r1")], StatusCode::BAD_REQUEST),
            (vec![(IF_MATCH, "\"g1.r1\", \"g2.r2\"")], StatusCode::BAD_REQUEST),
            (vec![(IF_NONE_MATCH, "\"g1.r1\"")], StatusCode::BAD_REQUEST),
            (vec![(IF_MATCH, "*"), (IF_NONE_MATCH, "*")], StatusCode::BAD_REQUEST),
        ] {
            let error = write_condition(&headers(&sent)).unwrap_err();
            assert_eq!(error.status(), status, "{sent:?}");
        }
    }

    #[test]
    fn semantics_14_a_read_compares_the_whole_tag() {
        for (sent, expected) in [
            ("\"g41.r77\"", true),
            ("W/\"g41.r77\"", true),
            ("\"x\", \"g41.r77\"", true),
            ("*", true),
            ("\"g41.r78\"", false),
            ("\"x\"", false),
        ] {
            let headers = headers(&[(IF_NONE_MATCH, sent)]);
            assert_eq!(unchanged(&headers, tag()).unwrap(), expected, "{sent}");
        }
        assert!(!unchanged(&HeaderMap::new(), tag()).unwrap());
    }
}
