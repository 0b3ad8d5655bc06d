//! A person's record while it is being written, visit by visit.

use crate::Window;
use crate::course::{self, Purpose, Span, Visit};
use crate::demography::{self, Traits};
use crate::draw::{Draw, seed_tag};
use crate::onset::{self, ILLNESSES, Illness, Morbidity};
use crate::physiology::Physiology;
use crate::prevention;
use crate::record::{Category, Class, Encounter, Observation, Person, Procedure, Value};
use crate::terms::{self, Concept, Measure};
use crate::time::{Day, Instant};
use crate::treatment::Course;

/// The record so far and everything that decides what is added to it.
pub(crate) struct Chart<'a> {
    pub(crate) draw: &'a mut Draw,
    pub(crate) traits: Traits,
    pub(crate) ill: Morbidity,
    pub(crate) body: Physiology,
    /// Alive and in the window.
    pub(crate) span: Span,
    pub(crate) person: Person,
    /// The condition that stands for an illness on the problem list.
    pub(crate) diagnosed: [Option<usize>; ILLNESSES],
    pub(crate) courses: Vec<Course>,
    /// When something was last done.
    pub(crate) last: Last,
}

/// Days on which something was last done.
#[derive(Debug, Default)]
pub(crate) struct Last {
    pub(crate) height: Option<Day>,
    pub(crate) smoking: Option<Day>,
    pub(crate) kidney: Option<Day>,
    pub(crate) lipids: Option<Day>,
    pub(crate) hba1c: Option<Day>,
    pub(crate) albumin: Option<Day>,
    pub(crate) screen: Option<Day>,
    pub(crate) foot: Option<Day>,
}

/// Whether at least `days` have passed since `last`.
pub(crate) fn due(last: Option<Day>, day: Day, days: i32) -> bool {
    last.is_none_or(|last| day.0 - last.0 >= days)
}

/// Writes the record of person `number`.
pub(crate) fn person(seed: u64, number: u64, window: Window) -> Person {
    let mut draw = Draw::of_person(seed, number);
    let (patient, traits) = demography::draw(&mut draw, window);
    let ill = onset::draw(&mut draw, &traits, window);
    let death = course::death(&mut draw, &traits, &ill, window);
    let span = Span {
        from: window.start.max(traits.birth),
        to: death.unwrap_or(window.end),
    };
    let mut visits = course::visits(&mut draw, &traits, &ill, span, death.is_some());
    let colonoscopy = course::colonoscopy(&mut draw, &traits, span.to);
    let body = Physiology::draw(&mut draw, &traits);
    let person = Person {
        number,
        tag: seed_tag(seed),
        patient,
        encounters: Vec::with_capacity(visits.len() + 1),
        conditions: Vec::with_capacity(8),
        observations: Vec::with_capacity(32),
        medication_requests: Vec::new(),
        procedures: Vec::new(),
        immunizations: Vec::new(),
    };
    let mut chart = Chart {
        draw: &mut draw,
        traits,
        ill,
        body,
        span,
        person,
        diagnosed: [None; ILLNESSES],
        courses: Vec::new(),
        last: Last::default(),
    };
    chart.person.patient.death = death;
    if let Some(day) = colonoscopy {
        chart.schedule_colonoscopy(day, &mut visits);
    }
    chart.history();
    chart.plan();
    for visit in &visits {
        chart.visit(*visit);
    }
    chart.settle_requests();
    prevention::immunize(&mut chart);
    prevention::examine(&mut chart);
    chart
        .person
        .conditions
        .sort_by_key(|condition| condition.recorded);
    chart
        .person
        .observations
        .sort_by_key(|observation| observation.at);
    chart
        .person
        .procedures
        .sort_by_key(|procedure| procedure.performed);
    chart
        .person
        .immunizations
        .sort_by_key(|immunization| immunization.occurred);
    chart.person
}

