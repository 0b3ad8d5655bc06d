//! Rules P1 to P5.

use crate::log::{DELTA, Item, Log, THRESHOLD, delta, mechanism, rational, text};
use crate::{CERTIFICATE, expect, named, with};
use salus_checker::audit;

#[test]
fn p1_and_p2_steps() {
    let change = |step: usize, field: &str, new: Item| {
        with(10, &format!("{CERTIFICATE}.steps.{step}.{field}"), new)
    };
    let list = |items: &[u64]| Item::Array(items.iter().copied().map(Item::Uint).collect());
    expect(&change(1, "rule", text("S9")), &["P1@10"]);
    expect(&change(1, "rule", text("RELEASE")), &["P1@10"]);
    expect(&change(7, "rule", text("S2")), &["P1@10"]);
    expect(&change(1, "inputs", list(&[1])), &["P1@10"]);
    expect(&change(1, "inputs", list(&[2])), &["P1@10"]);
    expect(&change(1, "inputs", list(&[u64::MAX])), &["P1@10"]);
    expect(&change(3, "inputs", list(&[])), &["P1@10"]);
    expect(&change(2, "inputs", list(&[0])), &["P1@10"]);
    expect(&change(2, "rule", text("S3")), &["P1@10"]);
    expect(&change(7, "rows", Item::Uint(2)), &["P1@10"]);
    expect(&change(7, "rows", Item::Uint(0)), &["P1@10"]);

    expect(&change(1, "rows", Item::Uint(499)), &[]);
    expect(&change(1, "rows", Item::Uint(501)), &["P2@10"]);
    // 0 is no bound, above every number; and any number is below an input without a bound.
    expect(&change(1, "rows", Item::Uint(0)), &["P2@10"]);
    expect(&change(4, "rows", Item::Uint(u64::MAX)), &[]);
    expect(&change(4, "inputs", list(&[1])), &[]);
    expect(&change(4, "inputs", list(&[1, 3])), &["P2@10"]);
    // Joins may multiply.
    expect(&change(6, "rows", Item::Uint(9)), &[]);
    // A union holds no more than its branches together; what is released is read no more.
    let union = |rows| {
        let mut log = change(4, "rule", text("S6"));
        *log.entries[10].at(&format!("{CERTIFICATE}.steps.4.inputs")) = list(&[0, 1]);
        *log.entries[10].at(&format!("{CERTIFICATE}.steps.4.rows")) = Item::Uint(rows);
        log
    };
    expect(&union(1000), &[]);
    expect(&union(1001), &["P2@10"]);
    expect(&union(0), &["P2@10"]);
    expect(&change(8, "inputs", list(&[7])), &["P1@10"]);
}

/// The sample with the first mechanism of the last reserve replaced, and its loss and account made to fit.
fn priced(change: &dyn Fn(&mut Item)) -> Log {
    let mut log = Log::sample();
    let index = 21;
    let entry = &mut log.entries[index];
    change(entry.at("body.certificate.mechanisms.0"));
    let Item::Array(mechanisms) = entry.at("body.certificate.mechanisms").clone() else {
        unreachable!()
    };
    let sum = mechanisms
        .into_iter()
        .map(|mut m| match m.at("rho") {
            Item::Uint(rho) => *rho,
            _ => unreachable!(),
        })
        .fold(0, u64::wrapping_add);
    let Item::Uint(before) = *entry.at("body.accounts.0.before.rho") else {
        unreachable!()
    };
    *entry.at("body.loss.rho") = Item::Uint(sum);
    *entry.at("body.accounts.0.after.rho") = Item::Uint(before.wrapping_add(sum));
    log
}

#[test]
fn p3_sensitivity() {
    for (aggregate, bound, right) in [
        ("persons", 1, true),
        ("persons", 2, false),
        ("rows", 1, true),
        ("rows", 2, false),
        ("sum", 7, true),
        ("centred_sum", 7, true),
    ] {
        let (item, _) = mechanism(aggregate, bound, (200, 3));
        let log = priced(&|m| *m = item.clone());
        expect(&log, if right { &[] } else { &["P3@21"] });
    }
    // A count of persons passed off as cheaper than it is.
    let cheap = priced(&|m| *m.at("aggregate") = text("rows"));
    expect(&cheap, &["P3@21"]);
    // Bounds near 2^64: the square is beyond every integer type and still compared.
    let wide = priced(&|m| {
        *m.at("aggregate") = text("sum");
        *m.at("bound") = Item::Uint(u64::MAX);
    });
    expect(&wide, &["P3@21"]);
}

#[test]
fn p4_loss_of_a_mechanism() {
    let one_less = priced(&|m| {
        let Item::Uint(rho) = *m.at("rho") else {
            unreachable!()
        };
        *m.at("rho") = Item::Uint(rho - 1);
    });
    expect(&one_less, &["P4@21"]);
    expect(&priced(&|m| *m.at("sigma") = rational(0, 1)), &["P4@21"]);
    // Twice the noise, priced as such, is right.
    expect(&priced(&|m| *m = mechanism("persons", 1, (25, 1)).0), &[]);
    let mut with_delta = priced(&|m| *m.at("delta") = delta(1));
    *with_delta.entries[21].at("body.loss.delta") = delta(DELTA + 1);
    *with_delta.entries[21].at("body.accounts.0.after.delta") = delta(6 * DELTA + 1);
    expect(&with_delta, &["P4@21"]);
}

