//! A population as a bulk export on disk.

use std::path::Path;

use crate::error::Result;
use crate::parts::{self, Compression, Parts};
use crate::pipeline;
use crate::record::Kind;
use crate::text::Lines;
use crate::{Options, Summary, person};

/// Size of a part before compression.
pub const PART_BYTES: u64 = 128 << 20;

/// Persons made at a time.
const CHUNK: u64 = 256;

/// Writes the population to `directory` as `<ResourceType>.<part>.ndjson` with parts of
/// [`PART_BYTES`].
///
/// `progress` hears the number of persons done. Equal options give equal bytes, on every machine.
/// Memory does not grow with the population.
///
/// # Errors
/// [`Error::NotEmpty`](crate::Error::NotEmpty) if the directory holds NDJSON files already,
/// [`Error::Options`](crate::Error::Options), and [`Error::Io`](crate::Error::Io); then no file
/// without the suffix `.partial` was written.
pub fn write_ndjson(
    options: &Options,
    directory: &Path,
    compression: Compression,
    progress: &dyn Fn(u64),
) -> Result<Summary> {
    write_ndjson_in_parts(options, directory, compression, PART_BYTES, progress)
}

/// As [`write_ndjson`] with parts of at most `part_bytes`, counted before compression; a longer
/// line gets a part of its own.
///
/// # Errors
/// As [`write_ndjson`].
pub fn write_ndjson_in_parts(
    options: &Options,
    directory: &Path,
    compression: Compression,
    part_bytes: u64,
    progress: &dyn Fn(u64),
) -> Result<Summary> {
    options.check()?;
    parts::prepare(directory)?;
    let mut parts =
        Kind::ALL.map(|kind| Parts::new(directory, kind.name(), compression, part_bytes));
    let mut summary = Summary::default();
    pipeline::in_order(
        options.persons,
        CHUNK,
        |range| {
            let mut lines = Lines::default();
            range.for_each(|number| lines.person(&person(options, number)));
            lines
        },
        |range, lines| {
            for kind in Kind::ALL {
                let text = &lines.text[kind.index()];
                parts[kind.index()].write(text)?;
                summary.bytes += text.len() as u64;
                *summary.counts.entry(kind.name()).or_default() += lines.count[kind.index()];
            }
            summary.persons = range.end;
            progress(range.end);
            Ok::<(), crate::Error>(())
        },
    )?;
    for part in parts {
        summary.files.extend(part.finish()?);
    }
    parts::publish(directory, &summary.files)?;
    Ok(summary)
}
