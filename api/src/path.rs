//! The variable parts of paths, percent-decoded and checked before anything is looked up.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use model::ResourceId;

use crate::error::ApiError;

const MAX_NAME: usize = 200;

/// The id of a resource.
#[derive(Debug, Clone)]
pub(crate) struct ResourcePath(pub(crate) ResourceId);

/// The name of a maintenance window; it obeys the rules of ids.
#[derive(Debug, Clone)]
pub(crate) struct WindowPath(pub(crate) String);

/// The name of a cluster or a node, as its resources give it.
#[derive(Debug, Clone)]
pub(crate) struct NamePath(pub(crate) String);

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
        if text.is_empty() || text.chars().count() > MAX_NAME || text.chars().any(char::is_control)
        {
            let detail = format!("has 1 to {MAX_NAME} characters without control characters");
            return Err(ApiError::invalid_at("{id}", detail));
        }
        Ok(Self(text))
    }
}

fn resource_id(text: &str) -> Result<ResourceId, ApiError> {
    ResourceId::new(text).map_err(|e| ApiError::invalid_at("{id}", e.to_string()))
}

async fn only_part<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<String, ApiError> {
    let found = Path::<String>::from_request_parts(parts, state).await;
    let Path(text) = found.map_err(|_| {
        ApiError::invalid_at("{id}", "is not UTF-8 once its percent signs are decoded")
    })?;
    Ok(text)
}
