//! `salus serve`.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use salus_ledger::Ledger;
use salus_query::{Asked, Engine};
use salus_server::{Door, DoorError, Fault, House, Limits, Tls, proto};
use serde_json::json;
use tokio::sync::Mutex;

use super::query::{keep, prove, user};
use crate::arguments::{Format, Listen, Serve, ServeCommand, Token};
use crate::failure::Failure;
use crate::home::Home;
use crate::memory::Memory;
use crate::output::{Rows, print, time};
use crate::settings::Settings;
use crate::tokens::Tokens;

pub(crate) async fn run(root: &Path, command: &Serve, format: Format) -> Result<(), Failure> {
    match &command.command {
        None => serve(root, &command.listen, format).await,
        Some(ServeCommand::Token(command)) => tokens(root, command, format),
        Some(ServeCommand::Proto) => {
            print!("{}", proto::FILE);
            Ok(())
        }
    }
}

fn tokens(root: &Path, command: &Token, format: Format) -> Result<(), Failure> {
    let home = Home::at(root)?;
    let tokens = Tokens::of(home.root());
    match command {
        Token::Add { user: named } => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.map_or(0, |since| since.as_secs());
            let (known, token) = tokens.add(&user(Some(named))?, now)?;
            // What she asks stands in the log under a pseudonym, and officers see whose that is.
            home.acting(&known.user)?;
            let mut rows = Rows::new(&["id", "user", "token"]);
            rows.push([
                known.id.clone(),
                known.user.clone(),
                token.reveal().to_owned(),
            ]);
            let json = json!({"id": known.id, "user": known.user, "token": token.reveal()});
            print(format, &rows, &json);
            if format == Format::Table {
                println!(
                    "This is the only time that the token is shown; the home keeps its SHA-256."
                );
            }
        }
        Token::List => {
            let known = tokens.list()?;
            let mut rows = Rows::new(&["id", "user", "made"]);
            for token in &known {
                rows.push([token.id.clone(), token.user.clone(), time(token.made)]);
            }
            let json = known
                .iter()
                .map(|token| json!({"id": token.id, "user": token.user, "made": token.made}));
            print(format, &rows, &json!({"tokens": json.collect::<Vec<_>>()}));
        }
        Token::Revoke { id } => {
            let revoked = tokens.revoke(id)?;
            let mut rows = Rows::new(&["revoked", "user"]);
            rows.push([revoked.id.clone(), revoked.user.clone()]);
            print(
                format,
                &rows,
                &json!({"revoked": revoked.id, "user": revoked.user}),
            );
        }
    }
    Ok(())
}

async fn serve(root: &Path, listen: &Listen, format: Format) -> Result<(), Failure> {
    let home = Home::at(root)?;
    let tls = tls(listen)?;
    let door = Door::open(listen.address, tls.as_ref())
        .await
        .map_err(|error| match error {
            DoorError::InTheClear(_) | DoorError::Tls(_) => Failure::usage(error.to_string()),
            other => other.into(),
        })?;
    let house = Arc::new(Served::new(home));
    // What would keep it from answering is said before anybody asks.
    house.in_force().await?;
    let signals = signals()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", door.address());
    let mut rows = Rows::new(&["address", "tokens"]);
    let tokens = house.tokens.list()?.len();
    rows.push([url.clone(), tokens.to_string()]);
    print(format, &rows, &json!({"url": url, "tokens": tokens}));
    let limits = Limits {
        at_work: listen.at_work as usize,
        waiting: listen.waiting as usize,
        ..Limits::default()
    };
    door.serve(Arc::clone(&house), limits, signals).await?;
    house.close().await
}

fn tls(listen: &Listen) -> Result<Option<Tls>, Failure> {
    let read =
        |file: &Path| fs::read(file).with_context(|| format!("cannot read {}", file.display()));
    let (Some(certificate), Some(key)) = (&listen.tls_cert, &listen.tls_key) else {
        return Ok(None);
    };
    Ok(Some(Tls {
        certificate: read(certificate)?,
        key: read(key)?,
        client_ca: listen.client_ca.as_deref().map(read).transpose()?,
    }))
}

/// Resolves at the first SIGINT or SIGTERM. At the second the process ends as it would without us, which loses no money: what was reserved
/// stays spent.
fn signals() -> Result<impl Future<Output = ()> + Send, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        eprintln!(
            "salus serve: finishing the questions that were taken; a second signal ends at once"
        );
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            std::process::exit(1);
        });
    })
}

/// A home that is served. Lake, catalog and policy are opened for each question, as by a command; the ledger is held, because opening reads all
/// of it, for as long as it is the one that a command would open.
struct Served {
    home: Home,
    tokens: Tokens,
    held: Mutex<Option<Held>>,
}

/// A ledger that is open, and where it was said to be.
struct Held {
    ledger: Ledger,
    settings: Settings,
}

impl Held {
    /// Whether it is the one that these settings name, signs with the key in force, and has what this user has seen of it.
    async fn still(&self, settings: &Settings) -> bool {
        let ledger = &self.ledger;
        let keys = ledger.vkeys().await;
        let memory = Memory::of(&ledger.genesis().origin);
        *settings == self.settings
            && keys.is_ok_and(|keys| keys.last() == Some(&ledger.vkey()))
            && matches!(memory, Ok(memory) if memory.check(ledger).await.is_ok())
    }
}

impl Served {
    fn new(home: Home) -> Self {
        Self {
            tokens: Tokens::of(home.root()),
            home,
            held: Mutex::new(None),
        }
    }

    /// The ledger as a command would open it now.
    async fn in_force(&self) -> Result<Ledger, Failure> {
        let settings = Settings::read(self.home.root())?;
        let mut held = self.held.lock().await;
        if let Some(known) = held.take()
            && known.still(&settings).await
        {
            return Ok(held.insert(known).ledger.clone());
        }
        let ledger = self.home.ledger().await?;
        Ok(held.insert(Held { ledger, settings }).ledger.clone())
    }

    async fn close(&self) -> Result<(), Failure> {
        if let Some(Held { ledger, .. }) = self.held.lock().await.take() {
            ledger.close().await?;
        }
        Ok(())
    }
}

impl House for Served {
    fn bearer(&self, token: &str) -> Result<Option<String>, Fault> {
        let Some(user) = self.tokens.user_of(token).map_err(fault)? else {
            return Ok(None);
        };
        self.home.pseudonym(&user).map(Some).map_err(fault)
    }

    async fn engine(&self) -> Result<Engine, Fault> {
        let ledger = self.in_force().await.map_err(fault)?;
        self.home.engine_over(ledger).await.map_err(fault)
    }

    async fn prices(&self) -> Result<Engine, Fault> {
        let ledger = self.in_force().await.map_err(fault)?;
        self.home.prices_over(ledger).await.map_err(fault)
    }

    async fn ledger(&self) -> Result<Ledger, Fault> {
        self.in_force().await.map_err(fault)
    }

    async fn prove(&self, asked: &Asked) -> Result<String, Fault> {
        let ledger = self.in_force().await.map_err(fault)?;
        let key = prove(asked, &ledger).await.map_err(fault)?;
        keep(&self.home, &ledger.genesis().origin, asked);
        Ok(key)
    }

    async fn distrust(&self) {
        // Questions that are at work hold it until they are done.
        self.held.lock().await.take();
    }

    fn report(&self, fault: &Fault) {
        eprintln!("salus serve: {fault}");
    }
}

fn fault(failure: Failure) -> Fault {
    match failure {
        Failure::Integrity(text) => Fault::Integrity(text),
        other => Fault::Unavailable(other.message()),
    }
}
