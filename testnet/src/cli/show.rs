//! `testoon logs`, `events` and `web`: a network watched without changing it.

use super::Common;
use crate::cluster::Cluster;
use crate::cluster::state::NetworkState;
use crate::interrupt::Interrupt;
use crate::observer::logs;
use crate::observer::view::View;
use crate::output::line;
use crate::web::{LISTEN_DEFAULT, Page, PageOptions, browser};
use anyhow::Result;
use clap::Args;
use clap::builder::BoolishValueParser;
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Between two looks at the network for what happened.
const EVENTS_LOOK: Duration = Duration::from_millis(250);

/// Between two looks at whether the network is up, for a page that ends with it.
const UNTIL_DOWN_LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub struct LogsArgs {
    /// One node's only
    #[arg(value_name = "NODE")]
    node: Option<String>,
    /// Go on with what is added, until Ctrl-C
    #[arg(long, short, env = "TESTOON_FOLLOW", value_parser = BoolishValueParser::new())]
    follow: bool,
    /// Lines of each node
    #[arg(long, short = 'n', env = "TESTOON_LINES", value_name = "N", default_value_t = 20)]
    lines: usize,
}

#[derive(Debug, Args)]
pub struct WebArgs {
    /// Where the page is served; port 0 picks a free one
    #[arg(long, env = "TESTOON_WEB_LISTEN", value_name = "HOST:PORT", default_value = LISTEN_DEFAULT)]
    listen: SocketAddr,
    /// For a class: show the page on this address as well, such as 0.0.0.0:8481, to whoever has the token in the address
    /// printed; students look on and place orders
    #[arg(long, env = "TESTOON_WEB_CLASS", value_name = "HOST:PORT")]
    web_listen: Option<SocketAddr>,
    /// Open the page in the browser
    #[arg(long, env = "TESTOON_OPEN", value_parser = BoolishValueParser::new())]
    open: bool,
    /// End with the network, as the page of a detached network does
    #[arg(long, env = "TESTOON_WEB_UNTIL_DOWN", value_parser = BoolishValueParser::new())]
    until_down: bool,
    /// The page only looks and changes nothing: for a class that looks on
    #[arg(long, env = "TESTOON_WEB_READ_ONLY", value_parser = BoolishValueParser::new())]
    read_only: bool,
    /// Read the page's files from this directory instead of the program, to work on them
    #[arg(long, env = "TESTOON_WEB_DIR", value_name = "DIR")]
    files: Option<PathBuf>,
}

pub fn logs(common: &Common, arguments: &LogsArgs) -> Result<()> {
    let cluster = Cluster::open(common.directory()?)?;
    logs::show(&cluster, arguments.node.as_deref(), arguments.lines, arguments.follow, common.json)
}

/// Serves the page until Ctrl-C; the network goes on without it.
pub fn web(common: &Common, arguments: &WebArgs) -> Result<()> {
    let interrupt = Interrupt::install()?;
    let directory = common.directory()?;
    let page = Page::start(PageOptions {
        read_only: arguments.read_only,
        files: arguments.files.clone(),
        class: arguments.web_listen,
        ..PageOptions::new(directory.clone(), arguments.listen)
    })?;
    if common.json {
        line(json!({ "url": page.url(), "class_url": page.class_url() }));
    } else {
        line(format_args!("{} shows the network; Ctrl-C ends the page, not the network", page.url()));
        if let Some(url) = page.class_url() {
            line(format_args!("{url} shows it to a class; the page has its QR code under \u{201c}Classroom\u{201d}"));
        }
    }
    if arguments.open {
        browser::open(page.url());
    }
    if !arguments.until_down {
        interrupt.wait_forever();
        return Ok(());
    }
    let runs = || NetworkState::load(&directory).ok().flatten().is_some_and(|state| state.running);
    while runs() && !interrupt.wait(UNTIL_DOWN_LOOK) {}
    Ok(())
}

/// Prints what happens until Ctrl-C or until the network is taken down: one line, or one JSON value a line, for each event.
pub fn events(common: &Common) -> Result<()> {
    let interrupt = Interrupt::install()?;
    let mut view = View::open(common.directory()?)?;
    view.look()?;
    loop {
        let changes = view.look()?;
        for event in changes.found.into_iter().chain(changes.happenings) {
            if common.json {
                line(serde_json::to_string(&event)?);
            } else {
                line(format_args!("{:9.1} s  {}", event.s, event.text));
            }
        }
        if !view.cluster().state().running || interrupt.wait(EVENTS_LOOK) {
            return Ok(());
        }
    }
}
