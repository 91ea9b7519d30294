//! `testoon up`: from flags to a plan, from a plan to a running network, and the show until it ends. [`containers`] does so on Docker.

mod containers;

use super::Common;
use super::report::{count, warn_unconnected};
use super::request::{NetworkArgs, NetworkRequest};
use crate::clock::Stopwatch;
use crate::cluster::directory::Directory;
use crate::cluster::state::NetworkState;
use crate::cluster::{Cluster, stop};
use crate::error::{one_line, usage};
use crate::interrupt::Interrupt;
use crate::observer::status;
use crate::observer::view::View;
use crate::output::line;
use crate::plan::Plan;
use crate::terminal::live::{self, Ended, NodesAndEvents};
use crate::web::{self, Page, PageOptions, background, browser};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use clap::builder::BoolishValueParser;
use serde_json::json;
use std::net::SocketAddr;

/// An engine that runs containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum EngineName {
    /// Docker with Compose
    Docker,
}

#[derive(Debug, Args)]
pub struct UpArgs {
    #[command(flatten)]
    network: NetworkArgs,
    /// Who runs the nodes: this machine's processes unless given, or `docker`: containers, one a node; returns when they run
    #[arg(long, env = "TESTOON_ON", value_name = "ENGINE", conflicts_with = "seconds")]
    on: Option<EngineName>,
    /// The container image; made of this program unless given
    #[arg(long, env = "TESTOON_IMAGE", value_name = "NAME", requires = "on")]
    image: Option<String>,
    /// Return when the network runs, and let it run until `testoon down`
    #[arg(long, env = "TESTOON_DETACH", conflicts_with = "seconds", value_parser = BoolishValueParser::new())]
    detach: bool,
    /// Delete what the directory holds of an earlier network first
    #[arg(long, env = "TESTOON_FRESH", value_parser = BoolishValueParser::new())]
    fresh: bool,
    /// Where the page that shows the network in a browser is; 127.0.0.1:8480 unless given, or a free port if that is taken
    #[arg(long, env = "TESTOON_WEB", value_name = "HOST:PORT", num_args = 0..=1, default_missing_value = web::LISTEN_DEFAULT)]
    web: Option<SocketAddr>,
    /// No page
    #[arg(long, env = "TESTOON_NO_WEB", value_parser = BoolishValueParser::new())]
    no_web: bool,
    /// Open the page in the browser
    #[arg(long, env = "TESTOON_OPEN", value_parser = BoolishValueParser::new())]
    open: bool,
    /// For a class: show the page on this address as well, such as 0.0.0.0:8481, to whoever has the token in the address
    /// printed; students look on and place orders
    #[arg(long, env = "TESTOON_WEB_CLASS", value_name = "HOST:PORT")]
    web_listen: Option<SocketAddr>,
    /// End the network after this many seconds
    #[arg(long = "for", env = "TESTOON_FOR", value_name = "SECONDS")]
    seconds: Option<f64>,
}

