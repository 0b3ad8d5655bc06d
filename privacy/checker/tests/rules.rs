//! Each rule, broken by hand in a log that is otherwise right, hashed and signed by the right key.

mod log;

use log::{
    Item, Log, ORIGIN, checkpoint, delta, loss, mechanism, rational, root, signing_key, text, vkey,
};
use salus_checker::{Evidence, Report, audit};

/// The findings as `rule@index`, without doubles.
fn named(report: &Report) -> Vec<String> {
    let mut named: Vec<String> = report
        .findings
        .iter()
        .map(|f| {
            format!(
                "{}@{}",
                f.rule,
                f.index.map_or("-".to_owned(), |n| n.to_string())
            )
        })
        .collect();
    named.dedup();
    named
}

fn expect(log: &Log, findings: &[&str]) {
    let report = audit(&log.evidence());
    assert_eq!(named(&report), findings, "{}", report.to_text());
}

/// The sample with one item changed.
fn with(index: usize, path: &str, new: Item) -> Log {
    let mut log = Log::sample();
    *log.entries[index].at(path) = new;
    log
}

const CERTIFICATE: &str = "body.certificate";

#[test]
fn f1_unknown_versions_kinds_and_forms() {
    expect(&with(13, "v", Item::Uint(2)), &["F1@13"]);
    expect(&with(13, "kind", text("bond")), &["F1@13"]);
    // A known kind, with another's fields.
    expect(&with(13, "kind", text("review")), &["F1@13"]);
    expect(
        &with(10, &format!("{CERTIFICATE}.steps"), Item::Array(vec![])),
        &["F1@10"],
    );
    expect(
        &with(
            10,
            &format!("{CERTIFICATE}.mechanisms"),
            Item::Array(vec![]),
        ),
        &["F1@10"],
    );
    expect(&with(10, "body.accounts", Item::Array(vec![])), &["F1@10"]);
    for bound in ["rows_per_person", "groups_per_person"] {
        let path = format!("{CERTIFICATE}.releases.0.{bound}");
        expect(&with(10, &path, Item::Uint(0)), &["F1@10"]);
    }
    let sigma = format!("{CERTIFICATE}.mechanisms.0.sigma");
    expect(&with(10, &sigma, rational(50, 4)), &["F1@10"]);
    expect(&with(10, &sigma, rational(25, 0)), &["F1@10"]);
    let too_long = Item::Array(vec![Item::Bytes(vec![1; 1025]), log::big(1)]);
    expect(&with(10, &sigma, too_long), &["F1@10"]);
    expect(
        &with(10, "body.loss.delta", delta((1 << 80) + 1)),
        &["F1@10"],
    );
    expect(&with(19, "body.reason", text("refunded")), &["F1@19"]);
}

#[test]
fn f1_the_longest_entry() {
    let refusal = |letters: usize| with(13, "body.rule", text(&"x".repeat(letters)));
    let others = refusal(1_000).entries[13].encode().len() - 1_000;
    for (length, findings) in [(65_535, &[][..]), (65_536, &["F1@13"])] {
        let log = refusal(length - others);
        assert_eq!(log.entries[13].encode().len(), length);
        expect(&log, findings);
    }
}

#[test]
fn f2_the_beginning() {
    let mut log = Log::sample();
    let again = log.push(log::genesis());
    expect(&log, &[&format!("F2@{again}")]);

    expect(&with(0, "body.adjacency", text("one-row")), &["F2@0"]);
    expect(&with(0, "body.ceiling.rho", Item::Uint(10 << 40)), &[]);
    expect(
        &with(0, "body.ceiling.rho", Item::Uint((10 << 40) - 1)),
        &["F2@0"],
    );
    expect(
        &with(0, "body.ceiling.delta", delta((1 << 60) - 1)),
        &["F2@0"],
    );
    expect(&with(0, "body.ceiling.delta", delta((1 << 80) - 1)), &[]);
    expect(&with(0, "body.ceiling.delta", delta(1 << 80)), &["F2@0"]);

    let short = |entries: Vec<Item>| Log {
        sizes: vec![entries.len()],
        entries,
        rotated: 99,
    };
    let key = log::key(&signing_key(1));
    expect(&short(vec![log::genesis(), key.clone()]), &[]);
    // Signed by the verifier key, but the log does not say so.
    expect(&short(vec![log::genesis()]), &["F2@1", "T2@-"]);
    let late = short(vec![log::genesis(), log::policy(1, 1), key.clone()]);
    // And no key is before the first that could have endorsed it.
    expect(&late, &["F2@1", "K1@2"]);
    let none = audit(&short(vec![key, log::genesis()]).evidence());
    assert_eq!(named(&none)[..2], ["F2@0", "F2@1"]);
}

