//! Where redirects lead (RFC 9110, section 15.4).
//!
//! Invariant: a route never asks the same thing twice, and once it has left the declared
//! origin, it never carries the declared headers or the token again.

use hyper::{Method, header::LOCATION};
use url::Url;

use super::exchange::Answer;
use crate::probe::fault::Fault;

/// One request of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) url: Url,
    pub(super) method: Method,
    pub(super) with_body: bool,
    /// Whether the route has stayed at the declared origin.
    pub(super) at_home: bool,
}

/// The steps so far.
pub(super) struct Route {
    step: Step,
    asked: Vec<(Method, Url)>,
    limit: u8,
}

impl Route {
    pub(super) fn new(step: Step, limit: u8) -> Self {
        Self { step, asked: Vec::new(), limit }
    }

    /// The request to make now.
    pub(super) fn step(&self) -> &Step {
        &self.step
    }

    /// Goes where an answer points; `false` where it is the last one.
    pub(super) fn follow(&mut self, answer: &Answer) -> Result<bool, Fault> {
        if self.limit == 0 {
            return Ok(false);
        }
        let Some(location) = answer.headers().get(LOCATION) else {
            return Ok(false);
        };
        match self.step.next(answer.status(), location.as_bytes()) {
            Some(next) => self.take(next?).map(|()| true),
            None => Ok(false),
        }
    }

    fn take(&mut self, next: Step) -> Result<(), Fault> {
        self.asked.push((self.step.method.clone(), without_fragment(&self.step.url)));
        let target = (next.method.clone(), without_fragment(&next.url));
        if self.asked.contains(&target) {
            return Err(Fault::failed(format!("redirect loop at {}", target.1)));
        }
        if self.asked.len() > usize::from(self.limit) {
            let limit = self.limit;
            return Err(Fault::failed(format!(
                "more than {limit} redirects, at {}",
                self.step.url
            )));
        }
        self.step = next;
        Ok(())
    }
}

impl Step {
    /// The step that a redirect asks for; `None` where the status is not one of a redirect.
    fn next(&self, status: u16, location: &[u8]) -> Option<Result<Self, Fault>> {
        let keeps_method = match status {
            301 | 302 => self.method != Method::POST,
            303 => matches!(self.method, Method::GET | Method::HEAD),
            307 | 308 => true,
            _ => return None,
        };
        let (method, with_body) =
            if keeps_method { (self.method.clone(), self.with_body) } else { (Method::GET, false) };
        Some(self.target(location).map(|url| {
            let at_home = self.at_home && url.origin() == self.url.origin();
            Self { url, method, with_body, at_home }
        }))
    }

    fn target(&self, location: &[u8]) -> Result<Url, Fault> {
        let text = String::from_utf8_lossy(location);
        let Ok(mut url) = self.url.join(&text) else {
            return Err(Fault::failed(format!("redirect to an unusable address: {text}")));
        };
        if !matches!(url.scheme(), "http" | "https") {
            let scheme = url.scheme();
            return Err(Fault::failed(format!("redirect to {scheme}:, which is not http")));
        }
        // A password that a target chose is none of ours to send; http URLs can drop both.
        url.set_username("").ok();
        url.set_password(None).ok();
        Ok(url)
    }
}

fn without_fragment(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_fragment(None);
    url
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn post(url: &str) -> Step {
        let url = url.parse().expect("a URL");
        Step { url, method: Method::POST, with_body: true, at_home: true }
    }

    fn next(status: u16, location: &str) -> Step {
        post("http://shop.example/a/b?c")
            .next(status, location.as_bytes())
            .expect("a redirect")
            .expect("a usable one")
    }

    #[test]
    fn relative_locations_are_resolved() {
        for (location, url) in [
            ("d", "http://shop.example/a/d"),
            ("/d?e", "http://shop.example/d?e"),
            ("//other.example/", "http://other.example/"),
            ("?f", "http://shop.example/a/b?f"),
        ] {
            assert_eq!(next(307, location).url.as_str(), url);
        }
    }

    #[test]
    fn another_origin_is_not_home_and_nothing_leads_back() {
        assert!(next(307, "/d").at_home);
        for location in
            ["https://shop.example/", "http://shop.example:81/", "http://other.example/"]
        {
            let away = next(307, location);
            assert!(!away.at_home, "{location}");
            let back = away.next(307, b"http://shop.example/").expect("a redirect");
            assert!(!back.expect("a usable one").at_home);
        }
    }

    #[test]
    fn a_post_becomes_a_get_where_the_status_says_so() {
        for (status, method, with_body) in [
            (301, Method::GET, false),
            (302, Method::GET, false),
            (303, Method::GET, false),
            (307, Method::POST, true),
            (308, Method::POST, true),
        ] {
            let step = next(status, "/");
            assert_eq!((step.method, step.with_body), (method, with_body), "{status}");
        }
        assert_eq!(post("http://shop.example/").next(304, b"/"), None);
    }

    #[test]
    fn redirects_lead_to_http_only_and_carry_no_password() {
        let step = post("http://shop.example/");
        let refused = step.next(301, b"ftp://shop.example/").expect("a redirect");
        assert_eq!(refused, Err(Fault::failed("redirect to ftp:, which is not http")));
        assert_eq!(
            next(301, "http://me:secret@shop.example/").url.as_str(),
            "http://shop.example/"
        );
    }

    proptest! {
        #[test]
        fn no_location_breaks_a_route(location: Vec<u8>, status in 300u16..310) {
            if let Some(Ok(step)) = post("http://shop.example/").next(status, &location) {
                prop_assert!(matches!(step.url.scheme(), "http" | "https"));
                prop_assert!(step.url.has_host());
                prop_assert_eq!(step.url.username(), "");
            }
        }
    }
}
