//! From the wire to an asking.

use salus_query::{Asking, Malformed, Options};
use tonic::Status;

use crate::caller::Caller;
use crate::proto::{self, options::Price};
use crate::status::malformed;

/// For those who do not say what they ask for; the same as the command line's.
const PURPOSE: &str = "PUBHLTH";

/// The statement, and how the caller asks it.
///
/// # Errors
/// `INVALID_ARGUMENT` with the field that cannot be meant.
pub(crate) fn asking(
    question: proto::Question,
    caller: &Caller,
) -> Result<(String, Asking), Status> {
    let purpose = match question.purpose.trim() {
        "" => PURPOSE,
        purpose => purpose,
    };
    let options = options(question.options.unwrap_or_default());
    let asking = options.and_then(|options| options.asking(caller.0.clone(), purpose));
    Ok((question.sql, asking.map_err(|wrong| malformed(&wrong))?))
}

fn options(said: proto::Options) -> Result<Options, Malformed> {
    let mut options = Options {
        confidence: said.confidence,
        delta: said.delta,
        expect_rows: said.expect_rows,
        rows_per_person: said.rows_per_person,
        groups_per_person: said.groups_per_person,
        weigh: said.weigh,
        noise: noise(said.noise)?,
        fresh: said.fresh,
        retry_key: said.retry_key,
        ..Options::default()
    };
    match said.price {
        None => {}
        Some(Price::Epsilon(text)) => options.epsilon = Some(text),
        Some(Price::Rho(text)) => options.rho = Some(text),
        Some(Price::Within(text)) => options.within = Some(text),
    }
    Ok(options)
}

/// A distribution that this version does not know is not taken for another.
fn noise(number: i32) -> Result<salus_accounting::Noise, Malformed> {
    match proto::Noise::try_from(number) {
        Ok(proto::Noise::Unspecified | proto::Noise::Gaussian) => {
            Ok(salus_accounting::Noise::DiscreteGaussian)
        }
        Ok(proto::Noise::Laplace) => Ok(salus_accounting::Noise::DiscreteLaplace),
        Err(_) => Err(Malformed {
            option: "noise",
            value: number.to_string(),
            why: "there is no such distribution".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use salus_accounting::Noise;
    use salus_query::Price as Asked;

    use super::*;

    fn ask(options: proto::Options) -> Result<Asking, Status> {
        let question = proto::Question {
            options: Some(options),
            ..proto::Question::default()
        };
        asking(question, &Caller("p-1".to_owned())).map(|(_, asking)| asking)
    }

    #[test]
    fn every_field_reaches_the_asking() {
        let asking = ask(proto::Options {
            price: Some(Price::Within("20".to_owned())),
            confidence: Some("0.9".to_owned()),
            expect_rows: Some(3),
            rows_per_person: Some(4),
            groups_per_person: Some(5),
            weigh: true,
            noise: proto::Noise::Laplace.into(),
            fresh: true,
            retry_key: Some("k".to_owned()),
            delta: Some("1e-9".to_owned()),
        })
        .unwrap();
        assert!(matches!(asking.price, Asked::Within(_)));
        assert_eq!(asking.principal, "p-1");
        assert_eq!(asking.purpose, PURPOSE);
        assert_eq!(asking.expected_rows, Some(3));
        assert_eq!(asking.rows_per_person, Some(4));
        assert_eq!(asking.groups_per_person, Some(5));
        assert!(asking.weigh && asking.fresh && asking.delta.is_some());
        assert_eq!(asking.noise, Noise::DiscreteLaplace);
        assert_eq!(asking.retry.as_deref(), Some("k"));
        let nothing = ask(proto::Options::default()).unwrap();
        assert_eq!(nothing.price, Asked::Default);
        assert_eq!(nothing.noise, Noise::DiscreteGaussian);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let unknown = ask(proto::Options {
            noise: 7,
            ..proto::Options::default()
        });
        assert!(
            unknown
                .unwrap_err()
                .message()
                .starts_with("options.noise 7")
        );
        let zero = ask(proto::Options {
            price: Some(Price::Rho("0".to_owned())),
            ..proto::Options::default()
        });
        assert_eq!(zero.unwrap_err().code(), tonic::Code::InvalidArgument);
    }
}
