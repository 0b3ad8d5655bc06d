//! Exact privacy accounting: the arithmetic of the books.
//!
//! Every loss is a pair ([`Rho`], [`Delta`]) of whole units, so that adding is exact and two programs that keep the same books
//! agree to the last bit. Whatever is *spent* is rounded up, whatever is *granted* is rounded down, and no float occurs.
//!
//! | quantity | meaning | unit |
//! |---|---|---|
//! | [`Rho`] | zero-concentrated differential privacy (Bun, Steinke 2016) | 2^-40 |
//! | [`Delta`] | probability that a release is not covered by its rho | 2^-80 |
//! | [`Rational`] | sensitivities and noise scales | exact |
//! | [`Epsilon`] | what people are shown; never added up | exact |
//!
//! The loss of a [`Noise`] is [`rho_of`], its inverse [`sigma_for`]; [`epsilon_of`] and [`rho_for_epsilon`] convert between
//! the books and what people are shown; [`threshold_delta`] is the price of keys that are not public, [`Weights`] how a person is spread over many of them; [`total_delta`] and [`split_delta`] put booked delta and conversion delta together.
//!
//! ```
//! use salus_accounting::{Delta, Rational, Rho, epsilon_of, rho_of, sigma_for};
//!
//! let rho = Rho::parse_floor("0.005")?;
//! let sensitivity2 = Rational::from(9); // a person moves each count by at most 3, and touches one group
//! let sigma = sigma_for(&sensitivity2, rho).expect("rho is not zero");
//! assert_eq!(rho_of(&sensitivity2, &sigma), Some(rho));
//! assert_eq!(sigma.to_decimal_string(3), "30.000");
//!
//! let shown = epsilon_of(rho, Delta::parse_floor("1e-6")?);
//! assert_eq!(shown.to_string(), "0.4300");
//! # Ok::<(), salus_accounting::AccountingError>(())
//! ```
//!
//! **Architecture invariant:** this crate reads no data, no clock and no file, and knows nothing of queries.
//! The arguments behind the roundings are in `docs/proofs/accounting.md`.

#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::float_arithmetic
    )
)]

mod conversion;
mod decimal;
mod delta;
mod epsilon;
mod error;
mod fixed;
mod fixed_exp;
mod loss;
mod noise;
mod price;
mod rational;
mod rho;
mod threshold;
mod weights;

pub use conversion::{epsilon_of, rho_for_epsilon};
pub use dashu::integer::UBig;
pub use delta::{Delta, split_delta, total_delta};
pub use epsilon::Epsilon;
pub use error::AccountingError;
pub use loss::Loss;
pub use noise::{Noise, rho_of_pure};
pub use price::{rho_of, sigma_for};
pub use rational::Rational;
pub use rho::Rho;
pub use threshold::{threshold_above, threshold_delta};
pub use weights::Weights;