impl Chart<'_> {
    /// In the window a colonoscopy is a visit of its own; before it, a line of history.
    fn schedule_colonoscopy(&mut self, day: Day, visits: &mut Vec<Visit>) {
        if day < self.span.from {
            self.procedure(&terms::COLONOSCOPY, day, None);
        } else if self.span.contains(day) && visits.iter().all(|visit| visit.start.day != day) {
            let visit = course::visit(self.draw, day, Purpose::Colonoscopy);
            let place = visits.partition_point(|other| other.start.day < day);
            visits.insert(place, visit);
        }
    }

    fn visit(&mut self, visit: Visit) {
        let day = visit.start.day;
        let encounter = u32::try_from(self.person.encounters.len()).unwrap_or(u32::MAX);
        let class = match visit.purpose {
            Purpose::Wellness | Purpose::FollowUp | Purpose::Symptom | Purpose::Colonoscopy => {
                Class::Ambulatory
            }
            Purpose::Emergency => Class::Emergency,
            Purpose::Admission => Class::Inpatient,
        };
        let kind = self.encounter_kind(visit.purpose, day);
        let reason = self.reason(visit.purpose, day);
        self.person.encounters.push(Encounter {
            class,
            kind,
            reason,
            start: visit.start,
            minutes: visit.minutes,
        });
        let at = visit.start.plus_minutes(visit.minutes.min(10));
        self.diagnose(visit.purpose, at.day, encounter);
        self.acute_illness(visit.purpose, reason, at.day, encounter);
        // What is measured shows the drugs in effect before this visit renews or starts any.
        let effect = self.effect(day);
        self.measure(visit.purpose, at, encounter, effect);
        self.prescribe(visit.purpose, at, encounter);
        self.procedures_at(visit.purpose, at.day, encounter);
    }

    fn encounter_kind(&mut self, purpose: Purpose, day: Day) -> &'static Concept {
        match purpose {
            Purpose::Wellness if self.traits.age(day) < 18.0 => &terms::WELL_CHILD,
            Purpose::Wellness => &terms::GENERAL_EXAMINATION,
            Purpose::FollowUp if self.draw.chance(0.3) => &terms::FOLLOW_UP,
            Purpose::FollowUp => &terms::CHECK_UP,
            Purpose::Symptom => &terms::FOR_SYMPTOM,
            Purpose::Colonoscopy => &terms::OUTPATIENT_PROCEDURE,
            Purpose::Emergency => &terms::EMERGENCY_ADMISSION,
            Purpose::Admission => &terms::HOSPITAL_ADMISSION,
        }
    }

    /// Adds an observation, now and then corrected after the fact.
    pub(crate) fn observe(
        &mut self,
        concept: &'static Concept,
        category: Category,
        at: Instant,
        encounter: Option<u32>,
        value: Value,
    ) {
        let corrected = self.draw.chance(0.004);
        self.person.observations.push(Observation {
            concept,
            category,
            corrected,
            at,
            encounter,
            value,
        });
    }

    /// Adds a laboratory result; a few samples fail.
    pub(crate) fn laboratory(
        &mut self,
        measure: &'static Measure,
        value: i32,
        at: Instant,
        encounter: u32,
    ) {
        let value = if self.draw.chance(0.005) {
            Value::Absent
        } else {
            Value::Quantity(measure, value)
        };
        self.observe(
            measure.concept,
            Category::Laboratory,
            at,
            Some(encounter),
            value,
        );
    }

    /// Adds a procedure; a few are ordered and not done.
    pub(crate) fn procedure(
        &mut self,
        concept: &'static Concept,
        performed: Day,
        encounter: Option<u32>,
    ) {
        let done = !self.draw.chance(0.006);
        self.person.procedures.push(Procedure {
            concept,
            done,
            performed,
            encounter,
        });
    }

    /// Whether an illness is on the problem list.
    pub(crate) fn knows(&self, illness: Illness) -> bool {
        self.diagnosed[illness as usize].is_some()
    }
}