#[test]
fn f3_references() {
    expect(&with(2, "body.space", text("state")), &["F3@2"]);
    for (field, wrong) in [
        ("dataset", [10, 99, 4]),
        ("snapshot", [10, 6, 9]),
        ("catalog", [10, 2, 5]),
        ("policy", [10, 14, 0]),
    ] {
        for index in wrong {
            expect(
                &with(10, &format!("{CERTIFICATE}.{field}"), Item::Uint(index)),
                &["F3@10"],
            );
        }
    }
    // The newest catalog is that of the dataset: claims has none after entry 5, ehr has entry 15.
    expect(
        &with(17, &format!("{CERTIFICATE}.catalog"), Item::Uint(4)),
        &["F3@17"],
    );
    expect(
        &with(17, &format!("{CERTIFICATE}.policy"), Item::Uint(6)),
        &["F3@17"],
    );
    // A snapshot need not be the newest.
    expect(
        &with(17, &format!("{CERTIFICATE}.snapshot"), Item::Uint(7)),
        &[],
    );
    for index in [11, 13, 22, 23, u64::MAX] {
        expect(&with(22, "body.reserve", Item::Uint(index)), &["F3@22"]);
    }
}

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
    *with_delta.entries[21].at("body.loss.delta") = delta(log::DELTA + 1);
    *with_delta.entries[21].at("body.accounts.0.after.delta") = delta(6 * log::DELTA + 1);
    expect(&with_delta, &["P4@21"]);
}

