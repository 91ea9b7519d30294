//! Who may ask what of the page's server.
//!
//! Reading needs a Host header that is `localhost` or an IP address, so that a page of another name which a browser was tricked into
//! resolving to this machine (DNS rebinding) gets nothing. Changing something needs, besides, the token that only the served page
//! holds, and an Origin that is this server: another page can neither read the token nor forge the header.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use node::shell::rpc::http::is_own_host;
use std::sync::Arc;

/// The header that carries the token.
pub const TOKEN_HEADER: &str = "x-testoon-token";
/// Nothing is fetched from anywhere else, whatever a node's answer may hold, and no script or style stands in the page itself.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; connect-src 'self'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the server lets callers do.
#[derive(Clone, Debug)]
pub struct Access {
    /// The token that changes must carry.
    pub token: Arc<str>,
    /// Nothing can be changed (`--web-read-only`).
    pub read_only: bool,
}

/// Refuses what is not allowed, and marks every answer.
pub async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    if let Err(refusal) = check(&access, request.method(), request.headers()) {
        return (StatusCode::FORBIDDEN, format!("{refusal}\n")).into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn check(access: &Access, method: &Method, headers: &HeaderMap) -> Result<(), &'static str> {
    if !is_own_host(headers, &[]) {
        return Err("this Host header is neither localhost nor an IP address");
    }
    if method == Method::GET || method == Method::HEAD {
        return Ok(());
    }
    if access.read_only {
        return Err("this page only looks: it was started with --web-read-only");
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text("host").unwrap_or_default();
    if text("origin").is_some_and(|origin| origin != format!("http://{host}")) {
        return Err("only this server's own page may change something");
    }
    if text(TOKEN_HEADER) != Some(&*access.token) {
        return Err("the token is missing or of an earlier start: reload the page");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap()));
        pairs.collect::<Vec<(axum::http::HeaderName, HeaderValue)>>().into_iter().collect()
    }

    #[test]
    fn only_the_served_page_may_change_something() {
        let access = Access { token: "secret".into(), read_only: false };
        let host = ("host", "127.0.0.1:8480");
        let own = ("origin", "http://127.0.0.1:8480");
        let allowed = |access: &Access, method: Method, given: &[(&'static str, &str)]| {
            check(access, &method, &headers(given)).is_ok()
        };
        assert!(allowed(&access, Method::GET, &[host]));
        assert!(!allowed(&access, Method::GET, &[("host", "evil.example")]));
        assert!(allowed(&access, Method::POST, &[host, own, (TOKEN_HEADER, "secret")]));
        assert!(allowed(&access, Method::POST, &[host, (TOKEN_HEADER, "secret")]), "a script without an origin");
        for given in [
            vec![host, own],
            vec![host, own, (TOKEN_HEADER, "guess")],
            vec![host, ("origin", "http://evil.example"), (TOKEN_HEADER, "secret")],
            vec![host, ("origin", "null"), (TOKEN_HEADER, "secret")],
            vec![("host", "evil.example"), (TOKEN_HEADER, "secret")],
        ] {
            assert!(!allowed(&access, Method::POST, &given), "{given:?}");
        }
        let read_only = Access { read_only: true, ..access };
        assert!(!allowed(&read_only, Method::POST, &[host, own, (TOKEN_HEADER, "secret")]));
        assert!(allowed(&read_only, Method::GET, &[host]));
    }
}
