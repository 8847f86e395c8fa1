//! An HTTP check, compiled: what to send and what to look for.

use std::sync::Arc;

use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request,
    body::Bytes,
    header::{
        ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TE,
        TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
    },
};
use model::check::{HttpCheck, SecretRef, StatusRange};
use url::{Position, Url};

use super::{body::BodyCheck, redirect::Step};
use crate::probe::{
    fault::Fault,
    trust::{Tls, Trust},
};

const AGENT: &str = concat!("Bellwether/", env!("CARGO_PKG_VERSION"));
/// Headers that say how the message itself is framed: the probe's own business.
const FRAMING: [HeaderName; 6] =
    [CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// What an HTTP check sends and looks for.
pub(super) struct Plan {
    url: Url,
    method: Method,
    body: Bytes,
    pub(super) headers: HeaderMap,
    pub(super) bearer: Option<SecretRef>,
    pub(super) status: Vec<StatusRange>,
    pub(super) checks: Arc<[BodyCheck]>,
    pub(super) redirects: u8,
    pub(super) trust: Trust,
    pub(super) min_days: Option<u32>,
}

impl Plan {
    /// Compiles a check, or says what of it cannot be used.
    pub(super) fn new(check: &HttpCheck, tls: &Tls) -> Result<Self, String> {
        let url = Url::parse(&check.url).map_err(|e| format!("cannot use the URL: {e}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err("the URL is not one of http or https with a host".to_owned());
        }
        Ok(Self {
            method: method(&check.method)?,
            headers: headers(check)?,
            body: check.body.clone().unwrap_or_default().into(),
            bearer: check.bearer_token.clone(),
            status: check.status.clone(),
            checks: BodyCheck::all(check)?.into(),
            redirects: check.follow_redirects,
            trust: tls.trust(check.verify, check.ca_file.as_deref()),
            min_days: check.min_days,
            url,
        })
    }

    /// The declared request.
    pub(super) fn first_step(&self) -> Step {
        Step {
            url: self.url.clone(),
            method: self.method.clone(),
            with_body: !self.body.is_empty(),
            at_home: true,
        }
    }

    /// One request. The declared headers and the token leave for the declared origin only.
    pub(super) fn request(
        &self,
        step: &Step,
        own_headers: &HeaderMap,
    ) -> Result<Request<Full<Bytes>>, Fault> {
        let body = if step.with_body { self.body.clone() } else { Bytes::new() };
        let target = &step.url[Position::BeforePath..Position::AfterQuery];
        let host = HeaderValue::from_str(&step.url[Position::BeforeHost..Position::AfterPort]);
        let mut request = Request::new(Full::new(body));
        let unusable = || Fault::failed(format!("cannot ask for {}", step.url));
        *request.method_mut() = step.method.clone();
        *request.uri_mut() = target.parse().map_err(|_| unusable())?;
        let headers = request.headers_mut();
        headers.insert(HOST, host.map_err(|_| unusable())?);
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if step.at_home {
            headers.extend(own_headers.clone());
        }
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        Ok(request)
    }
}

fn method(name: &str) -> Result<Method, String> {
    Method::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is not an HTTP method"))
}

fn headers(check: &HttpCheck) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &check.headers {
        let parsed = HeaderName::from_bytes(name.as_bytes());
        let name = parsed.map_err(|_| format!("{name:?} is not a header name"))?;
        if FRAMING.contains(&name) {
            return Err(format!("the header `{name}` is set by the probe itself; remove it"));
        }
        let value = HeaderValue::from_str(value)
            .map_err(|_| format!("the header `{name}` has a value that cannot be sent"))?;
        headers.insert(name, value);
    }
    Ok(headers)
}