/// Starts a network and, unless detached, shows and ends it.
pub fn up(common: &Common, arguments: &UpArgs, program: &str) -> Result<()> {
    let watch = Stopwatch::start();
    let mut request = NetworkRequest::read(&arguments.network)?;
    if arguments.seconds.is_some_and(|seconds| !seconds.is_finite() || seconds < 0.0) {
        return Err(usage("--for takes a number of seconds"));
    }
    if arguments.on.is_some() {
        return containers::up(common, arguments, request, program);
    }
    let directory = Directory::create(common.dir.as_deref())?;
    let lock = directory.lock()?;
    refuse_running(&directory, program)?;
    if arguments.fresh {
        // Nodes of a network whose state file is lost or damaged: nothing else would ever end them.
        stop::end_forgotten(&directory);
        directory.wipe(&lock)?;
    }
    let previous = NetworkState::load(&directory)?;
    let (chain, spec) = request.chain(previous.as_ref(), directory.path())?;
    let there = previous.map(|previous| previous.plan);
    let plan = request.plan(there.clone(), &spec)?;
    if let Some(there) = &there {
        keep_nodes(there, &plan, &directory)?;
    }
    let mut cluster = Cluster::create(directory, &chain, spec, plan)?;
    let interrupt = Interrupt::install()?;
    if !arguments.detach {
        cluster.become_launcher()?;
    }
    let unconnected = match cluster.start(arguments.detach, Some(&interrupt)) {
        Err(_) if interrupt.is_set() => return Ok(()),
        started => started?,
    };
    let seconds = watch.seconds();
    drop(lock);
    let (intro, page) = present(common, arguments, &cluster, seconds, program);
    warn_unconnected(&unconnected, &cluster);
    if arguments.detach {
        return Ok(());
    }
    // The page's looks serve the terminal too: the nodes are asked once.
    let page = page.as_ref();
    let mut view = if page.is_some() || common.json { None } else { Some(View::open(cluster.directory().clone())?) };
    let mut news = || match (page, view.as_mut()) {
        (Some(page), _) => Ok(page.news()),
        (None, Some(view)) => view.look().map(|changes| (changes.nodes, [changes.found, changes.happenings].concat())),
        (None, None) => Ok((Vec::new(), Vec::new())),
    };
    let news = (!common.json).then_some(&mut news as &mut dyn FnMut() -> Result<NodesAndEvents>);
    let ended = live::show(&mut cluster, &interrupt, arguments.seconds, news, &intro);
    end(cluster, ended, common.json)
}

/// Shows the page and says where everything is; gives what was said, and the page if this process shows it.
fn present(
    common: &Common,
    arguments: &UpArgs,
    cluster: &Cluster,
    seconds: f64,
    program: &str,
) -> (Vec<String>, Option<Page>) {
    // A page that cannot be shown is no reason to end a network that runs.
    let shown = shown(arguments, cluster).map_err(|error| eprintln!("warning: {}", one_line(&error)));
    let shown = shown.ok().flatten();
    let mut intro = intro(cluster, seconds, program);
    if let Some(shown) = &shown {
        intro.push(format!("  {} shows it in a browser", shown.url));
        intro.extend(shown.class_url.as_ref().map(|url| format!("  {url} shows it to a class")));
        intro.push(String::new());
    }
    if common.json {
        let mut value = json!({
            "dir": cluster.directory().path(),
            "chain": cluster.state().chain_name,
            "detached": cluster.state().detached,
            "seconds": (seconds * 1e3).round() / 1e3,
        });
        if let Some(shown) = &shown {
            value["web"] = json!(shown.url);
            value["web_class"] = json!(shown.class_url);
        }
        value["nodes"] = status::to_json(&status::look(cluster))["nodes"].take();
        line(value);
    } else {
        intro.iter().for_each(line);
    }
    (intro, shown.and_then(|shown| shown.page))
}

/// A page that is shown, by this process or by one of its own.
struct Shown {
    url: String,
    class_url: Option<String>,
    /// Ends when dropped; none for a detached network's.
    page: Option<Page>,
}

/// Shows the page unless told otherwise.
fn shown(arguments: &UpArgs, cluster: &Cluster) -> Result<Option<Shown>> {
    if arguments.no_web && arguments.web.is_none() {
        return Ok(None);
    }
    let listen = arguments.web.map_or_else(|| web::LISTEN_DEFAULT.parse().context("the default address"), Ok)?;
    let options = PageOptions { class: arguments.web_listen, ..PageOptions::new(cluster.directory().clone(), listen) };
    let shown = if cluster.state().detached {
        let (url, class_url) = background::start(&options)?;
        Shown { url, class_url, page: None }
    } else {
        let page = Page::start(options)?;
        let class_url = page.class_url().map(str::to_owned);
        Shown { url: page.url().to_owned(), class_url, page: Some(page) }
    };
    if arguments.open {
        browser::open(&shown.url);
    }
    Ok(Some(shown))
}

/// Ends a network that this process has shown, whatever ended the show.
fn end(mut cluster: Cluster, ended: Result<Ended>, quiet: bool) -> Result<()> {
    if !matches!(ended, Ok(Ended::TakenDown)) {
        let directory = cluster.directory().clone();
        // Without the lock as well: an ending launcher takes its nodes along in any case.
        let _lock = directory.lock();
        cluster.reload()?;
        let killed = cluster.stop()?;
        if !killed.is_empty() {
            eprintln!("warning: {} did not end when asked and were killed", killed.join(", "));
        }
    }
    cluster.reap();
    let ended = ended?;
    if !quiet {
        line(if ended == Ended::TakenDown { "The network was taken down." } else { "The network has ended." });
    }
    Ok(())
}