#[test]
fn p3_and_p4_of_keys_that_are_not_public() {
    let change = |path: &str, new: Item| with(21, &format!("{CERTIFICATE}.{path}"), new);
    let (minimum, tau) = log::THRESHOLD;
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

#[test]
fn b1_the_purse() {
    let account = |field: &str, new: Item| with(21, &format!("body.accounts.0.{field}"), new);
    expect(&account("scope", text("space:state")), &["B1@21"]);
    expect(&account("cap", loss(11 << 40, 1 << 60)), &["B1@21"]);
    expect(&account("before.rho", Item::Uint(0)), &["B1@21"]);
    expect(&account("after.rho", Item::Uint(0)), &["B1@21"]);
    let mut two = Log::sample();
    let Item::Array(accounts) = two.entries[21].at("body.accounts") else {
        unreachable!()
    };
    accounts.push(accounts[0].clone());
    expect(&two, &["B3@21"]);

    // The cap, to the unit: all accounts state it, so all are changed alike.
    let capped = |cap: u64| {
        let mut log = Log::sample();
        *log.entries[0].at("body.cap.rho") = Item::Uint(cap);
        for index in [10, 12, 17, 18, 20, 21] {
            *log.entries[index].at("body.accounts.0.cap.rho") = Item::Uint(cap);
        }
        log
    };
    let spent = Log::sample().spent();
    expect(&capped(spent), &[]);
    expect(&capped(spent - 1), &["B1@21"]);
}

#[test]
fn a_broken_total_is_reported_once() {
    let mut log = Log::sample();
    let mut spent = log.spent();
    for _ in 0..30 {
        log.push(log::reserve([2, 8, 15, 14], &mut spent));
    }
    expect(&log, &[]);
    // The total states one unit too little from entry 25 on: one entry is at fault, and the next begins with what it says.
    let mut short = log.clone();
    *short.entries[25].at("body.accounts.0.after.rho") = Item::Uint(1);
    expect(&short, &["B1@25", "B1@26"]);
    // An unreadable reserve hides what it took: the next is believed, but not below the total.
    let mut unreadable = log.clone();
    *unreadable.entries[25].at("body.loss") = Item::True;
    expect(&unreadable, &["F1@25"]);
    let spending = |log: &Log, index: usize, before: u64| {
        let mut log = log.clone();
        let Item::Uint(cost) = *log.entries[index].at("body.loss.rho") else {
            unreachable!()
        };
        *log.entries[index].at("body.accounts.0.before.rho") = Item::Uint(before);
        *log.entries[index].at("body.accounts.0.after.rho") = Item::Uint(before + cost);
        log
    };
    expect(&spending(&unreadable, 26, 5), &["F1@25", "B1@26", "B1@27"]);
    // And only the next: a total that jumps later is at fault.
    expect(
        &spending(&unreadable, 27, 1 << 40),
        &["F1@25", "B1@27", "B1@28"],
    );
    // Leaving a reserve out does not give its loss back.
    let mut skipped = log;
    skipped.entries[25] = log::refuse();
    expect(&skipped, &["B1@26"]);
}

#[test]
fn b2_endings() {
    let ended = |endings: &[Item]| {
        let mut log = Log::sample();
        for ending in endings {
            log.push(ending.clone());
        }
        log
    };
    expect(&ended(&[log::release(20), log::release(17)]), &[]);
    expect(&ended(&[log::release(20), log::release(20)]), &["B2@24"]);
    expect(&ended(&[log::release(10)]), &["B2@23"]);
    // A late release after an abort, and an abort that would take a release back.
    expect(&ended(&[log::release(18)]), &["B2@23"]);
    expect(&ended(&[log::abort(22 - 1, "failed")]), &["B2@23"]);
    let report = audit(&ended(&[log::abort(20, "dropped")]).evidence());
    assert_eq!(report.open, [12, 17]);
    assert_eq!(report.totals[0].spent.rho, Log::sample().spent());
}

#[test]
fn t2_signatures_keys_and_origins() {
    let log = Log::sample();
    let good = log.evidence();
    let leaves = log.leaves();
    let size = leaves.len();
    let newest = |evidence: &Evidence, note: Vec<u8>| {
        let mut evidence = evidence.clone();
        *evidence.checkpoints.last_mut().unwrap() = note;
        named(&audit(&evidence))
    };
    let (first, second) = (signing_key(1), signing_key(2));
    let right = root(&leaves);
    // Without its newest checkpoint the log has entries that nobody signed for, and the old key does not match.
    let alone = ["T2@11", "T1@12"];
    let both = |index: &'static str| [&[alone[0], alone[1]], &[index][..]].concat();
    // The key that was in force before, and a stranger's.
    assert_eq!(
        newest(&good, checkpoint(ORIGIN, size, right, &first)),
        both("T2@22")
    );
    assert_eq!(
        newest(&good, checkpoint(ORIGIN, size, right, &signing_key(3))),
        both("T2@22")
    );
    // Another log's name.
    assert_eq!(
        newest(&good, checkpoint("other.example", size, right, &second)),
        both("T2@22")
    );
    // A signature that is not of this text.
    let text = String::from_utf8(checkpoint(ORIGIN, size, right, &second)).unwrap();
    let other = text.replacen(&format!("\n{size}\n"), "\n22\n", 1);
    assert_eq!(newest(&good, other.into_bytes()), both("T2@21"));
    assert_eq!(newest(&good, b"no note".to_vec()), both("T2@-"));

    // A stranger may sign beside the key in force; that makes the stranger's key nobody's verifier key.
    let signature = checkpoint(ORIGIN, size, right, &signing_key(3));
    let signature = String::from_utf8(signature).unwrap();
    let beside = format!("{text}{}", signature.split_once("\n\n").unwrap().1);
    assert!(newest(&good, beside.clone().into_bytes()).is_empty());
    let mut cosigned = good.clone();
    *cosigned.checkpoints.last_mut().unwrap() = beside.into_bytes();
    cosigned.vkey = vkey(ORIGIN, &signing_key(3));
    assert_eq!(named(&audit(&cosigned)), ["T2@16"]);

    // Another verifier key than the log's: nothing is vouched for.
    let mut stranger = good.clone();
    stranger.vkey = vkey(ORIGIN, &signing_key(3));
    assert_eq!(named(&audit(&stranger)), ["T2@22"]);
    let mut renamed = good.clone();
    renamed.vkey = vkey("other.example", &second);
    assert_eq!(named(&audit(&renamed)), ["T2@0", "T2@22"]);
    let mut none = good.clone();
    none.vkey = String::new();
    assert_eq!(named(&audit(&none)), ["T2@-"]);
    let mut reversed = good.clone();
    reversed.checkpoints.reverse();
    assert!(audit(&reversed).holds());
    let mut no_checkpoint = good.clone();
    no_checkpoint.checkpoints.clear();
    assert_eq!(named(&audit(&no_checkpoint)), ["T1@-"]);
}

#[test]
fn t2_a_checkpoint_over_another_history() {
    // Entry 11 was another one when the log signed its twelfth: both histories bear its signature.
    let log = Log::sample();
    let mut forked = log.clone();
    forked.entries[11] = log::abort(10, "failed");
    let old = root(&forked.leaves()[..12]);
    let mut evidence = log.evidence();
    evidence
        .checkpoints
        .push(checkpoint(ORIGIN, 12, old, &signing_key(1)));
    assert_eq!(named(&audit(&evidence)), ["T2@11"]);
}

#[test]
fn t1_a_log_that_was_rolled_back() {
    let whole = Log::sample();
    let mut younger = whole.clone();
    younger.entries.truncate(20);
    younger.sizes = vec![12, 20];
    let mut evidence = younger.evidence();
    // By itself the older state looks like any log; against a checkpoint that was kept it does not.
    assert!(audit(&evidence).holds());
    evidence
        .checkpoints
        .push(whole.evidence().checkpoints[1].clone());
    let report = audit(&evidence);
    assert_eq!(named(&report), ["T1@20"]);
    assert!(
        report.findings[0].what.contains("entries 20 to 22"),
        "{}",
        report.to_text()
    );
}
