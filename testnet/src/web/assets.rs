//! The page's own files: embedded in the binary, or read from a directory while somebody works on them (`testoon web --files`).
//!
//! Embedded files are compressed once, when the server starts, and sent so to browsers that accept gzip (RFC 9110, 12.5.3).
//! `index.html` holds a token that differs from one reader to another; it is small, and is sent as it is.

use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use include_dir::{Dir, include_dir};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/web");
/// Stands in `index.html` where the token goes that every change must carry.
const TOKEN_PLACE: &str = "@TOKEN@";

/// The page itself.
const INDEX: &str = "index.html";

/// Where the files come from.
#[derive(Clone, Debug)]
pub struct Assets {
    directory: Option<PathBuf>,
    /// The embedded files by path, compressed; one that compression does not make smaller is absent.
    compressed: Arc<BTreeMap<String, Vec<u8>>>,
}

impl Assets {
    /// The embedded files, or those of a directory.
    pub fn new(directory: Option<PathBuf>) -> Assets {
        let mut compressed = BTreeMap::new();
        if directory.is_none() {
            compress_all(&EMBEDDED, &mut compressed);
        }
        Assets { directory, compressed: Arc::new(compressed) }
    }

    /// A file by its path below the page's address; `None` if there is none.
    pub fn serve(&self, path: &str, token: &str, request: &HeaderMap) -> Option<Response> {
        let path = if path.is_empty() { INDEX } else { path };
        let kind = match Path::new(path).extension().and_then(|extension| extension.to_str()) {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => return None,
        };
        let headers = [(header::CONTENT_TYPE, kind), (header::VARY, "accept-encoding")];
        if let Some(bytes) = self.compressed.get(path).filter(|_| accepts_gzip(request)) {
            return Some((headers, [(header::CONTENT_ENCODING, "gzip")], bytes.clone()).into_response());
        }
        let bytes = self.read(path)?;
        let body = match String::from_utf8(bytes) {
            Ok(text) if path == INDEX => text.replace(TOKEN_PLACE, token).into_bytes(),
            Ok(text) => text.into_bytes(),
            Err(error) => error.into_bytes(),
        };
        Some((headers, body).into_response())
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        let is_plain = path.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
        match &self.directory {
            _ if !is_plain => None,
            Some(directory) => std::fs::read(directory.join(path)).ok(),
            None => EMBEDDED.get_file(path).map(|file| file.contents().to_vec()),
        }
    }
}

/// Compresses the files of a directory and of those below it.
fn compress_all(directory: &Dir<'_>, compressed: &mut BTreeMap<String, Vec<u8>>) {
    for file in directory.files().filter(|file| file.path() != Path::new(INDEX)) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let packed = encoder.write_all(file.contents()).and_then(|()| encoder.finish());
        // Writing into memory does not fail; a file that could not be compressed would be sent as it is.
        let Ok(packed) = packed else { continue };
        if packed.len() < file.contents().len() {
            compressed.insert(file.path().display().to_string(), packed);
        }
    }
    directory.dirs().for_each(|directory| compress_all(directory, compressed));
}

