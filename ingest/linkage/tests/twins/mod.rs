//! A population in two sources, with families, and errors as clerks make them.

use std::collections::BTreeSet;

use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use salus_linkage::{Elements, Record};

pub(crate) struct Population {
    pub(crate) records: Vec<Record>,
    /// Pairs across sources that are one person, the smaller number first.
    pub(crate) truth: BTreeSet<(i64, i64)>,
    /// Pairs across sources that are two people of one family.
    pub(crate) siblings: BTreeSet<(i64, i64)>,
}

#[derive(Clone)]
struct Person {
    family: String,
    given: String,
    female: bool,
    birth: (u32, u32, u32),
    house: u32,
    street: String,
    postal: u32,
    phone: u32,
}

const STARTS: [&str; 24] = [
    "ba", "ke", "mor", "sal", "tin", "ga", "hol", "wes", "ra", "lin", "do", "fer", "mac", "ros",
    "vi", "pe", "schu", "jan", "ker", "bro", "ste", "nor", "al", "ei",
];
const MIDDLES: [&str; 20] = [
    "ra", "le", "ni", "to", "man", "ber", "da", "ric", "sen", "go", "lo", "ver", "kin", "tes",
    "ma", "ro", "wi", "per", "na", "di",
];
const ENDS: [&str; 16] = [
    "son", "er", "a", "ez", "ski", "berg", "ton", "y", "i", "mann", "ley", "ow", "es", "in", "ard",
    "o",
];

fn word(rng: &mut ChaCha8Rng, common: usize) -> String {
    // A third of the people share few names, as people do.
    let (starts, middles, ends) = if rng.random_ratio(1, 3) {
        (common, 4, 4)
    } else {
        (24, 20, 16)
    };
    [
        STARTS[..starts].choose(rng).unwrap(),
        MIDDLES[..middles].choose(rng).unwrap(),
        ENDS[..ends].choose(rng).unwrap(),
    ]
    .map(|part| *part)
    .concat()
}

/// So many persons, of whom about a half are in both sources.
pub(crate) fn population(persons: usize, seed: u64) -> Population {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut all: Vec<(Person, usize)> = Vec::new();
    let mut family = 0;
    while all.len() < persons {
        family += 1;
        let first = person(&mut rng);
        // One family in five has a second child, one of ten of those a twin.
        if rng.random_ratio(1, 5) {
            let mut second = person(&mut rng);
            if rng.random_ratio(1, 10) {
                second.birth = first.birth;
            }
            second.family.clone_from(&first.family);
            second.street.clone_from(&first.street);
            (second.house, second.postal, second.phone) = (first.house, first.postal, first.phone);
            all.push((second, family));
        }
        all.push((first, family));
    }
    let mut population = Population {
        records: Vec::new(),
        truth: BTreeSet::new(),
        siblings: BTreeSet::new(),
    };
    let mut numbers: Vec<(usize, usize, Option<i64>, Option<i64>)> = Vec::new();
    for (index, (person, family)) in all.iter().enumerate() {
        let place = rng.random_range(0..4);
        let mut add = |source: &str, rng: &mut ChaCha8Rng, wrong: bool| {
            let number = i64::try_from(population.records.len()).unwrap() + 1;
            let mut told = person.clone();
            if wrong {
                blur(&mut told, rng);
            }
            population.records.push(record(number, source, &told, rng));
            number
        };
        let a = (place != 0).then(|| add("north", &mut rng, false));
        let b = (place != 1).then(|| add("south", &mut rng, true));
        if let (Some(a), Some(b)) = (a, b) {
            population.truth.insert((a.min(b), a.max(b)));
        }
        numbers.push((index, *family, a, b));
    }
    for pair in numbers.windows(2) {
        if pair[0].1 == pair[1].1 {
            for (a, b) in [(pair[0].2, pair[1].3), (pair[0].3, pair[1].2)] {
                if let (Some(a), Some(b)) = (a, b) {
                    population.siblings.insert((a.min(b), a.max(b)));
                }
            }
        }
    }
    population
}

fn person(rng: &mut ChaCha8Rng) -> Person {
    Person {
        family: word(rng, 5),
        given: word(rng, 8),
        female: rng.random(),
        birth: (
            rng.random_range(1930..2015),
            rng.random_range(1..13),
            rng.random_range(1..29),
        ),
        house: rng.random_range(1..200),
        street: word(rng, 24),
        postal: rng.random_range(200..260) * 100 + rng.random_range(0..40),
        phone: rng.random_range(2_000_000..9_999_999),
    }
}

fn blur(person: &mut Person, rng: &mut ChaCha8Rng) {
    if rng.random_ratio(6, 100) {
        typo(&mut person.family, rng);
    }
    if rng.random_ratio(6, 100) {
        typo(&mut person.given, rng);
    }
    if rng.random_ratio(3, 100) {
        // Married.
        person.family = word(rng, 5);
    }
    match rng.random_range(0..100) {
        0..2 if person.birth.2 <= 12 => {
            person.birth = (person.birth.0, person.birth.2, person.birth.1);
        }
        2..4 => person.birth.0 += 1,
        _ => {}
    }
    if rng.random_ratio(20, 100) {
        // Moved.
        person.house = rng.random_range(1..200);
        person.street = word(rng, 24);
        person.postal = rng.random_range(200..260) * 100 + rng.random_range(0..40);
    }
    if rng.random_ratio(25, 100) {
        person.phone = rng.random_range(2_000_000..9_999_999);
    }
}

fn typo(name: &mut String, rng: &mut ChaCha8Rng) {
    let mut letters: Vec<char> = name.chars().collect();
    let at = rng.random_range(1..letters.len());
    match rng.random_range(0..3) {
        0 => letters.swap(at - 1, at),
        1 => letters[at] = 'x',
        _ => {
            letters.remove(at);
        }
    }
    *name = letters.into_iter().collect();
}

fn record(number: i64, source: &str, person: &Person, rng: &mut ChaCha8Rng) -> Record {
    let name = format!(
        r#"[{{"family":"{}","given":["{}"]}}]"#,
        person.family.to_uppercase(),
        person.given
    );
    let (year, month, day) = person.birth;
    let birth = format!("{year}-{month:02}-{day:02}");
    let address = format!(
        r#"[{{"line":["{} {} St."],"postalCode":"{:05}"}}]"#,
        person.house, person.street, person.postal
    );
    let telecom = format!(r#"[{{"system":"phone","value":"(617) {}"}}]"#, person.phone);
    let mut here = |text| Some(text).filter(|_| !rng.random_ratio(5, 100));
    let elements = Elements {
        name: Some(&name),
        // A date of birth is rarely missing.
        birth_date: Some(birth.as_str()).filter(|_| number % 50 != 0),
        sex: here(if person.female { "female" } else { "male" }),
        address: here(address.as_str()),
        telecom: here(telecom.as_str()),
        ..Elements::default()
    };
    Record::new(number, source, &format!("p{number}"), elements)
}
