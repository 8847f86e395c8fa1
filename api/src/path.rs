//! The variable parts of paths, percent-decoded and checked before anything is looked up.

use axum::{
    extract::{FromRequestParts, MatchedPath, Path},
    http::request::Parts,
};
use model::ResourceId;

use crate::error::ApiError;

const MAX_NAME: usize = 200;
const NOT_TEXT: &str = "is not UTF-8 once its percent signs are decoded";

/// The id of a resource.
#[derive(Debug, Clone)]
pub(crate) struct ResourcePath(pub(crate) ResourceId);

/// The name of a maintenance window; it obeys the rules of ids.
#[derive(Debug, Clone)]
pub(crate) struct WindowPath(pub(crate) String);

/// The name of a cluster or a node, as its resources give it.
#[derive(Debug, Clone)]
pub(crate) struct NamePath(pub(crate) String);

/// A name, and another of something in it.
#[derive(Debug, Clone)]
pub(crate) struct TwoNames(pub(crate) String, pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for ResourcePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text = only_part(parts, state).await?;
        resource_id(&text).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WindowPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text = only_part(parts, state).await?;
        ResourceId::new(&text).map_err(|e| ApiError::invalid_at("{name}", e.to_string()))?;
        Ok(Self(text))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for NamePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text = only_part(parts, state).await?;
        name(&text, &variable(parts)).map(|name| Self(name.to_owned()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TwoNames {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let named = variables(parts);
        let at = |n: usize| named.get(n).map_or("{name}", String::as_str);
        match Path::<(String, String)>::from_request_parts(parts, state).await {
            Ok(Path((first, second))) => {
                Ok(Self(name(&first, at(0))?.to_owned(), name(&second, at(1))?.to_owned()))
            }
            Err(_) => Err(ApiError::invalid_at(&named.join(""), NOT_TEXT)),
        }
    }
}

/// A name as people give it. `field` is where it stands.
pub(crate) fn name<'a>(text: &'a str, field: &str) -> Result<&'a str, ApiError> {
    if text.is_empty() || text.chars().count() > MAX_NAME || text.chars().any(char::is_control) {
        let detail = format!("has 1 to {MAX_NAME} characters without control characters");
        return Err(ApiError::invalid_at(field, detail));
    }
    Ok(text)
}

fn resource_id(text: &str) -> Result<ResourceId, ApiError> {
    ResourceId::new(text).map_err(|e| ApiError::invalid_at("{id}", e.to_string()))
}

async fn only_part<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<String, ApiError> {
    match Path::<String>::from_request_parts(parts, state).await {
        Ok(Path(text)) => Ok(text),
        Err(_) => Err(ApiError::invalid_at(&variable(parts), NOT_TEXT)),
    }
}

/// The variable part of the route that was taken, as the description of the API names it.
fn variable(parts: &Parts) -> String {
    variables(parts).into_iter().next().unwrap_or_else(|| "{id}".to_owned())
}

fn variables(parts: &Parts) -> Vec<String> {
    let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    route.split('/').filter(|part| part.starts_with('{')).map(str::to_owned).collect()
}
