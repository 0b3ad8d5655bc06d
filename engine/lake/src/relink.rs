//! What a commit does for linked persons before it writes tables: rows move to the person that their number has now, and
//! `patient` gets the row that its source changed last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use arrow::array::RecordBatch;

use crate::commit::{Going, Mode, Work, persons_of};
use crate::error::Result;
use crate::keys::Key;
use crate::linkage::Linkage;
use crate::members::{Patients, keys_of, moved_rows};
use crate::rewrite::{Target, read};
use crate::snapshot::{FileRef, SideFile};

const PATIENT: &str = "patient";

/// The file of linked patients' rows after a commit.
pub(crate) enum Members {
    /// As before.
    Same,
    /// This one, if anybody is linked.
    Now(Option<SideFile>),
}

impl Work {
    /// Stages the rows of numbers whose person changed. Tells the new file of patients' rows, or that it stays as it is.
    pub(crate) fn relink(&self, going: &mut Going) -> Result<Members> {
        let (before, now) = (&self.links.before, self.links.now());
        if before.is_empty() && now.is_empty() {
            return Ok(Members::Same);
        }
        let concerned = before.linked().keys().chain(now.linked().keys()).copied();
        let moves: BTreeMap<i64, i64> = concerned
            .map(|number| (number, now.person(number)))
            .filter(|(number, person)| before.person(*number) != *person)
            .collect();
        // Rows of a child whose parent is not in the table are found by number alone.
        going.moved.extend(moves.keys());
        let from: BTreeSet<i64> = moves.keys().map(|number| before.person(*number)).collect();
        for (table, intake) in self.tables.iter().filter(|(table, _)| **table != PATIENT) {
            let files = concerning(&self.old_files(table), &from);
            if files.is_empty() {
                continue;
            }
            let mut mode = intake.mode.lock().unwrap_or_else(PoisonError::into_inner);
            *mode = Mode::Unsorted;
            for batch in read(&intake.target, &files) {
                if let Some(moved) = moved_rows(&batch?, &intake.target.schema, &moves)? {
                    intake.stage.append(&moved)?;
                }
            }
        }
        // Who has no number left under the old one has no row left either.
        let emptied = from
            .into_iter()
            .filter(|person| now.person(*person) != *person);
        going.persons.extend(emptied);
        self.patients(going, &now, &moves)
    }

    /// Chooses the row of every linked person.
    fn patients(
        &self,
        going: &mut Going,
        now: &Linkage,
        moves: &BTreeMap<i64, i64>,
    ) -> Result<Members> {
        let before = &self.links.before;
        let Some(intake) = self.tables.get(PATIENT) else {
            return Ok(Members::Same);
        };
        let base = self.base.as_ref().map(|base| &base.identity);
        let folder = &self.lake.places().identity;
        let old = base.and_then(|base| base.members.as_ref());
        let mut patients = Patients::read(folder, old, self.lake.vault())?;
        let earlier = patients.all()?;
        let joined: BTreeSet<i64> = now
            .linked()
            .keys()
            .filter(|number| !before.linked().contains_key(number))
            .copied()
            .collect();
        for batch in read(
            &intake.target,
            &concerning(&self.old_files(PATIENT), &joined),
        ) {
            patients.put(batch?, |number| joined.contains(&number))?;
        }
        for number in &going.members {
            patients.remove(*number);
        }
        let mut touched: BTreeSet<i64> = moves
            .keys()
            .chain(&joined)
            .chain(&going.members)
            .copied()
            .collect();
        let aside = std::mem::take(&mut *self.aside.lock().unwrap_or_else(PoisonError::into_inner));
        for batch in aside {
            touched.extend(crate::keys::integers(&batch, 0)?.iter());
            patients.put(batch, |number| now.linked().contains_key(&number))?;
        }
        // Of whoever is kept out nothing is kept aside, under none of her numbers.
        for person in persons_of(&self.withheld.persons().0, now) {
            for number in now.members(person) {
                patients.remove(number);
            }
        }
        // A split leaves both sides to choose anew.
        let parted: Vec<i64> = before
            .linked()
            .keys()
            .filter(|n| before.members(**n) != now.members(**n))
            .copied()
            .collect();
        touched.extend(parted);
        let persons: BTreeSet<i64> = touched.iter().map(|number| now.person(*number)).collect();
        let (mut chosen, mut without) = (Vec::new(), Vec::new());
        for person in persons {
            let rows = now
                .members(person)
                .into_iter()
                .filter(|number| patients.contains(*number));
            let mut best: Option<(Option<i64>, i64)> = None;
            for number in rows {
                let at = self.direct.last_updated(number)?;
                if best.is_none_or(|(than, _)| at > than) {
                    best = Some((at, number));
                }
            }
            match best {
                Some((_, number)) => chosen.push((number, person)),
                None => without.push(person),
            }
        }
        going.patients.extend(without);
        if let Some(rows) = patients.rows(&chosen)? {
            intake.stage.append(&rows)?;
            *intake.mode.lock().unwrap_or_else(PoisonError::into_inner) = Mode::Unsorted;
        }
        let left: Vec<i64> = before
            .linked()
            .keys()
            .filter(|n| !now.linked().contains_key(n))
            .copied()
            .collect();
        for number in left {
            patients.remove(number);
        }
        if patients.all()? == earlier {
            return Ok(Members::Same);
        }
        let name = format!("{}.members.parquet", self.token);
        patients
            .write(folder, &name, self.lake.vault())
            .map(Members::Now)
    }

    /// The keys of rows of linked persons that came under numbers which go.
    pub(crate) fn gone_rows(
        &self,
        target: &Target,
        old: &[FileRef],
        gone: &BTreeSet<i64>,
    ) -> Result<Vec<Key>> {
        let persons = gone
            .iter()
            .map(|number| self.links.before.person(*number))
            .collect();
        let mut found = Vec::new();
        if target.table == PATIENT {
            return Ok(found);
        }
        for batch in read(target, &concerning(old, &persons)) {
            let batch: RecordBatch = batch?;
            found.extend(keys_of(&target.table, &batch, gone)?);
        }
        Ok(found)
    }
}

/// The files that may hold rows of `persons`.
fn concerning(files: &[FileRef], persons: &BTreeSet<i64>) -> Vec<FileRef> {
    let holds = |file: &&FileRef| {
        persons
            .range(file.first_person..=file.last_person)
            .next()
            .is_some()
    };
    files.iter().filter(holds).cloned().collect()
}
