//! Counts and times each call by its method, up to the status that ends it.

use std::{collections::BTreeSet, sync::LazyLock, time::Instant};

use axum::{
    body::Body,
    extract::{Request, State},
    http::HeaderMap,
    middleware::Next,
    response::Response,
};
use http_body_util::BodyExt;
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::{Code, Status};

use super::v1;
use crate::state::ApiState;

/// All paths that are no method of ours are one.
const UNMATCHED: &str = "unmatched";

/// `/package.Service/Method` of all that are described, and those that stream answers.
static METHODS: LazyLock<[BTreeSet<String>; 2]> = LazyLock::new(|| {
    let described = [v1::DESCRIPTION, tonic_health::pb::FILE_DESCRIPTOR_SET];
    let mut found = [BTreeSet::new(), BTreeSet::new()];
    for file in described.iter().filter_map(|bytes| FileDescriptorSet::decode(*bytes).ok()) {
        for file in file.file {
            let package = file.package().to_owned();
            for service in file.service {
                for method in &service.method {
                    let streams = usize::from(method.server_streaming());
                    let path = format!("/{package}.{}/{}", service.name(), method.name());
                    found[streams].insert(path);
                }
            }
        }
    }
    found
});

/// A call under way. One whose client has gone is over when this is dropped.
struct Call {
    api: ApiState,
    method: &'static str,
    /// Where its length says something.
    began: Option<Instant>,
    code: Option<Code>,
}

pub(super) async fn count(State(api): State<ApiState>, request: Request, next: Next) -> Response {
    let (method, streams) = method(request.uri().path());
    let began = (!streams).then(Instant::now);
    let mut call = Call { api, method, began, code: None };
    let response = next.run(request).await;
    call.code = code(response.headers());
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            call.ends_with(frame.trailers_ref());
            frame
        }))
    })
}

/// The name of the method, and whether it streams its answers.
fn method(path: &str) -> (&'static str, bool) {
    let [alone, streams] = &*METHODS;
    match (alone.get(path), streams.get(path)) {
        (Some(path), _) => (path.trim_start_matches('/'), false),
        (None, Some(path)) => (path.trim_start_matches('/'), true),
        (None, None) => (UNMATCHED, true),
    }
}

fn code(headers: &HeaderMap) -> Option<Code> {
    Status::from_header_map(headers).map(|status| status.code())
}

impl Call {
    /// A method, so that a closure that calls it holds the whole call, and not its status alone.
    fn ends_with(&mut self, trailers: Option<&HeaderMap>) {
        self.code = trailers.and_then(code).or(self.code);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let code = self.code.unwrap_or(Code::Cancelled);
        let took = self.began.map(|began| began.elapsed());
        self.api.grpc().note(self.method, code, took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_those_of_the_description() {
        let get = "/bellwether.v1.ResourceService/GetResource";
        assert_eq!(method(get), (&get[1..], false));
        let watch = "/bellwether.v1.ResourceService/WatchResources";
        assert_eq!(method(watch), (&watch[1..], true));
        assert_eq!(method("/grpc.health.v1.Health/Watch"), ("grpc.health.v1.Health/Watch", true));
        assert_eq!(method("/bellwether.v1.ResourceService/Get"), (UNMATCHED, true));
    }
}
