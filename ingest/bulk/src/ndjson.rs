//! Reading back what was downloaded: lines of bounded length, plain or gzip.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::error::BulkError;

/// A line of a `deleted` or error file may have this many bytes.
const LONGEST: u64 = 64 << 20;

/// Opens a downloaded file for reading, unpacking it if its name ends in `.gz`.
///
/// # Errors
/// [`BulkError::Store`] if it cannot be opened.
pub fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, BulkError> {
    open_as(
        path,
        path.extension().is_some_and(|extension| extension == "gz"),
    )
}

pub(crate) fn open_as(path: &Path, gzip: bool) -> Result<Box<dyn BufRead + Send>, BulkError> {
    let file = File::open(path).map_err(BulkError::store(path))?;
    if gzip {
        return Ok(Box::new(BufReader::new(MultiGzDecoder::new(
            BufReader::new(file),
        ))));
    }
    Ok(Box::new(BufReader::new(file)))
}

/// One line that is not blank.
pub(crate) enum Line {
    Whole(Vec<u8>),
    /// Longer than anything we want to hold.
    TooLong,
}

/// The lines of `reader` that are not blank. The iterator ends after the first error.
pub(crate) fn lines<R: BufRead>(
    reader: R,
    what: &'static str,
) -> impl Iterator<Item = Result<Line, BulkError>> {
    let mut reader = Some(reader);
    std::iter::from_fn(move || {
        loop {
            let source = reader.as_mut()?;
            let mut line = Vec::new();
            let read = source.by_ref().take(LONGEST).read_until(b'\n', &mut line);
            match read {
                Ok(0) => return None,
                Ok(_) if line.len() as u64 == LONGEST && !line.ends_with(b"\n") => {
                    if source.skip_until(b'\n').is_ok() {
                        return Some(Ok(Line::TooLong));
                    }
                    reader = None;
                }
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => return Some(Ok(Line::Whole(line))),
                Err(error) => {
                    reader = None;
                    return Some(Err(BulkError::Protocol {
                        doing: what,
                        text: crate::text::clean(&error.to_string(), 200),
                    }));
                }
            }
        }
    })
}
