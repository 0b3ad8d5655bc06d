//! Noise: the only crate that names [OpenDP](https://docs.rs/opendp).
//!
//! One operation, [`add_noise`]: exact integers in, noisy integers out. The noise is OpenDP's `sample_discrete_gaussian` or
//! `sample_discrete_laplace`, the exact rejection samplers of Canonne, Kamath and Steinke 2020 ("The Discrete Gaussian for Differential
//! Privacy", algorithms 3 and 2), which work on rationals alone: the distribution is that of the definition, not of a rounded float.
//!
//! ```
//! use salus_accounting::{Noise, Rational};
//! use salus_mechanisms::add_noise;
//!
//! let persons_per_group = vec![120, 0, 41];
//! let noisy = add_noise(vec![persons_per_group], &[(Noise::DiscreteGaussian, Rational::from(20))])?;
//! assert_eq!(noisy[0].len(), 3);
//! # Ok::<(), salus_mechanisms::MechanismError>(())
//! ```
//!
//! # What the randomness relies on
//!
//! OpenDP is built here without its `use-openssl` feature. Its `fill_bytes` (`traits/samplers/mod.rs`) then reads
//! `rand::thread_rng()` of rand 0.7, and the crate doc there calls this source non-secure because it is no certified one. In fact it is:
//!
//! * ChaCha20 (`rand_chacha` 0.2 behind `StdRng`), one generator in each thread's local storage, created at the thread's first draw;
//! * seeded with 32 bytes of `OsRng` (`getrandom` 0.1: the `getrandom(2)` system call on Linux, which blocks until the kernel's
//!   pool is initialised; `/dev/urandom` on kernels without it). When seeding fails, `thread_rng` panics, and the call ends in
//!   [`MechanismError::Unavailable`];
//! * seeded again from `OsRng` after every 64 KiB of output, and after a `fork` of the process. When *re*-seeding fails the old
//!   generator goes on, silently: its output is still that of ChaCha20 under a seed which was good.
//!
//! A generator that lives as long as its thread would repeat its output when a memory image of the process is restored. So
//! every call draws in threads of its own: each begins with a fresh seed from the operating system and ends with the call.
//! What remains: an image taken *during* a call, and a kernel that itself repeats its pool after a restore (Linux re-seeds on
//! `vmgenid`, where the hypervisor offers it). Neither is visible from here.
//!
//! **The sampler's running time depends on the noise it draws**; callers that publish times must hide it.
//!
//! **Architecture invariant:** exact values never enter OpenDP, a thread, an error or a message. The sampling threads know the scale
//! and how many draws are wanted; the sum is formed afterwards in the caller's own thread.

#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod noise;

pub use noise::{MechanismError, add_noise};
