//! Long JSON arrays, written while they are sent.
//!
//! Invariant: however slow a client is, its answer holds one piece of text beside the items that
//! are yet to be written.

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures_util::stream;

/// A piece is full with so many bytes; the item that fills it goes beyond.
const PIECE: usize = 64 * 1024;

/// An answer with one array of what `write` makes of each item. Where it fits into one piece, its
/// length is told.
pub(crate) fn array<T, W>(items: Vec<T>, write: W) -> Response
where
    T: Send + 'static,
    W: Fn(&mut Vec<u8>, &T) -> serde_json::Result<()> + Send + 'static,
{
    let mut pieces = Pieces { items: items.into_iter(), write, at: At::Begin };
    let body = match pieces.next() {
        // Nothing is sent yet, so that an error can still be a status.
        None | Some(Err(_)) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(Ok(all)) if matches!(pieces.at, At::End) => Body::from(all),
        Some(Ok(first)) => {
            Body::from_stream(stream::iter(std::iter::once(Ok(first)).chain(pieces)))
        }
    };
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

struct Pieces<T, W> {
    items: std::vec::IntoIter<T>,
    write: W,
    at: At,
}

/// What was written last.
#[derive(Clone, Copy)]
enum At {
    Begin,
    Item,
    End,
}

impl<T, W: Fn(&mut Vec<u8>, &T) -> serde_json::Result<()>> Iterator for Pieces<T, W> {
    type Item = serde_json::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut piece = Vec::new();
        while !matches!(self.at, At::End) && piece.len() < PIECE {
            if let Err(error) = self.step(&mut piece) {
                self.at = At::End;
                return Some(Err(error));
            }
        }
        (!piece.is_empty()).then(|| Ok(piece.into()))
    }
}

impl<T, W: Fn(&mut Vec<u8>, &T) -> serde_json::Result<()>> Pieces<T, W> {
    /// Writes one item, or the end.
    fn step(&mut self, piece: &mut Vec<u8>) -> serde_json::Result<()> {
        let (before, after) = match (self.at, self.items.as_slice().is_empty()) {
            (At::Begin, _) => (&b"["[..], At::Item),
            (At::Item | At::End, false) => (&b","[..], At::Item),
            (At::Item | At::End, true) => (&b"]"[..], At::End),
        };
        piece.extend_from_slice(before);
        self.at = after;
        match self.items.next() {
            Some(item) => (self.write)(piece, &item),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::HttpBody;
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    use super::*;

    fn written(items: Vec<Value>) -> Response {
        array(items, |piece, item| serde_json::to_writer(piece, item))
    }

    async fn read(response: Response) -> Value {
        let body = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap()
    }

    #[tokio::test]
    async fn an_array_reads_as_its_items_whatever_their_number_and_size() {
        for count in [0, 1, 2, 3_000] {
            let items: Vec<Value> =
                (0..count).map(|n| json!({"n": n, "t": "x".repeat(n)})).collect();
            assert_eq!(read(written(items.clone())).await, Value::Array(items), "{count}");
        }
        let huge = vec![json!("x".repeat(PIECE)), json!(1)];
        assert_eq!(read(written(huge.clone())).await, Value::Array(huge));
    }

    #[tokio::test]
    async fn a_short_array_has_a_length_and_a_long_one_comes_in_pieces() {
        let short = written(vec![json!(1), json!(2)]).into_body();
        assert_eq!(short.size_hint().exact(), Some(5));
        let mut long = written(vec![json!("x".repeat(1_000)); 1_000]).into_body();
        assert_eq!(long.size_hint().exact(), None);
        let mut pieces = 0;
        while let Some(frame) = long.frame().await {
            assert!(frame.unwrap().data_ref().unwrap().len() < PIECE + 1_004);
            pieces += 1;
        }
        assert_eq!(pieces, 16);
    }

    #[tokio::test]
    async fn an_item_that_cannot_be_written_is_an_error_and_never_a_shorter_array() {
        let fails = |piece: &mut Vec<u8>, n: &usize| {
            piece.resize(piece.len() + *n, b' ');
            (*n > 0).then_some(()).ok_or_else(|| serde::ser::Error::custom("zero"))
        };
        assert_eq!(array(vec![0], fails).status(), StatusCode::INTERNAL_SERVER_ERROR);
        let late = array(vec![PIECE, 0], fails);
        assert_eq!(late.status(), StatusCode::OK);
        assert!(late.into_body().collect().await.is_err());
    }
}