/// Refuses a plan without some of the nodes that the directory's network has: they would be left behind without a word.
fn keep_nodes(there: &Plan, wanted: &Plan, directory: &Directory) -> Result<()> {
    let dropped: Vec<&str> =
        there.nodes.iter().map(|node| node.name.as_str()).filter(|name| wanted.node(name).is_none()).collect();
    if dropped.is_empty() {
        return Ok(());
    }
    Err(usage(format!(
        "the network in {} has {}, and this would leave out {}; start it without --nodes and --file to go on with all of them \
         (`testoon remove NODE` takes one out), or with --fresh to begin anew",
        directory.path().display(),
        count(there.nodes.len(), "node"),
        dropped.join(", ")
    )))
}

/// A network that runs, or whose launcher does, is not started again.
fn refuse_running(directory: &Directory, program: &str) -> Result<()> {
    let alive = match NetworkState::load(directory) {
        Ok(Some(state)) => state.alive().len(),
        // `--fresh` ends what runs there; without it the state file is missed first.
        Err(_) => 0,
        Ok(None) => stop::holders(directory).len(),
    };
    if alive > 0 || directory.has_launcher() {
        let (path, flag) = (directory.path().display(), directory.flag());
        bail!(
            "a network is running in {path} already ({}); see it with `{program} status{flag}`, end it with `{program} down{flag}`, or start another with --dir",
            count(alive, "node")
        );
    }
    Ok(())
}

/// Where everything is and what to type next.
fn intro(cluster: &Cluster, seconds: f64, program: &str) -> Vec<String> {
    let (state, directory) = (cluster.state(), cluster.directory());
    let flag = directory.flag();
    let number = state.plan.nodes.len();
    let (nodes, run) = (count(number, "node"), if number == 1 { "runs and is" } else { "run and are" });
    let mut lines = vec![
        format!(
            "{nodes} of chain {} {run} connected after {seconds:.2} s; {}",
            state.chain_name,
            directory.path().display()
        ),
        String::new(),
    ];
    let width = state.plan.nodes.iter().map(|node| node.name.len()).max().unwrap_or(0);
    for node in &state.plan.nodes {
        let rpc = state.nodes.get(&node.name).map_or("", |record| record.rpc.as_str());
        let log = directory.log(&node.name);
        let log = if state.host.is_launcher() { format!("  log {}", log.display()) } else { String::new() };
        lines.push(format!("  {:width$}  {:8}  RPC {rpc}{log}", node.name, node.role));
    }
    let elsewhere = if state.detached { "Next:" } else { "Next, in another terminal:" };
    lines.extend([String::new(), elsewhere.to_owned()]);
    let first = state.plan.nodes.first().map_or("", |node| node.name.as_str());
    let mut hints = vec![
        ("pay alice bob 12.5 --wait 1".to_owned(), "a payment, mined"),
        ("accounts".to_owned(), "who has what"),
        ("status".to_owned(), "what every node sees"),
        (format!("rpc {first} getblockchaininfo"), "ask a node (Bitcoin Core's methods)"),
        ("logs --follow".to_owned(), "what the nodes do"),
        ("down".to_owned(), if state.detached { "end the network" } else { "end the network (or Ctrl-C here)" }),
    ];
    if !state.host.is_launcher() {
        hints.retain(|(command, _)| !command.starts_with("logs"));
    }
    if number > 1 {
        let place = hints.len() - 1;
        hints.insert(place, (format!("net partition {first}"), "cut it off; `net heal` joins it again"));
    }
    let width = hints.iter().map(|(command, _)| command.len()).max().unwrap_or(0) + flag.len();
    for (command, what) in hints {
        lines.push(format!("  {program} {:width$}  {what}", format!("{command}{flag}")));
    }
    lines.push(String::new());
    lines
}
