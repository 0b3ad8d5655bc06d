//! `salus grant`: larger caps, of the purse or of a window, as proposals.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use salus_accounting::{Delta, Epsilon, Loss, Rho, rho_for_epsilon};
use salus_ledger::{Account, Ledger};

use crate::accounts;
use crate::arguments::{Format, Grant, Propose};
use crate::failure::Failure;
use crate::home::Home;
use crate::proposal::{Paper, plain};

pub(crate) async fn run(root: &Path, command: &Grant, format: Format) -> Result<(), Failure> {
    let Grant::Propose(propose) = command;
    let home = Home::at(root)?;
    let ledger = home.ledger().await?;
    let done = match &propose.window {
        None => of_purse(&ledger, propose, format).await,
        Some(scope) => of_window(&home, &ledger, scope, propose, format).await,
    };
    ledger.close().await?;
    done
}

async fn of_purse(ledger: &Ledger, propose: &Propose, format: Format) -> Result<(), Failure> {
    let cap = wanted(propose, &ledger.account().await?)?;
    if !cap.fits_within(&ledger.genesis().ceiling) {
        return Err(Failure::usage(
            "the cap would pass the ceiling that the genesis set for ever; a grant cannot do that",
        ));
    }
    let (expires, reason) = (expires(propose), &propose.reason);
    let proposal = ledger.propose_grant(cap, expires, reason).await?;
    Paper::new(proposal).write_new(&propose.out, format)
}

async fn of_window(
    home: &Home,
    ledger: &Ledger,
    scope: &str,
    propose: &Propose,
    format: Format,
) -> Result<(), Failure> {
    let purse = ledger.account().await?;
    if scope == purse.scope {
        return Err(Failure::usage(
            "--window: that is the purse; its lifetime cap is raised without --window",
        ));
    }
    let account = accounts::known(home, scope)?;
    let Some(window) = ledger.window(&account).await? else {
        return Err(unknown(ledger, scope).await?);
    };
    let cap = wanted(propose, &window)?;
    // What is left as it was may be above the purse: a limit whose policy names no delta lets any through.
    let within = Loss {
        rho: if cap.rho == window.cap.rho {
            Rho::ZERO
        } else {
            cap.rho
        },
        delta: if cap.delta == window.cap.delta {
            Delta::ZERO
        } else {
            cap.delta
        },
    };
    if !within.fits_within(&purse.cap) {
        return Err(Failure::usage(format!(
            "the window would be wider than the lifetime cap of {}, which is {}; raise that first, without --window",
            purse.scope, purse.cap
        )));
    }
    let (expires, reason) = (expires(propose), &propose.reason);
    let proposal = ledger
        .propose_window(&account, cap, expires, reason)
        .await?;
    Paper::new(proposal).write_new(&propose.out, format)
}

/// The cap that is asked for, above that of the account.
fn wanted(propose: &Propose, account: &Account) -> Result<Loss, Failure> {
    let wrong = |name: &str, what: String| Failure::usage(format!("{name}: {what}"));
    let rho = match (&propose.epsilon, &propose.rho) {
        (Some(text), _) => {
            let epsilon = Epsilon::parse(text).map_err(|e| wrong("--epsilon", e.to_string()))?;
            rho_for_epsilon(&epsilon, account.conversion_delta)
        }
        (None, Some(text)) => Rho::parse_floor(text).map_err(|e| wrong("--rho", e.to_string()))?,
        (None, None) => account.cap.rho,
    };
    let delta = match &propose.delta {
        Some(text) => Delta::parse_floor(text).map_err(|e| wrong("--delta", e.to_string()))?,
        None => account.cap.delta,
    };
    let cap = Loss { rho, delta };
    if account.cap.fits_within(&cap) && cap != account.cap {
        return Ok(cap);
    }
    Err(Failure::usage(format!(
        "a grant raises the cap, and that of {} is {} now; `salus budget show` shows caps",
        plain(&account.scope),
        account.cap
    )))
}

fn expires(propose: &Propose) -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    now.saturating_add(propose.days.saturating_mul(86_400))
}

/// There is no such window: which there are.
async fn unknown(ledger: &Ledger, scope: &str) -> Result<Failure, Failure> {
    let windows = ledger.windows().await?;
    let known: Vec<&str> = windows.iter().map(|window| window.scope.as_str()).collect();
    let known = match known.as_slice() {
        [] => "no account of the policy in force has periods and a name as yet".to_owned(),
        known => format!("it keeps {}", known.join(", ")),
    };
    let (share, whom) = scope.split_once(':').unwrap_or((scope, ""));
    let why = if share.contains('/') || whom.is_empty() {
        "no limit of the policy in force keeps this account in the present period or a later one"
    } else {
        "a limit without periods is changed by `salus policy apply`; a window is the account of one that has `days` or `hours`"
    };
    Ok(Failure::usage(format!(
        "--window {}: {why}; {known}; `salus policy show` says which limits there are",
        plain(scope)
    )))
}