/// Whether a request takes gzip: by name, or by `*` where it is not named; a weight of 0 refuses.
fn accepts_gzip(request: &HeaderMap) -> bool {
    let mut by_any = false;
    for value in request.get_all(header::ACCEPT_ENCODING) {
        for offered in value.to_str().unwrap_or_default().split(',') {
            let mut parts = offered.split(';').map(str::trim);
            let coding = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
            let is_taken = weight.is_ok_and(|weight| weight > 0.0);
            if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
                return is_taken;
            }
            by_any |= coding == "*" && is_taken;
        }
    }
    by_any
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::io::Read as _;

    /// Bytes that the page and what it loads may have.
    const PAGE_BYTES_MAX: usize = 150_000;

    fn all<'a>(directory: &'a Dir<'a>, found: &mut BTreeMap<String, &'a [u8]>) {
        found.extend(directory.files().map(|file| (file.path().display().to_string(), file.contents())));
        directory.dirs().for_each(|directory| all(directory, found));
    }

    /// A module and those that it imports statically, by path.
    fn loads(path: &str, files: &BTreeMap<String, &[u8]>, found: &mut BTreeSet<String>) {
        if !found.insert(path.to_owned()) {
            return;
        }
        let text = std::str::from_utf8(files[path]).expect("text");
        for (_, rest) in text.match_indices("from \"./").map(|(at, words)| (at, &text[at + words.len()..])) {
            loads(&format!("app/{}", rest.split('"').next().expect("it ends")), files, found);
        }
    }

    #[test]
    fn nothing_outside_the_page_is_served_and_the_page_is_small() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("web")).unwrap();
        std::fs::write(place.path().join("secret.js"), "secret").unwrap();
        std::fs::write(place.path().join("web/.hidden.js"), "secret").unwrap();
        let live = Assets::new(Some(place.path().join("web")));
        for path in ["../secret.js", ".hidden.js", "a/../../secret.js", "/etc/passwd", "app//../secret.js"] {
            let plain = HeaderMap::new();
            assert!(live.serve(path, "", &plain).is_none(), "{path}");
            assert!(Assets::new(None).serve(path, "", &plain).is_none(), "{path}");
        }
        assert!(Assets::new(None).serve("", "", &HeaderMap::new()).is_some());
    }

    /// The bound is for quick loading: on each view with all that it imports, as it is, and on what a browser transfers of all files.
    #[test]
    fn each_view_is_small_and_so_is_all_that_is_sent() {
        let mut files = BTreeMap::new();
        all(&EMBEDDED, &mut files);
        let main = std::str::from_utf8(files["app/main.js"]).expect("text");
        let views: Vec<&str> = main.split("import(\"./").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(views.len() >= 9, "{views:?}");
        for view in views {
            let mut loaded: BTreeSet<String> = [INDEX, "style.css", "icon.svg"].map(str::to_owned).into();
            loads("app/main.js", &files, &mut loaded);
            loads(&format!("app/{view}"), &files, &mut loaded);
            let size: usize = loaded.iter().map(|path| files[path].len()).sum();
            assert!(size < PAGE_BYTES_MAX, "{view}: {size} bytes in {loaded:?}");
        }
        let assets = Assets::new(None);
        let sent = |path: &String| assets.compressed.get(path).map_or(files[path].len(), Vec::len);
        let sent: usize = files.keys().map(sent).sum();
        assert!(sent < PAGE_BYTES_MAX, "{sent} bytes are sent");
    }

    #[tokio::test]
    async fn a_file_is_sent_compressed_to_who_accepts_that() {
        let asked = |accepted: &str| {
            let mut request = HeaderMap::new();
            request.insert(header::ACCEPT_ENCODING, accepted.parse().unwrap());
            Assets::new(None).serve("style.css", "", &request).unwrap()
        };
        let own = EMBEDDED.get_file("style.css").unwrap().contents();
        for (accepted, is_packed) in [
            ("gzip, deflate, br, zstd", true),
            ("GZIP;q=0.5", true),
            ("*", true),
            ("br", false),
            ("", false),
            ("gzip;q=0", false),
            ("*, gzip;q=0", false),
            ("gzip;q=much", false),
        ] {
            let answer = asked(accepted);
            assert_eq!(answer.headers().contains_key(header::CONTENT_ENCODING), is_packed, "{accepted:?}");
            assert_eq!(answer.headers()[header::VARY], "accept-encoding");
            let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
            let mut text = Vec::new();
            match is_packed {
                true => drop(flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut text).unwrap()),
                false => text.extend_from_slice(&body),
            }
            assert!(text == own, "{accepted:?}");
        }
    }

    #[test]
    fn no_file_of_the_page_names_another_origin() {
        fn check(directory: &Dir<'_>) {
            for file in directory.files() {
                let text = file.contents_utf8().expect("text");
                for (number, line) in text.lines().enumerate() {
                    let names = line.match_indices("://").filter(|(at, _)| {
                        // The names of XML's vocabularies are no addresses that anybody asks.
                        !line[at + 3..].starts_with("www.w3.org/")
                    });
                    assert_eq!(names.count(), 0, "{}:{}", file.path().display(), number + 1);
                }
            }
            directory.dirs().for_each(check);
        }
        check(&EMBEDDED);
    }
}
