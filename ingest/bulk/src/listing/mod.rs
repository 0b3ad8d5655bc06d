//! The files of an export as the job knows them: one name for each, chosen by us, whatever the links
//! of the day are.

use std::collections::{HashMap, HashSet};

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::manifest::{Entry, Page, Section};

/// Every file of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listing {
    /// Goes up by one with each listing, and stands in the names of new files.
    pub(crate) generation: u32,
    /// The kick-off that the server answers with it.
    pub(crate) kickoff: u32,
    pub(crate) transaction_time: Option<String>,
    pub(crate) files: Vec<Listed>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listed {
    /// Where it will lie in the job's directory, without a suffix for compression. No part of it comes
    /// from the server, but the resource type if it is plain letters.
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) entry: Entry,
    pub(crate) requires_token: bool,
    /// The instant its data are of.
    pub(crate) transaction_time: Option<String>,
}

impl Listing {
    /// A listing of the pages of a manifest. An address that occurs twice is one file.
    pub(crate) fn new(pages: Vec<Page>, generation: u32, kickoff: u32) -> Self {
        let transaction_time = pages.iter().find_map(|page| page.transaction_time.clone());
        let mut seen = HashSet::new();
        let mut files = Vec::new();
        for page in pages {
            for entry in page.entries {
                if !seen.insert(entry.url.clone()) {
                    continue;
                }
                let (folder, kind) = (entry.section.folder(), entry.kind.as_deref());
                let number = files.len() + 1;
                files.push(Listed {
                    name: format!(
                        "{folder}/{}.{generation}.{number:05}.ndjson",
                        kind.unwrap_or("resources")
                    ),
                    entry,
                    requires_token: page.requires_token,
                    transaction_time: transaction_time.clone(),
                });
            }
        }
        Self {
            generation,
            kickoff,
            transaction_time,
            files,
        }
    }

    /// Whether `new` lists the same files as `self` under fresh links; then the listing with our names
    /// and those links.
    ///
    /// A server may sign its links anew or move its files, but what a manifest has listed does not
    /// change (IG, "Output Manifest"). Files are matched by their address without query; one whose
    /// address is nowhere in the other manifest, by its place in the list.
    pub(crate) fn renewed(&self, new: &Self) -> Option<Self> {
        // Another kick-off may cut the same data into other files, even of the same instant.
        let dated = self.transaction_time.is_some();
        if !dated || self.kickoff != new.kickoff || self.transaction_time != new.transaction_time {
            return None;
        }
        if self.files.len() != new.files.len() {
            return None;
        }
        // Where the query tells files apart, it belongs to the address.
        let whole = |url: &Url| url.to_string();
        let (key, old_places, new_places) = match (places(self, key), places(new, key)) {
            (Some(old), Some(new)) => (key as fn(&Url) -> String, old, new),
            _ => (
                whole as fn(&Url) -> String,
                places(self, whole)?,
                places(new, whole)?,
            ),
        };
        let mut renewed = self.clone();
        for (at, file) in renewed.files.iter_mut().enumerate() {
            let place = new_places.get(&key(&file.entry.url)).copied();
            let moved = || {
                let stranger = !old_places.contains_key(&key(&new.files[at].entry.url));
                stranger.then_some(at)
            };
            let fresh = &new.files[place.or_else(moved)?];
            let same = |old: &Entry, new: &Entry| {
                (old.section, &old.kind, old.count) == (new.section, &new.kind, new.count)
            };
            if !same(&file.entry, &fresh.entry) {
                return None;
            }
            file.entry = fresh.entry.clone();
            file.requires_token = fresh.requires_token;
        }
        Some(renewed)
    }

    /// The listing to go on with, when `new` comes from a different export for the same request.
    ///
    /// Types of which every file is `complete` are kept as they are: their data are whole, of an
    /// earlier instant. The export counts as being of the earliest instant, so that the next one asks
    /// for what changed since. Other types come from the new export whole, never in parts from both.
    /// What was deleted, and what went wrong, is the new export's to say.
    pub(crate) fn succeeded_by(&self, mut new: Self, complete: impl Fn(&str) -> bool) -> Self {
        let outputs = self
            .files
            .iter()
            .filter(|file| file.entry.section == Section::Output);
        let outputs: Vec<&Listed> = outputs.collect();
        // Without a type, or without an instant, nobody can say what is whole.
        let typed = |files: &[&Listed]| files.iter().all(|file| file.entry.kind.is_some());
        let new_outputs = new
            .files
            .iter()
            .filter(|file| file.entry.section == Section::Output);
        let dated = self
            .files
            .iter()
            .all(|file| file.transaction_time.is_some());
        if !dated || !typed(&outputs) || !typed(&new_outputs.collect::<Vec<_>>()) {
            return new;
        }
        let mut whole: HashMap<&str, bool> = HashMap::new();
        for file in &outputs {
            let kind = file.entry.kind.as_deref().unwrap_or_default();
            *whole.entry(kind).or_insert(true) &= complete(&file.name);
        }
        let kept = |file: &Listed| {
            let kind = file.entry.kind.as_deref().unwrap_or_default();
            file.entry.section == Section::Output && whole.get(kind) == Some(&true)
        };
        new.files.retain(|file| !kept(file));
        let keep = outputs.into_iter().filter(|file| kept(file)).cloned();
        new.files.extend(keep);
        new
    }

    /// The instant of the export as a whole: the earliest of its files, if all have one.
    pub(crate) fn instant(&self) -> Option<String> {
        let own = std::iter::once(&self.transaction_time);
        let times = own.chain(self.files.iter().map(|file| &file.transaction_time));
        let mut earliest: Option<(DateTime<_>, &String)> = None;
        for time in times {
            let text = time.as_ref()?;
            let instant = DateTime::parse_from_rfc3339(text).ok()?;
            if earliest.is_none_or(|(other, _)| instant < other) {
                earliest = Some((instant, text));
            }
        }
        earliest.map(|(_, text)| text.clone())
    }
}

/// The place of each address in a listing; `None` if `key` does not tell all files apart.
fn places(listing: &Listing, key: fn(&Url) -> String) -> Option<HashMap<String, usize>> {
    let files = listing.files.iter().enumerate();
    let places: HashMap<_, _> = files.map(|(at, file)| (key(&file.entry.url), at)).collect();
    (places.len() == listing.files.len()).then_some(places)
}

/// What of an address stays when it is signed anew.
pub(crate) fn key(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

#[cfg(test)]
mod tests;
