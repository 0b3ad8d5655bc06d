//! Rules P1 to P5: the price follows from the certificate, or there is none.

use salus_accounting::{Delta, Loss, Noise, Rational, Rho};
use salus_certificate::{
    Aggregate, Bounds, Certificate, CertificateError, EntryIndex, Mechanism, Step, Threshold,
    Weighted, sensitivity2,
};

fn step(rule: &str, inputs: &[u64], table: Option<&str>, rows: u64) -> Step {
    Step {
        rule: rule.to_owned(),
        op: rule.to_lowercase(),
        inputs: inputs.to_vec(),
        table: table.map(str::to_owned),
        rows,
    }
}

/// Encounters (at most 50 rows of a person), filtered, joined to patients, 3 rows of a person counted in 2 groups.
fn certificate() -> Certificate {
    let bounds = Bounds {
        step: 5,
        rows_per_person: 3,
        groups_per_person: 2,
        cells: 12,
        weighted: None,
    };
    let mechanism = |aggregate, bound, sigma| {
        Mechanism::new(
            Noise::DiscreteGaussian,
            aggregate,
            bound,
            &bounds,
            Rational::from(sigma),
        )
        .unwrap()
    };
    Certificate {
        dataset: EntryIndex(2),
        snapshot: EntryIndex(5),
        catalog: EntryIndex(3),
        policy: EntryIndex(4),
        unit: "person_id".to_owned(),
        steps: vec![
            step("S0", &[], Some("encounter"), 50),
            step("S1", &[0], None, 50),
            step("S0", &[], Some("patient"), 1),
            step("S2", &[1, 2], None, 50),
            step("S4", &[3], None, 7),
            step("RELEASE", &[4], None, 3),
        ],
        mechanisms: vec![
            mechanism(Aggregate::Persons, 1, 20),
            mechanism(Aggregate::Rows, 1, 60),
            mechanism(Aggregate::CentredSum, 400, 30_000),
            mechanism(Aggregate::Sum, 300, 30_000),
        ],
        releases: vec![bounds],
        keys: [1; 32],
    }
}

