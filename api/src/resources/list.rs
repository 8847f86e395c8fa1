//! `GET …/resources`: a page of rows, ordered by id.

use axum::{
    extract::State,
    http::{
        HeaderMap, HeaderValue, Uri,
        header::{CACHE_CONTROL, LINK},
    },
    response::{IntoResponse, Response},
};
use model::cursor::Cursor;
use raft::{ListQuery, Page, Row};

use super::RESOURCES;
use crate::{
    error::ApiError,
    headers::{CURSOR, Stamp},
    pieces,
    query::{FilterParams, PageParams, PageStart, Query, filter, page, page_link},
    state::ApiState,
    view::ResourceView,
};

/// Lists resources, ordered by id. A watch from `Bellwether-Cursor` completes the list.
#[utoipa::path(
    get, path = "/api/v1/infrastructure/resources", tag = "resources",
    operation_id = "listResources", params(FilterParams, PageParams),
    responses((status = 200, description = "A page of resources", body = [ResourceView<'static>],
        headers(
            ("Bellwether-Cursor" = String, description = "Where a watch that completes the list begins"),
            ("Link" = String, description = "The next page, `rel=\"next\"`; a short page can have one"),
            ("Bellwether-Missing-Shards" = String, description = "Shards that did not answer"),
        )))
)]
pub(crate) async fn list_resources(
    State(api): State<ApiState>,
    uri: Uri,
    query: Query,
) -> Result<Response, ApiError> {
    let listed = listed(&api, query).await?;
    let (stamp, places) = (listed.stamp, places(&listed.place, uri.query().unwrap_or_default()));
    let rows = pieces::array(listed.rows, |piece, row| {
        serde_json::to_writer(piece, &ResourceView::of(row))
    });
    Ok((stamp, places, rows).into_response())
}

/// A page, and where it stands.
pub(crate) struct Listed {
    pub(crate) stamp: Stamp,
    pub(crate) rows: Vec<Row>,
    pub(crate) place: Place,
}

/// What lies beside a page.
pub(crate) struct Place {
    /// Where a watch that completes the list begins.
    pub(crate) cursor: Cursor,
    /// Where the next page begins.
    pub(crate) next: Option<PageStart>,
}

/// Answers the question that the parameters are.
pub(crate) async fn listed(api: &ApiState, mut query: Query) -> Result<Listed, ApiError> {
    let (limit, start) = page(&mut query, api.limits());
    let question = ListQuery {
        filter: filter(&mut query),
        after: start.as_ref().map(|start| start.after.clone()),
        limit,
        consistency: query.consistency(),
        partial: query.partial(),
    };
    query.finish()?;
    let read = api.shards().list(&question).await?;
    let stamp = Stamp::of(&read);
    let Page { rows, cursor, next, .. } = read.value;
    let cursor = start.map_or(cursor, |start| start.cursor);
    let next = next.map(|after| PageStart { after, cursor: cursor.clone() });
    Ok(Listed { stamp, rows, place: Place { cursor, next } })
}

fn places(place: &Place, raw_query: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CURSOR, visible(&place.cursor.to_string()));
    if let Some(next) = &place.next {
        headers.insert(LINK, visible(&page_link(RESOURCES, raw_query, next)));
    }
    headers
}

fn visible(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("cursors and encoded links are visible ASCII")
}
