//! What went wrong, as gRPC says it: the words of the command line, and a typed detail for programs.

use prost::Message;
use salus_ledger::Error;
use salus_query::{AskError, Malformed, Refusal, Said};
use tonic::{Code, Status};

use crate::desk::Limits;
use crate::house::{Fault, House};
use crate::proto;
use crate::reply::rho;

/// Longest text of a status, in bytes as they travel: in trailers, which clients bound at 8 KiB, and where every byte that is not printable ASCII
/// takes three.
const LONGEST: usize = 800;

/// The status of a question that was not answered. What callers are not told is reported to the operator.
pub(crate) fn of_ask(house: &impl House, error: AskError) -> Status {
    let exhausted = exhausted(&error);
    match error.said() {
        Said::Refused(refusal) => refused(&refusal),
        Said::Exhausted(text) => match exhausted {
            Some(detail) => with(Code::ResourceExhausted, &text, "Exhausted", &detail),
            None => Status::resource_exhausted(text),
        },
        Said::Integrity(text) => of_fault(house, &Fault::Integrity(text)),
        Said::Other(AskError::Ledger(error)) => {
            if let Error::Unavailable(_) | Error::Bug(_) = error {
                house.report(&Fault::Unavailable(error.to_string()));
            }
            Status::new(of_ledger(&error), error.to_string())
        }
        Said::Other(other) => {
            let code = match &other {
                AskError::Purpose => Code::InvalidArgument,
                AskError::NoSnapshot => Code::FailedPrecondition,
                AskError::Unanswered => Code::Aborted,
                AskError::KeyTaken => Code::AlreadyExists,
                AskError::Lake(_) => {
                    return of_fault(house, &Fault::Unavailable(other.to_string()));
                }
                _ => Code::Internal,
            };
            Status::new(code, other.to_string())
        }
    }
}

fn of_ledger(error: &Error) -> Code {
    match error {
        Error::Integrity(_) => Code::DataLoss,
        Error::Busy | Error::Unavailable(_) => Code::Unavailable,
        Error::Refused(_) => Code::FailedPrecondition,
        Error::TooLong => Code::InvalidArgument,
        Error::Stale => Code::Aborted,
        Error::Failed | Error::Bug(_) => Code::Internal,
    }
}

/// Which account is short.
fn exhausted(error: &AskError) -> Option<proto::Exhausted> {
    let short = |account: &str, remaining, until| proto::Exhausted {
        account: account.to_owned(),
        remaining_rho: remaining,
        until,
    };
    match error {
        AskError::Exhausted { remaining } => Some(short("purse", Some(rho(remaining.rho)), None)),
        AskError::LimitReached {
            scope,
            remaining,
            until,
        } => Some(short(scope, Some(rho(remaining.rho)), *until)),
        AskError::TooManyFailures { .. } => Some(short("failures", None, None)),
        _ => None,
    }
}

fn refused(refusal: &Refusal) -> Status {
    let detail = proto::Refusal {
        rule: refusal.rule.to_owned(),
        at: shorten(&refusal.at),
        message: shorten(&refusal.message),
        hint: shorten(&refusal.hint),
    };
    with(
        Code::InvalidArgument,
        &refusal.to_string(),
        "Refusal",
        &detail,
    )
}

/// The status of a request with a field that cannot be meant.
pub(crate) fn malformed(wrong: &Malformed) -> Status {
    let at = match wrong.option {
        "purpose" => "purpose".to_owned(),
        option => format!("options.{option}"),
    };
    let message = format!("{at} {}: {}", wrong.value, wrong.why);
    let detail = proto::Refusal {
        rule: "option".to_owned(),
        at,
        message: shorten(&wrong.why),
        hint: String::new(),
    };
    with(Code::InvalidArgument, &message, "Refusal", &detail)
}

/// Callers learn that the house does not serve, operators why.
pub(crate) fn of_fault(house: &impl House, fault: &Fault) -> Status {
    house.report(fault);
    match fault {
        Fault::Integrity(_) => Status::data_loss(
            "ledger, policy or receipt contradict themselves, and nothing is answered; tell the operator",
        ),
        Fault::Unavailable(_) => {
            Status::unavailable("lake or ledger do not serve; the operator's log says why")
        }
    }
}

/// As many questions as the server takes are at work.
pub(crate) fn busy(limits: Limits) -> Status {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let detail = proto::Busy {
        at_work: number(limits.at_work),
        waiting: number(limits.waiting),
    };
    let text = "as many questions as this server takes are at work; nothing was asked, send it again later";
    with(Code::ResourceExhausted, text, "Busy", &detail)
}

pub(crate) fn stopping() -> Status {
    Status::unavailable("the server is stopping; nothing was asked")
}

/// The text of every failure.
pub(crate) fn failed() -> Status {
    Status::internal(AskError::Failed.to_string())
}

/// A status with one typed detail, in the form of `google.rpc.Status`.
fn with(code: Code, message: &str, name: &str, detail: &impl Message) -> Status {
    let message = shorten(message);
    let rich = tonic_types::Status {
        code: code.into(),
        message: message.clone(),
        details: vec![prost_types::Any {
            type_url: format!("type.googleapis.com/salus.v1.{name}"),
            value: detail.encode_to_vec(),
        }],
    };
    Status::with_details(code, message, rich.encode_to_vec().into())
}

fn shorten(text: &str) -> String {
    let mut length = 0;
    for (at, letter) in text.char_indices() {
        let plain = letter == ' ' || (letter.is_ascii_graphic() && letter != '%');
        length += if plain { 1 } else { 3 * letter.len_utf8() };
        if length > LONGEST {
            return format!("{}…", &text[..at]);
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_fits_the_trailers() {
        for letter in ["a", "%", "\n", "é", "語", "🦠"] {
            let refusal = Refusal {
                rule: "S0",
                at: letter.repeat(20_000),
                message: letter.repeat(20_000),
                hint: letter.repeat(20_000),
            };
            let headers = refused(&refusal).into_http::<()>().headers().clone();
            let length: usize = headers
                .iter()
                .map(|(name, value)| name.as_str().len() + value.len())
                .sum();
            assert!((1_000..8_000).contains(&length), "{letter:?}: {length}");
        }
        assert_eq!(shorten("as it is, 100 °C"), "as it is, 100 °C");
    }
}