fn rule(certificate: &Certificate) -> &'static str {
    match certificate.price() {
        Err(CertificateError::Rule { rule, .. }) => rule,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_price_is_the_sum_over_mechanisms_in_units_rounded_up() {
    let loss = certificate().price().unwrap();
    let rho = |sensitivity2: u64, sigma: u64| {
        let numerator = u128::from(sensitivity2) << 40;
        u64::try_from(numerator.div_ceil(u128::from(2 * sigma * sigma))).unwrap()
    };
    let expected =
        rho(2, 20) + rho(9 * 2, 60) + rho(1200 * 1200 * 2, 30_000) + rho(900 * 900 * 2, 30_000);
    assert_eq!(loss, Loss::from_rho(Rho::from_units(expected)));
    // Not below the exact sum, and at most one unit above for each mechanism.
    let exact = 2.0 / 800.0 + 18.0 / 7200.0 + 2_880_000.0 / 1.8e9 + 1_620_000.0 / 1.8e9;
    let units = exact * 2_f64.powi(40);
    #[expect(clippy::cast_precision_loss, reason = "about 2^33")]
    let booked = expected as f64;
    assert!(
        booked >= units - 1e-3 && booked < units + 4.0,
        "{booked} {units}"
    );
}

#[test]
fn sensitivities_are_those_of_the_table() {
    let bounds = |k, groups| Bounds {
        step: 5,
        rows_per_person: k,
        groups_per_person: groups,
        cells: 1,
        weighted: None,
    };
    let gaussian = Noise::DiscreteGaussian;
    let of = |aggregate, bound, k, l0| sensitivity2(gaussian, aggregate, bound, &bounds(k, l0));
    let number = |n: u128| Ok(Rational::from(n));
    assert_eq!(of(Aggregate::Persons, 1, 7, 5), number(5));
    assert_eq!(of(Aggregate::Rows, 1, 7, 5), number(245));
    assert_eq!(of(Aggregate::Sum, 10, 7, 5), number(24_500));
    assert_eq!(of(Aggregate::CentredSum, 10, 7, 5), number(24_500));
    assert_eq!(of(Aggregate::Sum, 0, 7, 5), number(0));
    assert!(of(Aggregate::Persons, 2, 1, 1).is_err());
    assert!(of(Aggregate::Persons, 0, 1, 1).is_err());
    assert!(of(Aggregate::Rows, 2, 1, 1).is_err());
    assert!(of(Aggregate::Persons, 1, 0, 1).is_err());
    assert!(of(Aggregate::Persons, 1, 1, 0).is_err());
    assert_eq!(of(Aggregate::CentredSquare, 10, 7, 5), number(24_500));
    assert_eq!(of(Aggregate::Values, 1, 7, 5), number(245));
    assert!(of(Aggregate::Values, 2, 7, 5).is_err());
    assert_eq!(of(Aggregate::Tree, 3, 7, 5), number(735));
    // The largest that the format can say does not wrap.
    let most = of(Aggregate::Sum, u64::MAX, u64::MAX, u64::MAX).unwrap();
    let max = Rational::from(u128::from(u64::MAX));
    assert_eq!(most, max.product(&max).square().product(&max));
}

/// Laplace noise is priced by the L1 norm: everything that a person brings is added up.
#[test]
fn sensitivities_in_the_other_norm() {
    let bounds = Bounds {
        step: 5,
        rows_per_person: 7,
        groups_per_person: 5,
        cells: 1,
        weighted: None,
    };
    let of = |aggregate, bound| sensitivity2(Noise::DiscreteLaplace, aggregate, bound, &bounds);
    let square = |n: u128| Ok(Rational::from(n * n));
    assert_eq!(of(Aggregate::Persons, 1), square(5));
    assert_eq!(of(Aggregate::Rows, 1), square(35));
    assert_eq!(of(Aggregate::Values, 1), square(35));
    assert_eq!(of(Aggregate::Sum, 10), square(350));
    assert_eq!(of(Aggregate::CentredSquare, 10), square(350));
    assert_eq!(of(Aggregate::Tree, 3), square(105));
    assert!(of(Aggregate::Rows, 2).is_err());
}

/// Weights scale the unit of what is counted, and nothing else; they are for sums in the L2 norm.
#[test]
fn sensitivities_of_persons_who_are_weighted() {
    let bounds = Bounds {
        step: 5,
        rows_per_person: 7,
        groups_per_person: 5,
        cells: 0,
        weighted: Some(Weighted {
            unit: 100,
            groups: 40,
        }),
    };
    let gaussian =
        |aggregate, bound| sensitivity2(Noise::DiscreteGaussian, aggregate, bound, &bounds);
    let number = |n: u128| Ok(Rational::from(n * 10_000));
    assert_eq!(gaussian(Aggregate::Persons, 1), number(5));
    assert_eq!(gaussian(Aggregate::Rows, 1), number(245));
    assert_eq!(gaussian(Aggregate::CentredSum, 10), number(24_500));
    assert!(gaussian(Aggregate::Values, 1).is_err());
    assert!(gaussian(Aggregate::Tree, 3).is_err());
    let laplace = sensitivity2(Noise::DiscreteLaplace, Aggregate::Persons, 1, &bounds);
    assert!(laplace.is_err());

    // A threshold costs more the more groups count: beside sigma it hardly matters that they weigh less.
    let threshold = Threshold {
        minimum: 5,
        tau: 105,
    };
    let sigma = Rational::from(20 * 100);
    let delta = |groups| {
        let weighted = Some(Weighted { unit: 100, groups });
        let bounds = Bounds {
            weighted,
            ..bounds.clone()
        };
        threshold.delta(Noise::DiscreteGaussian, &sigma, &bounds)
    };
    let even = Bounds {
        weighted: None,
        ..bounds.clone()
    };
    let even = threshold.delta(Noise::DiscreteGaussian, &Rational::from(20), &even);
    // The lattice is finer, and so is the bound.
    assert!(delta(5).unwrap() > even.unwrap());
    assert!(delta(6).unwrap() > delta(5).unwrap());
    assert!(delta(40).unwrap() > delta(6).unwrap());
    assert_eq!(delta(4), None);
    assert_eq!(delta(2_000), None);
}

/// Each edit breaks one rule; the untouched certificate breaks none.
#[test]
fn every_rule_is_checked() {
    type Edit = fn(&mut Certificate);
    certificate().price().unwrap();
    let edits: &[(&str, Edit)] = &[
        ("P1", |c| c.steps.clear()),
        ("P1", |c| drop(c.steps.pop())),
        ("P1", |c| c.steps.push(step("S1", &[5], None, 3))),
        ("P1", |c| "RELEASE".clone_into(&mut c.steps[1].rule)),
        ("P1", |c| "S9".clone_into(&mut c.steps[1].rule)),
        ("P1", |c| "s1".clone_into(&mut c.steps[1].rule)),
        ("P1", |c| c.steps[1].inputs = vec![1]),
        ("P1", |c| c.steps[1].inputs = vec![4]),
        ("P1", |c| c.steps[1].inputs = vec![u64::MAX]),
        ("P1", |c| c.steps[1].inputs.clear()),
        ("P1", |c| c.steps[5].inputs.clear()),
        ("P1", |c| c.steps[0].table = None),
        ("P1", |c| c.steps[2].inputs = vec![0]),
        ("P1", |c| c.steps[3].table = Some("encounter".to_owned())),
        ("P1", |c| "S0p".clone_into(&mut c.steps[1].rule)),
        ("P2", |c| c.steps[4].inputs = vec![3, 3]),
        ("P1", |c| c.steps[5].rows = 4),
        ("P2", |c| c.steps[1].rows = 51),
        ("P2", |c| c.steps[1].rows = 0),
        ("P2", |c| c.steps[4].rows = 51),
        ("P2", |c| c.steps[4].rows = 0),
        ("P3", |c| c.releases[0].groups_per_person = 3),
        ("P3", |c| c.releases[0].groups_per_person = 0),
        ("P3", |c| c.releases[0].cells = 0),
        ("P3", |c| c.mechanisms[0].release = 1),
        ("P3", |c| c.mechanisms[0].values = 2),
        ("P3", |c| {
            c.mechanisms[0].threshold = Some(Threshold {
                minimum: 1,
                tau: 99,
            });
        }),
        ("P1", |c| c.releases[0].step = 4),
        ("P1", |c| c.releases.push(c.releases[0].clone())),
        ("P1", |c| c.releases.clear()),
        ("P1", |c| c.steps[4].inputs = vec![5]),
        ("P2", |c| {
            c.steps[4].rule = "S6".into();
            c.steps[4].inputs = vec![0, 1];
            c.steps[4].rows = 101;
        }),
        ("P2", |c| {
            c.steps[4].rule = "S5".into();
            c.steps[4].inputs = vec![0, 1];
        }),
        ("P3", |c| {
            c.releases[0].rows_per_person = 4;
            c.steps[5].rows = 4;
        }),
        ("P3", |c| c.mechanisms[0].kind = Noise::DiscreteLaplace),
        ("P3", |c| {
            c.releases[0].weighted = Some(Weighted { unit: 2, groups: 9 });
        }),
        ("P3", |c| c.mechanisms[0].bound = 2),
        ("P3", |c| c.mechanisms[1].bound = 2),
        ("P3", |c| c.mechanisms[2].bound = 401),
        ("P3", |c| c.mechanisms[0].aggregate = Aggregate::Rows),
        ("P3", |c| c.mechanisms[2].sensitivity2 = Rational::from(1)),
        ("P4", |c| {
            c.mechanisms[0].rho = Rho::from_units(c.mechanisms[0].rho.units() - 1);
        }),
        ("P4", |c| {
            c.mechanisms[0].rho = Rho::from_units(c.mechanisms[0].rho.units() + 1);
        }),
        ("P4", |c| c.mechanisms[0].sigma = Rational::from(19)),
        ("P4", |c| c.mechanisms[0].sigma = Rational::ZERO),
        ("P4", |c| {
            c.mechanisms[0].delta = Delta::from_units(1).unwrap();
        }),
        ("P5", |c| c.mechanisms.clear()),
    ];
    for (number, (expected, edit)) in edits.iter().enumerate() {
        let mut certificate = certificate();
        edit(&mut certificate);
        assert_eq!(rule(&certificate), *expected, "edit {number}");
    }
}

#[test]
fn an_unbounded_input_bounds_nothing_and_any_bound_may_follow() {
    let mut certificate = certificate();
    certificate.steps[0].rows = 0;
    certificate.steps[1].rows = 0;
    certificate.price().unwrap();
    certificate.steps[1].rows = 1_000_000;
    certificate.price().unwrap();
}

#[test]
fn what_costs_nothing_or_more_than_fits_has_no_price() {
    let bounds = Bounds {
        step: 5,
        rows_per_person: 3,
        groups_per_person: 2,
        cells: 12,
        weighted: None,
    };
    let mut free = certificate();
    free.mechanisms = vec![
        Mechanism::new(
            Noise::DiscreteGaussian,
            Aggregate::Sum,
            0,
            &bounds,
            Rational::from(1),
        )
        .unwrap(),
    ];
    assert_eq!(rule(&free), "P5");
    assert!(
        Mechanism::new(
            Noise::DiscreteGaussian,
            Aggregate::Sum,
            1,
            &bounds,
            Rational::ZERO
        )
        .is_err()
    );
    let sharp = Rational::from_ratio(1, 1 << 20).unwrap();
    assert!(
        Mechanism::new(
            Noise::DiscreteGaussian,
            Aggregate::Sum,
            1 << 20,
            &bounds,
            sharp
        )
        .is_err()
    );

    let mut dear = certificate();
    let half = Mechanism::new(
        Noise::DiscreteGaussian,
        Aggregate::Sum,
        1000,
        &bounds,
        Rational::from_ratio(9, 10).unwrap(),
    );
    let half = half.unwrap();
    let times = u64::MAX / half.rho.units() + 1;
    dear.mechanisms = (0..times).map(|_| half.clone()).collect();
    assert_eq!(rule(&dear), "P5");
}

/// Keys that are not public: one count of persons decides, and its delta is that of the threshold.
#[test]
fn a_threshold_is_priced_in_delta() {
    let mut unknown = certificate();
    unknown.releases[0].cells = 0;
    assert_eq!(rule(&unknown), "P3");
    let threshold = Threshold {
        minimum: 5,
        tau: 105,
    };
    unknown.mechanisms[0].threshold = Some(threshold);
    assert_eq!(rule(&unknown), "P4");
    let delta = threshold.delta(
        Noise::DiscreteGaussian,
        &unknown.mechanisms[0].sigma,
        &unknown.releases[0],
    );
    let delta = delta.unwrap();
    // Two groups, five sigma: 2 · 2.9e-7, and a little for the lattice and the bound.
    assert!(delta > Delta::parse_floor("4e-7").unwrap());
    assert!(delta < Delta::parse_floor("7e-7").unwrap());
    unknown.mechanisms[0].delta = delta;
    assert_eq!(unknown.price().unwrap().delta, delta);

    let mut cheaper = unknown.clone();
    cheaper.mechanisms[0].delta = delta.checked_sub(Delta::from_units(1).unwrap()).unwrap();
    assert_eq!(rule(&cheaper), "P4");
    let mut twice = unknown.clone();
    twice.mechanisms.push(unknown.mechanisms[0].clone());
    assert_eq!(rule(&twice), "P3");
    let mut rows = unknown;
    rows.mechanisms[1].threshold = rows.mechanisms[0].threshold.take();
    rows.mechanisms[1].delta = delta;
    rows.mechanisms[0].delta = Delta::ZERO;
    assert_eq!(rule(&rows), "P3");
}

/// A numerator and a denominator in one statement: each mechanism is priced under the bounds of its own release.
#[test]
fn several_releases_are_priced_each_under_its_own_bounds() {
    let mut both = certificate();
    let one = both.price().unwrap();
    both.steps.push(step("S0", &[], Some("patient"), 1));
    both.steps.push(step("RELEASE", &[6], None, 1));
    both.releases.push(Bounds {
        step: 7,
        rows_per_person: 1,
        groups_per_person: 1,
        cells: 1,
        weighted: None,
    });
    let mut second = Mechanism::new(
        Noise::DiscreteGaussian,
        Aggregate::Persons,
        1,
        &both.releases[1],
        Rational::from(20),
    )
    .unwrap();
    second.release = 1;
    both.mechanisms.push(second.clone());
    let sum = one.checked_add(Loss::from_rho(second.rho)).unwrap();
    assert_eq!(both.price().unwrap(), sum);
    both.mechanisms[4].release = 0;
    assert_eq!(rule(&both), "P3");
}
