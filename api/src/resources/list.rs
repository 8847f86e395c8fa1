//! `GET …/resources`: a page of rows, ordered by id.

use axum::{
    extract::State,
    http::{
        HeaderMap, HeaderValue, Uri,
        header::{CACHE_CONTROL, LINK},
    },
    response::{IntoResponse, Response},
};
use raft::{ListQuery, Page};

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
    mut query: Query,
) -> Result<Response, ApiError> {
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
    let places = places(&read.value, start, uri.query().unwrap_or_default());
    let rows = pieces::array(read.value.rows, |piece, row| {
        serde_json::to_writer(piece, &ResourceView::of(row))
    });
    Ok((stamp, places, rows).into_response())
}

/// Where a watch and where the next page begins.
fn places(page: &Page, start: Option<PageStart>, raw_query: &str) -> HeaderMap {
    let cursor = start.map_or_else(|| page.cursor.clone(), |start| start.cursor);
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CURSOR, visible(&cursor.to_string()));
    if let Some(after) = page.next.clone() {
        let link = page_link(RESOURCES, raw_query, &PageStart { after, cursor });
        headers.insert(LINK, visible(&link));
    }
    headers
}

fn visible(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("cursors and encoded links are visible ASCII")
}