#[test]
fn p3_and_p4_of_keys_that_are_not_public() {
    let change = |path: &str, new: Item| with(21, &format!("{CERTIFICATE}.{path}"), new);
    let (minimum, tau) = THRESHOLD;
    // A higher threshold than was paid for is welcome, a lower one is not.
    let at = "mechanisms.4.threshold";
    expect(&change(&format!("{at}.tau"), Item::Uint(tau + 1)), &[]);
    expect(
        &change(&format!("{at}.tau"), Item::Uint(tau - 1)),
        &["P4@21"],
    );
    expect(
        &change(&format!("{at}.minimum"), Item::Uint(minimum + 1)),
        &["P4@21"],
    );
    expect(
        &change(&format!("{at}.tau"), Item::Uint(minimum - 1)),
        &["F1@21"],
    );
    // Who decides: a count of persons, where the keys are not public, and nowhere else.
    expect(&change("releases.1.cells", Item::Uint(9)), &["P3@21"]);
    expect(&change("releases.0.cells", Item::Uint(0)), &["P3@21"]);
    let mut tree = Log::sample();
    let mechanisms = format!("{CERTIFICATE}.mechanisms");
    let threshold = tree.entries[21]
        .at(&format!("{mechanisms}.4.threshold"))
        .clone();
    let Item::Map(fields) = tree.entries[21].at(&format!("{mechanisms}.5")) else {
        unreachable!()
    };
    fields.push(("threshold".to_owned(), threshold));
    let report = audit(&tree.evidence());
    assert!(
        named(&report).contains(&"P3@21".to_owned()),
        "{}",
        report.to_text()
    );
}

#[test]
fn p3_and_p4_of_persons_who_are_weighted() {
    let change = |path: &str, new: Item| with(21, &format!("{CERTIFICATE}.{path}"), new);
    let weighted =
        |field: &str, new| change(&format!("releases.2.weighted.{field}"), Item::Uint(new));
    // Fewer groups are cheaper, more cost more than was paid.
    expect(&weighted("groups", 5), &[]);
    expect(&weighted("groups", 7), &["P4@21"]);
    expect(&weighted("groups", 3), &["F1@21"]);
    expect(&weighted("groups", 1_025), &["F1@21"]);
    expect(&weighted("unit", 0), &["F1@21"]);
    expect(&weighted("unit", (1 << 20) + 1), &["F1@21"]);
    // Parts of another unit: the sensitivity is another, and so is what the threshold costs.
    expect(&weighted("unit", 8), &["P3@21", "P4@21"]);
    // A threshold without weights is cheaper.
    let mut even = Log::sample();
    let Item::Map(fields) = even.entries[21].at(&format!("{CERTIFICATE}.releases.2")) else {
        unreachable!()
    };
    fields.retain(|(name, _)| name != "weighted");
    expect(&even, &["P3@21", "P4@21"]);
    // What is not counted in parts, and noise of another norm, cannot be weighted.
    let kind = "mechanisms.7.kind";
    expect(&change(kind, text("discrete_laplace")), &["P3@21", "P4@21"]);
    expect(&change("mechanisms.7.aggregate", text("tree")), &["P3@21"]);
}

#[test]
fn p3_of_the_other_noise() {
    let change = |path: &str, new: Item| with(21, &format!("{CERTIFICATE}.{path}"), new);
    // Each is priced in its own norm.
    expect(
        &change("mechanisms.6.kind", text("discrete_gaussian")),
        &["P3@21"],
    );
    expect(
        &change("mechanisms.0.kind", text("discrete_laplace")),
        &["P3@21"],
    );
    expect(&change("mechanisms.6.kind", text("laplace")), &["F1@21"]);
}

#[test]
fn p5_loss_of_a_query() {
    let log = Log::sample();
    let Item::Uint(cost) = *log.entries[10].clone().at("body.loss.rho") else {
        unreachable!()
    };
    expect(&with(6, "body.query_rho", Item::Uint(cost)), &[]);
    expect(
        &with(6, "body.query_rho", Item::Uint(cost - 1)),
        &["P5@10", "P5@12"],
    );
    // A sum that wraps around 2^64 is no sum.
    let report = audit(&priced(&|m| *m.at("rho") = Item::Uint(u64::MAX)).evidence());
    assert!(named(&report).contains(&"P5@21".to_owned()));
    // Everything for nothing.
    let mut free = Log::sample();
    for n in 0..8 {
        *free.entries[21].at(&format!("{CERTIFICATE}.mechanisms.{n}.rho")) = Item::Uint(0);
    }
    *free.entries[21].at("body.loss.rho") = Item::Uint(0);
    let before = free.entries[21].at("body.accounts.0.before.rho").clone();
    *free.entries[21].at("body.accounts.0.after.rho") = before;
    expect(&free, &["P4@21", "P5@21"]);
}
