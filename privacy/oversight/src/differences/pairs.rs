//! Pairs among the forms of one analyst: each form under its fingerprint without one of its parts, so that no two forms need be compared for nothing.

use std::collections::{BTreeMap, HashMap};

use salus_certificate::EntryIndex;

use super::Change;
use super::condition::Test;
use super::form::Form;
use super::hash::Print;
use super::literal::Literal;

/// Two entries, and in what they differ.
pub(super) type Pairs = BTreeMap<(EntryIndex, EntryIndex), (Change, String)>;

/// The forms of one analyst's questions.
#[derive(Default)]
pub(super) struct Pile {
    forms: Vec<(EntryIndex, Form)>,
    by_total: HashMap<Print, usize>,
}

/// One form with one part left open, and what stands there.
struct Open<'f> {
    form: usize,
    around: &'f str,
    stands: Stands<'f>,
}

enum Stands<'f> {
    Test(&'f Test),
    Constant(&'f Literal),
}

impl Pile {
    /// Adds a form, unless the same was asked before.
    pub(super) fn add(&mut self, entry: EntryIndex, form: Form) {
        let place = self.forms.len();
        let known = self.by_total.entry(form.total).or_insert(place);
        if *known == place {
            self.forms.push((entry, form));
        }
    }

    pub(super) fn pairs(&self) -> Pairs {
        let mut found = Found {
            pile: self,
            pairs: BTreeMap::new(),
        };
        for place in 0..self.forms.len() {
            found.lacking(place);
        }
        // In the order of the fingerprints, so that the same questions give the same words.
        for members in self
            .open()
            .into_values()
            .filter(|members| members.len() > 1)
        {
            found.differing(&members);
        }
        found.pairs
    }

    /// Every form with each of its parts left open in turn.
    fn open(&self) -> BTreeMap<Print, Vec<Open<'_>>> {
        let mut all: BTreeMap<Print, Vec<Open<'_>>> = BTreeMap::new();
        let mut add = |rest: Print, form, around, stands| {
            all.entry(rest).or_default().push(Open {
                form,
                around,
                stands,
            });
        };
        for (place, (_, form)) in self.forms.iter().enumerate() {
            for condition in &form.conditions {
                let rest = form.total.without(condition.print());
                let around = condition.subject.words.as_str();
                add(
                    rest.with(condition.print_untested()),
                    place,
                    around,
                    Stands::Test(&condition.test),
                );
                for (i, constant) in condition.subject.constants.iter().enumerate() {
                    add(
                        rest.with(condition.print_without(i)),
                        place,
                        around,
                        Stands::Constant(constant),
                    );
                }
            }
            for constant in &form.constants {
                let rest = form
                    .total
                    .without(constant.print())
                    .with(constant.print_masked());
                add(
                    rest,
                    place,
                    &constant.around,
                    Stands::Constant(&constant.value),
                );
            }
        }
        all
    }
}

struct Found<'p> {
    pile: &'p Pile,
    pairs: Pairs,
}

