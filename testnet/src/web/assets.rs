//! The page's own files: embedded in the binary, or read from a directory while somebody works on them (`--web-dir`).

use axum::http::header;
use axum::response::{IntoResponse, Response};
use include_dir::{Dir, include_dir};
use std::path::{Path, PathBuf};

static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/web");
/// Stands in `index.html` where the token goes that every change must carry.
const TOKEN_PLACE: &str = "@TOKEN@";

/// Where the files come from.
#[derive(Clone, Debug)]
pub struct Assets {
    directory: Option<PathBuf>,
}

impl Assets {
    /// The embedded files, or those of a directory.
    pub fn new(directory: Option<PathBuf>) -> Assets {
        Assets { directory }
    }

    /// A file by its path below the page's address; `None` if there is none.
    pub fn serve(&self, path: &str, token: &str) -> Option<Response> {
        let path = if path.is_empty() { "index.html" } else { path };
        let bytes = self.read(path)?;
        let kind = match Path::new(path).extension().and_then(|extension| extension.to_str()) {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => return None,
        };
        let body = match String::from_utf8(bytes) {
            Ok(text) if path == "index.html" => text.replace(TOKEN_PLACE, token).into_bytes(),
            Ok(text) => text.into_bytes(),
            Err(error) => error.into_bytes(),
        };
        Some(([(header::CONTENT_TYPE, kind)], body).into_response())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_the_page_is_served_and_the_page_is_small() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("web")).unwrap();
        std::fs::write(place.path().join("secret.js"), "secret").unwrap();
        std::fs::write(place.path().join("web/.hidden.js"), "secret").unwrap();
        let live = Assets::new(Some(place.path().join("web")));
        for path in ["../secret.js", ".hidden.js", "a/../../secret.js", "/etc/passwd", "app//../secret.js"] {
            assert!(live.serve(path, "").is_none(), "{path}");
            assert!(Assets::new(None).serve(path, "").is_none(), "{path}");
        }
        assert!(Assets::new(None).serve("", "").is_some());
        fn size(directory: &Dir<'_>) -> usize {
            let files: usize = directory.files().map(|file| file.contents().len()).sum();
            files + directory.dirs().map(size).sum::<usize>()
        }
        assert!(size(&EMBEDDED) < 150_000, "{} bytes", size(&EMBEDDED));
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
