//! The `salus` command.

mod accounts;
mod anchors;
mod arguments;
mod booking;
mod commands;
mod crash;
mod failure;
mod files;
mod home;
mod memory;
mod names;
mod notary;
mod output;
mod progress;
mod proposal;
mod settings;
mod tokens;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use failure::Failure;

/// Plans are trees and are walked on the stack.
const STACK: usize = 32 << 20;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    crash::say_place_only();
    let format = arguments.format;
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK)
        .build()
        .map_err(Failure::from)
        .and_then(|runtime| {
            // On a worker, which has the larger stack.
            let done = runtime.spawn(async move { run(&arguments).await });
            runtime
                .block_on(done)
                .map_err(|_| Failure::Other(anyhow::anyhow!("internal error")))?
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report(format);
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let home = arguments.home();
    let format = arguments.format;
    match &arguments.command {
        Command::Init(command) => commands::init::run(&home, command, format).await,
        Command::Synth(command) => commands::synth::run(&home, command, format).await,
        Command::Ingest(command) => commands::ingest::run(&home, command, format).await,
        Command::View(command) => commands::view::run(&home, command, format).await,
        Command::Quarantine(command) => commands::quarantine::run(&home, command, format).await,
        Command::Expunge(command) => commands::quarantine::expunge(&home, command, format).await,
        Command::Vacuum(command) => commands::vacuum::run(&home, command, format).await,
        Command::Identity(command) => commands::identity::run(&home, command, format).await,
        Command::Quality(command) => commands::quality::run(&home, command, format).await,
        Command::Codes(command) => commands::quality::codes(&home, command, format).await,
        Command::Tables => commands::catalog::tables(&home, format),
        Command::Catalog(command) => commands::catalog::run(&home, command, format),
        Command::Query(command) => commands::query::run(&home, command, format).await,
        Command::Explain(command) => commands::explain::run(&home, command, format).await,
        Command::Suggest(command) => commands::suggest::run(&home, command, format).await,
        Command::Budget(command) => commands::budget::run(&home, command, format).await,
        Command::Policy(command) => commands::policy::run(&home, command, format).await,
        Command::Ledger(command) => commands::ledger::run(&home, command, format).await,
        Command::Receipt(command) => commands::receipt::run(&home, command, format),
        Command::Key(command) => commands::key::run(&home, command, format).await,
        Command::Officer(command) => commands::officer::run(&home, command, format).await,
        Command::Grant(command) => commands::grant::run(&home, command, format).await,
        Command::Proposal(command) => commands::proposal::run(&home, command, format).await,
        Command::Witness(command) => commands::witness::run(&home, command, format).await,
        Command::Anchor(command) => commands::anchor::run(&home, command, format).await,
        Command::Serve(command) => commands::serve::run(&home, command, format).await,
        Command::Completions { shell } => {
            arguments::completions(*shell);
            Ok(())
        }
    }
}
