//! Who may ask what of the page's server.
//!
//! Reading needs a Host header that is `localhost` or an IP address, so that a page of another name which a browser was tricked into
//! resolving to this machine (DNS rebinding) gets nothing. Changing something needs, besides, the token that only the served page
//! holds, and an Origin that is this server: another page can neither read the token nor forge the header.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
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
    /// Nothing can be changed (`--read-only`).
    pub read_only: bool,
    /// The address for students: reading needs the token too, and nothing but an order can be placed.
    pub is_class: bool,
}

/// The cookie that carries a student's token after the first address.
const CLASS_COOKIE: &str = "testoon_class";
/// Runs the simulator, which a class shall not do all at once.
pub const MEASURE_ROUTE: &str = "/api/odds/measure";
/// The only thing that students may post.
pub const ORDER_ROUTE: &str = "/api/class/order";

/// Refuses what is not allowed, and marks every answer.
pub async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    if let Err(refusal) = check(&access, request.method(), request.headers(), request.uri()) {
        return (StatusCode::FORBIDDEN, format!("{refusal}\n")).into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if access.is_class {
        let cookie = format!("{CLASS_COOKIE}={}; HttpOnly; SameSite=Strict; Path=/", access.token);
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            headers.insert(header::SET_COOKIE, value);
        }
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn check(access: &Access, method: &Method, headers: &HeaderMap, uri: &Uri) -> Result<(), &'static str> {
    if !is_own_host(headers, &[]) {
        return Err("this Host header is neither localhost nor an IP address");
    }
    if access.is_class {
        return check_student(access, method, headers, uri);
    }
    if method == Method::GET || method == Method::HEAD {
        return Ok(());
    }
    if access.read_only {
        return Err("this page only looks: it was started with --read-only");
    }
    if !is_own_origin(headers) {
        return Err("only this server's own page may change something");
    }
    if text(headers, TOKEN_HEADER) != Some(&*access.token) {
        return Err("the token is missing or of an earlier start: reload the page");
    }
    Ok(())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether a browser says that this server's own page asks; a script says nothing.
fn is_own_origin(headers: &HeaderMap) -> bool {
    let host = text(headers, "host").unwrap_or_default();
    text(headers, "origin").is_none_or(|origin| origin == format!("http://{host}"))
}

/// Students read with the token in the address or in their cookie, and post orders only.
fn check_student(access: &Access, method: &Method, headers: &HeaderMap, uri: &Uri) -> Result<(), &'static str> {
    let token = &*access.token;
    let by_address = uri.query().is_some_and(|query| query.split('&').any(|pair| pair == format!("class={token}")));
    let cookies = text(headers, "cookie").unwrap_or_default().split(';');
    let by_cookie =
        cookies.filter_map(|cookie| cookie.trim().split_once('=')).any(|pair| pair == (CLASS_COOKIE, token));
    if !by_address && !by_cookie {
        return Err("open the address on the teacher's page: it holds the class's token");
    }
    if uri.path() == MEASURE_ROUTE {
        return Err("measuring takes this machine's whole processor: only the teacher's page does it");
    }
    let is_reading = method == Method::GET || method == Method::HEAD;
    if is_reading || (uri.path() == ORDER_ROUTE && is_own_origin(headers)) {
        return Ok(());
    }
    Err("students look on and place orders; only the teacher's page changes something else")
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
        let access = Access { token: "secret".into(), read_only: false, is_class: false };
        let host = ("host", "127.0.0.1:8480");
        let own = ("origin", "http://127.0.0.1:8480");
        let allowed = |access: &Access, method: Method, given: &[(&'static str, &str)]| {
            check(access, &method, &headers(given), &Uri::from_static("/api/do")).is_ok()
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

    #[test]
    fn students_read_with_their_token_and_only_order() {
        let access = Access { token: "class".into(), read_only: true, is_class: true };
        let host = ("host", "192.0.2.7:8481");
        let cookie = ("cookie", "a=b; testoon_class=class");
        let allowed = |method: Method, path: &'static str, given: &[(&'static str, &str)]| {
            check(&access, &method, &headers(given), &Uri::from_static(path)).is_ok()
        };
        assert!(allowed(Method::GET, "/?class=class", &[host]));
        assert!(allowed(Method::GET, "/api/net/state", &[host, cookie]));
        assert!(allowed(Method::POST, "/api/class/order", &[host, cookie]));
        for (method, path, given) in [
            (Method::GET, "/", vec![host]),
            (Method::GET, "/?class=guess", vec![host]),
            (Method::GET, "/api/net/state", vec![host, ("cookie", "testoon_class=guess")]),
            (Method::GET, "/?class=class", vec![("host", "evil.example")]),
            (Method::GET, "/api/odds/measure", vec![host, cookie]),
            (Method::POST, "/api/do", vec![host, cookie]),
            (Method::POST, "/api/attack", vec![host, cookie, (TOKEN_HEADER, "class")]),
            (Method::POST, "/api/class/order", vec![host]),
            (Method::POST, "/api/class/order", vec![host, cookie, ("origin", "http://evil.example")]),
        ] {
            assert!(!allowed(method, path, &given), "{path} {given:?}");
        }
    }
}
