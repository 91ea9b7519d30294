//! How a live attack is told: in the terminal, as JSON lines, on the page, and at what pace.

use super::super::Common;
use crate::cluster::directory::{Directory, default_path};
use crate::error::usage;
use crate::interrupt::Interrupt;
use crate::lab::live::story::Listeners;
use crate::observer::recording::Recorder;
use crate::output::line;
use crate::terminal::narrator::Narrator;
use crate::terminal::stepper::Stepper;
use crate::terminal::story_lines::StoryLines;
use crate::web::{self, Page, PageOptions, browser};
use anyhow::Result;
use clap::builder::BoolishValueParser;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The attack's view of the page.
const VIEW: &str = "#/attack";

#[derive(Clone, Debug, Default, clap::Args)]
pub struct TellingArgs {
    /// Live: show the attack in a browser as well, on this address [default: 127.0.0.1:8480, or a free port if that is taken]
    #[arg(long, env = "TESTOON_ATTACK_WEB", value_name = "HOST:PORT", num_args = 0..=1, default_missing_value = web::LISTEN_DEFAULT)]
    pub web: Option<SocketAddr>,
    /// With --web: open the page in the browser
    #[arg(long, env = "TESTOON_OPEN", value_parser = BoolishValueParser::new())]
    pub open: bool,
    /// Live: stop at each step of the story until Enter is pressed; all miners pause meanwhile
    #[arg(long, env = "TESTOON_STEP", value_parser = BoolishValueParser::new())]
    pub step: bool,
    /// Live: stop at each step of the story for this many seconds; all miners pause meanwhile
    #[arg(long, env = "TESTOON_PACE", value_name = "SECONDS", conflicts_with = "step", value_parser = parse_pace)]
    pub pace: Option<f64>,
    /// Live: leave the nodes running after the verdict, their miners paused, until Ctrl-C
    #[arg(long, env = "TESTOON_KEEP", value_parser = BoolishValueParser::new())]
    pub keep: bool,
}

fn parse_pace(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=3_600.0).contains(&seconds) => Ok(seconds),
        _ => Err("a pace is a number of seconds from 0 to 3600".into()),
    }
}

impl TellingArgs {
    /// Each option, whether it was given.
    pub fn given(&self) -> [(&'static str, bool); 5] {
        [
            ("--web", self.web.is_some()),
            ("--open", self.open),
            ("--step", self.step),
            ("--pace", self.pace.is_some()),
            ("--keep", self.keep),
        ]
    }

    /// Who is told, a recording among them, and the page if one is shown; it lasts as long as it is held.
    ///
    /// # Errors
    /// `--open` without `--web`, or the address given cannot be listened on.
    pub fn listeners(
        &self,
        common: &Common,
        head: Value,
        interrupt: &Interrupt,
    ) -> Result<(Listeners, Option<Arc<Page>>)> {
        if self.open && self.web.is_none() {
            return Err(usage("--open opens the page that --web shows: give both"));
        }
        let directory = match &common.dir {
            Some(path) => path.clone(),
            None => default_path()?.with_file_name("attack"),
        };
        let directory = Directory::create(Some(&directory))?;
        let mut listeners = Listeners::default();
        let (steps, stepped) = std::sync::mpsc::channel();
        let page = match self.web {
            Some(listen) => {
                let directory = directory.clone();
                let attack = Some(steps.clone());
                Some(Arc::new(Page::start(PageOptions { attack, ..PageOptions::new(directory, listen) })?))
            }
            None => None,
        };
        let waits = self.step;
        if common.json {
            listeners.add(Arc::new(StoryLines::new(waits, line)));
        } else {
            listeners.add(Arc::new(Narrator::new()));
        }
        if let Some(page) = &page {
            let url = format!("{}{VIEW}", page.url());
            if !common.json {
                line(format_args!("{url} shows it in a browser"));
            }
            page.begin();
            let told = page.clone();
            listeners.add(Arc::new(StoryLines::new(waits, move |line| told.tell(line))));
            if self.open {
                browser::open(&url);
            }
        }
        match Recorder::create(&Directory::recordings_in(directory.path()), "attack", head) {
            Ok(recorder) => listeners.add(Arc::new(StoryLines::new(false, move |line| recorder.line(&line)))),
            Err(error) => eprintln!("warning: the attack is not recorded: {error:#}"),
        }
        if self.step {
            listeners.add(Arc::new(Stepper::by_key(interrupt.clone(), (steps, stepped), !common.json)?));
        } else if let Some(seconds) = self.pace {
            listeners
                .add(Arc::new(Stepper::Pace { pause: Duration::from_secs_f64(seconds), interrupt: interrupt.clone() }));
        }
        Ok((listeners, page))
    }
}