impl Found<'_> {
    /// Forms that are this one without a condition.
    fn lacking(&mut self, place: usize) {
        let pile = self.pile;
        let Some((entry, form)) = pile.forms.get(place) else {
            return;
        };
        let conditions = form.conditions.iter();
        let conditions = conditions.map(|one| (one.print(), one.words()));
        let existences = form.existences.iter();
        let existences = existences.map(|one| (one.weight, one.words.clone()));
        for (weight, words) in conditions.chain(existences) {
            if let Some(other) = pile.by_total.get(&form.total.without(weight)) {
                self.pair(place, *other, Change::Condition, || {
                    format!("only entry {entry} demands that {words}")
                });
            }
        }
    }

    /// Forms that are equal but for what stands in one place.
    fn differing(&mut self, members: &[Open<'_>]) {
        self.bounds(members);
        self.elements(members);
        self.values(members);
    }

    /// Bounds of one direction, each with the next in order: the narrowest bands, and as many pairs as questions.
    fn bounds(&mut self, members: &[Open<'_>]) {
        for above in [true, false] {
            let own = members.iter().filter(|member| match member.stands {
                Stands::Test(Test::Above(..)) => above,
                Stands::Test(Test::Below(..)) => !above,
                _ => false,
            });
            self.chain(own.collect(), Change::Bound);
        }
    }

    /// Lists of which one is another with one element more.
    fn elements(&mut self, members: &[Open<'_>]) {
        let print = |value: &Literal| Print::of(&("element", value));
        let mut lists = HashMap::new();
        for member in members {
            if let Stands::Test(Test::In(negated, values)) = &member.stands {
                let sum: Print = values.iter().map(print).sum();
                lists.insert((*negated, values.len(), sum), member);
            }
        }
        for member in members {
            let Stands::Test(Test::In(negated, values)) = &member.stands else {
                continue;
            };
            let sum: Print = values.iter().map(print).sum();
            for value in values {
                let fewer = values.len().saturating_sub(1);
                let key = (*negated, fewer, sum.without(print(value)));
                if let Some(other) = lists.get(&key).filter(|_| fewer > 0) {
                    self.pair(member.form, other.form, Change::Element, || {
                        format!(
                            "only entry {} lists {} for {}{}",
                            self_entry(self.pile, member.form),
                            value.show(),
                            member.around,
                            if *negated { " (NOT IN)" } else { "" }
                        )
                    });
                }
            }
        }
    }

    /// Whatever else differs in one place.
    fn values(&mut self, members: &[Open<'_>]) {
        for kind in 0..3 {
            let own = members.iter().filter(|member| match member.stands {
                Stands::Constant(_) => kind == 0,
                Stands::Test(Test::In(..)) => kind == 1,
                Stands::Test(Test::Holds(_)) => kind == 2,
                Stands::Test(_) => false,
            });
            self.chain(own.collect(), Change::Value);
        }
    }

    /// Each with the next in the order of what stands there.
    fn chain(&mut self, mut members: Vec<&Open<'_>>, change: Change) {
        members.sort_by(|a, b| match (&a.stands, &b.stands) {
            (Stands::Test(a), Stands::Test(b)) => a.cmp(b),
            (Stands::Constant(a), Stands::Constant(b)) => a.cmp(b),
            (Stands::Test(_), Stands::Constant(_)) => std::cmp::Ordering::Less,
            (Stands::Constant(_), Stands::Test(_)) => std::cmp::Ordering::Greater,
        });
        for (one, next) in members.iter().zip(members.iter().skip(1)) {
            let change = match (&one.stands, &next.stands) {
                (Stands::Test(one), Stands::Test(next)) if one.nests(next) => Change::Element,
                _ => change,
            };
            self.pair(one.form, next.form, change, || {
                let say = |member: &Open<'_>| {
                    let entry = self_entry(self.pile, member.form);
                    match &member.stands {
                        Stands::Test(test) => {
                            format!("{} in entry {entry}", test.words(member.around))
                        }
                        Stands::Constant(value) => format!("{} in entry {entry}", value.show()),
                    }
                };
                let of = match one.stands {
                    Stands::Constant(_) => format!(", in {}", one.around),
                    Stands::Test(_) => String::new(),
                };
                format!("{}, {}{of}", say(one), say(next))
            });
        }
    }

    /// Enters a pair; of several reasons the one that says most.
    fn pair(&mut self, one: usize, other: usize, change: Change, words: impl FnOnce() -> String) {
        let (a, b) = (self_entry(self.pile, one), self_entry(self.pile, other));
        // A question beside itself: several releases of one statement.
        if a == b {
            return;
        }
        let key = if a < b { (a, b) } else { (b, a) };
        if self
            .pairs
            .get(&key)
            .is_none_or(|(known, _)| change < *known)
        {
            self.pairs.insert(key, (change, words()));
        }
    }
}

fn self_entry(pile: &Pile, form: usize) -> EntryIndex {
    pile.forms
        .get(form)
        .map_or(EntryIndex(u64::MAX), |(entry, _)| *entry)
}
