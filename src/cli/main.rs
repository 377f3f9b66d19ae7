//! From a command line to an exit code: reads the configuration, starts the
//! log, and hands over to the sub-command.

use std::path::Path;

use crate::cli::arguments::{Arguments, Check, Command, Engine, Kind};
use crate::cli::exit::Exit;
use crate::cli::{ask, check, completions, console, demo_server, help, live, man, serve, status};
use crate::config::checked::Loaded;
use crate::config::load::this_process;
use crate::config::problem::Problem;
use crate::config::surroundings::{Overrides, Surroundings};
use crate::config::{self, schema};
use crate::limits;
use crate::logging::sink::Sink;
use crate::logging::{self, Settings};
use crate::reload::Source;
use crate::run;
use log::LevelFilter;

/// The file that is read where none is named.
pub const CONFIG_FILE: &str = "mcp-servers.json";

/// Does what the command line says.
pub fn main(arguments: &Arguments) -> Exit {
    match &arguments.command {
        Command::Help { long: true } => console::out(&help::long()),
        Command::Help { long: false } => console::out(&help::short()),
        Command::Version => console::out(&help::version()),
        Command::Generate(Kind::Man) => console::out(&man::page()),
        Command::Generate(Kind::Bash) => console::out(&completions::bash()),
        Command::Generate(Kind::Zsh) => console::out(&completions::zsh()),
        Command::Generate(Kind::Fish) => console::out(&completions::fish()),
        Command::Check(Check::Schema) => console::out(schema::SCHEMA),
        Command::Status { json, watch } => {
            let (json, watch) = (*json, *watch);
            ask_status(arguments, status::Manner { json, watch })
        }
        Command::DemoServer => match demo_server::run() {
            Ok(()) => Exit::Ok,
            Err(error) => {
                console::say(format_args!("demo-server: {error}"));
                Exit::Failure
            }
        },
        Command::Check(Check::File | Check::Live)
        | Command::Serve
        | Command::ServeOne(_)
        | Command::Stdio
        | Command::Tools { .. }
        | Command::Call { .. } => with_config(arguments),
    }
}

/// Asks the gateway of the configuration. That the file has errors by now is no
/// reason not to look: the gateway has started without them.
fn ask_status(arguments: &Arguments, manner: status::Manner) -> Exit {
    let loaded = load(arguments).map(|(loaded, _)| loaded);
    let loaded = loaded.or_else(|problems| {
        for problem in problems {
            console::say(problem);
        }
        let around = this_process().map_err(drop)?;
        config::check::demo(&around, &overrides(arguments)).map_err(drop)
    });
    match loaded {
        Ok(loaded) => status::report(&loaded.config, manner),
        Err(()) => Exit::CannotStart,
    }
}

/// The sub-commands that need a configuration.
fn with_config(arguments: &Arguments) -> Exit {
    let is_check = matches!(arguments.command, Command::Check(_));
    let (loaded, source) = match load(arguments) {
        Ok(loaded) => loaded,
        Err(problems) => {
            for problem in problems {
                console::say(problem);
            }
            return if is_check {
                Exit::Failure
            } else {
                Exit::CannotStart
            };
        }
    };
    if arguments.command == Command::Check(Check::File) {
        return check::report(&loaded);
    }
    if matches!(arguments.command, Command::ServeOne(_)) && !loaded.problems.is_empty() {
        // The one server there is cannot run.
        for problem in &loaded.problems {
            console::say(problem);
        }
        return Exit::CannotStart;
    }
    let log = start_log(arguments, &loaded);
    // `check` prints them itself.
    if !is_check {
        for warning in &loaded.warnings {
            log::warn!("{warning}");
        }
        for problem in &loaded.problems {
            log::error!("{problem}");
        }
    }
    let exit = run_command(arguments, &loaded, source);
    if let Some(log) = log {
        log.stop(limits::LOG_STOP_WAIT);
    }
    exit
}

fn run_command(arguments: &Arguments, loaded: &Loaded, source: Option<Source>) -> Exit {
    let config = &loaded.config;
    let result = match &arguments.command {
        Command::Serve | Command::ServeOne(_) => serve::over_http(
            config,
            source,
            engine(arguments.http_engine),
            arguments.allow_anonymous,
        ),
        Command::Stdio => serve::over_stdio(config, source),
        Command::Check(Check::Live) => live::report(loaded),
        Command::Tools { json } => ask::tools(config, *json),
        Command::Call { tool, arguments } => ask::call(config, tool, arguments.as_deref()),
        _ => Ok(Exit::Ok),
    };
    result.unwrap_or_else(|error| {
        console::say(error);
        Exit::CannotStart
    })
}

/// The configuration that the command line asks for: of a file, of one
/// command, or, where there is neither, of the demo server. With a file, where
/// it can be read again.
fn load(arguments: &Arguments) -> Result<(Loaded, Option<Source>), Vec<Problem>> {
    let overrides = overrides(arguments);
    let around = this_process().map_err(|error| {
        vec![Problem {
            place: config::problem::Place::of("the current directory, or this program"),
            fault: config::problem::Fault::Unreadable(error.to_string()),
        }]
    })?;
    let Some(path) = config_path(arguments) else {
        let loaded = match &arguments.command {
            Command::ServeOne(words) => config::check::single(words.clone(), &around, &overrides),
            // Nothing is served; only where to ask is of interest.
            Command::Status { .. } => config::check::demo(&around, &overrides),
            _ => demo(&around, &overrides),
        };
        return loaded.map(|loaded| (loaded, None));
    };
    let mut source = Source::new(path, around, overrides);
    source.read().map(|loaded| (loaded, Some(source)))
}

fn overrides(arguments: &Arguments) -> Overrides {
    Overrides {
        host: arguments.host.clone(),
        port: arguments.port,
        log_level: arguments.log_level,
    }
}

/// The file to be read, if one is named or lies here.
fn config_path(arguments: &Arguments) -> Option<&Path> {
    if matches!(arguments.command, Command::ServeOne(_)) {
        return None;
    }
    let here = Path::new(CONFIG_FILE);
    arguments
        .config
        .as_deref()
        .or_else(|| here.exists().then_some(here))
}

fn demo(around: &Surroundings<'_>, overrides: &Overrides) -> Result<Loaded, Vec<Problem>> {
    console::say(format_args!(
        "no {CONFIG_FILE} here and no --config: serving the built-in demo server"
    ));
    config::check::demo(around, overrides)
}

/// Starts the log. The sub-commands that print a result are quiet unless asked.
fn start_log(arguments: &Arguments, loaded: &Loaded) -> Option<Sink> {
    let default = match arguments.command {
        Command::Tools { .. } | Command::Call { .. } => LevelFilter::Warn,
        // What would be warned of is in its report.
        Command::Check(_) => LevelFilter::Error,
        _ => LevelFilter::Info,
    };
    let settings = Settings {
        level: loaded.config.log_level.unwrap_or(default),
        format: arguments.log_format,
        place: arguments.log_place(),
    };
    logging::start(settings).ok()
}

fn engine(engine: Engine) -> run::Engine {
    match engine {
        #[cfg(feature = "tiny_http")]
        Engine::TinyHttp => {
            log::warn!(
                "--http-engine tiny_http has no deadlines and few limits: it is for trying and \
                 comparing only"
            );
            run::Engine {
                start: crate::http::tiny::start,
                is_hardened: false,
            }
        }
        // Without the feature the command line refuses the other one.
        _ => run::Engine {
            start: crate::http::server::start,
            is_hardened: true,
        },
    }
}
