//! Which source system names a person.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::identity::named;
use crate::linkage::Linkage;
use crate::place::Folder;
use crate::snapshot::SideFile;
use crate::vault::Vault;

/// A person whom none names.
const NONE: &str = "(none)";

/// The sources of persons, as runs of consecutive persons: memory grows with the number of runs, which is about the number of
/// ingests, unless sources alternate.
#[derive(Debug, Default)]
pub struct Sources {
    names: Vec<String>,
    /// First person, last person, index of the name; by first person, not overlapping.
    runs: Vec<(i64, i64, usize)>,
    /// Persons under whom records of several sources are linked.
    linked: BTreeSet<i64>,
}

impl Sources {
    /// What stands for the source of a person whom several name.
    pub const SEVERAL: &str = "(several)";

    pub(crate) fn read(folder: &Folder, files: &[SideFile], vault: &Vault) -> Result<Self> {
        let mut sources = Self::default();
        sources.names.push(Self::SEVERAL.into());
        named(folder, files, vault, |system, first, count| {
            sources.note(system, first, count);
        })?;
        sources.settle();
        Ok(sources)
    }

    /// Persons whose numbers several sources gave.
    pub(crate) fn link(&mut self, linkage: &Linkage) {
        let linked = linkage.linked().iter();
        let several = linked.filter(|(number, person)| self.of(**number) != self.of(**person));
        self.linked = several.map(|(_, person)| *person).collect();
    }

    fn note(&mut self, system: &str, first: i64, count: i64) {
        let known = self.names.iter().position(|name| name == system);
        let name = known.unwrap_or_else(|| {
            self.names.push(system.to_owned());
            self.names.len() - 1
        });
        match self.runs.last_mut() {
            Some((_, last, same)) if *same == name && last.checked_add(1) == Some(first) => {
                *last = last.saturating_add(count);
            }
            _ => self
                .runs
                .push((first, first.saturating_add(count - 1), name)),
        }
    }

    /// Sorts the runs, and gives persons whom several sources name a run of their own.
    fn settle(&mut self) {
        let runs = std::mem::take(&mut self.runs);
        let ends = runs.iter().flat_map(|(first, last, name)| {
            [
                (*first, *name, true),
                (last.saturating_add(1), *name, false),
            ]
        });
        let mut ends: Vec<_> = ends.collect();
        ends.sort_unstable();
        let mut open: BTreeMap<usize, u32> = BTreeMap::new();
        let mut from = 0;
        for (at, name, opens) in ends {
            if from < at
                && let Some((only, _)) = open.first_key_value()
            {
                let name = if open.len() == 1 { *only } else { 0 };
                self.runs.push((from, at - 1, name));
            }
            from = at;
            let runs = open.entry(name).or_default();
            *runs = if opens {
                *runs + 1
            } else {
                runs.saturating_sub(1)
            };
            if *runs == 0 {
                open.remove(&name);
            }
        }
    }

    /// The source that names `person`; in brackets when there are several, or none.
    pub fn of(&self, person: i64) -> &str {
        if self.linked.contains(&person) {
            return Self::SEVERAL;
        }
        let after = self.runs.partition_point(|(first, _, _)| *first <= person);
        let run = after.checked_sub(1).and_then(|at| self.runs.get(at));
        run.filter(|(_, last, _)| person <= *last)
            .map_or(NONE, |(_, _, name)| &self.names[*name])
    }

    /// The names of all sources.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().skip(1).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn persons_have_the_source_that_names_them() {
        let mut sources = Sources::default();
        sources.names.push(Sources::SEVERAL.into());
        for (system, first, count) in [
            ("a", 1, 1),
            ("a", 2, 1),
            ("b", 3, 1),
            ("a", 10, 5),
            ("b", 2, 1),
            ("a", 2, 1),
            ("b", 12, 9),
        ] {
            sources.note(system, first, count);
        }
        sources.settle();
        let of: Vec<&str> = [0, 1, 2, 3, 4, 10, 11, 12, 14, 15, 20, 21]
            .map(|person| sources.of(person))
            .into();
        assert_eq!(
            of,
            [
                NONE,
                "a",
                Sources::SEVERAL,
                "b",
                NONE,
                "a",
                "a",
                Sources::SEVERAL,
                Sources::SEVERAL,
                "b",
                "b",
                NONE
            ]
        );
        assert_eq!(sources.names().collect::<Vec<_>>(), ["a", "b"]);
    }
}
