//! Lines that wait, on disk: a file without a name and sealed, which vanishes with the process.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use salus_lake::{Scratch, ScratchWriter};

use crate::chunk::{Chunk, Lines, Origin};

const BUFFER: usize = 1 << 16;
/// Bytes of lines that are read back together.
const CHUNK: usize = 2 << 20;

/// Lines with their origins, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Spool {
    key: Scratch,
    state: State,
    lines: u64,
}

#[derive(Debug)]
enum State {
    Written(Box<ScratchWriter<BufWriter<File>>>),
    Read(File),
    /// Writing could not be ended.
    Failed,
}

impl Spool {
    /// A spool in `dir`, or where the system keeps temporary files.
    pub(crate) fn new(dir: Option<&Path>) -> io::Result<Self> {
        let file = match dir {
            Some(dir) => tempfile::tempfile_in(dir)?,
            None => tempfile::tempfile()?,
        };
        let (out, key) = ScratchWriter::create(BufWriter::with_capacity(BUFFER, file))?;
        Ok(Self {
            state: State::Written(Box::new(out)),
            key,
            lines: 0,
        })
    }

    /// Keeps a line. None can be added once lines were read back.
    pub(crate) fn push(&mut self, origin: Origin, line: &[u8]) -> io::Result<()> {
        let State::Written(out) = &mut self.state else {
            return Err(io::Error::other("a line came after lines were read back"));
        };
        out.write_all(&origin.file.to_le_bytes())?;
        out.write_all(&origin.line.to_le_bytes())?;
        out.write_all(&(line.len() as u64).to_le_bytes())?;
        out.write_all(line)?;
        self.lines += 1;
        Ok(())
    }

    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// Reads everything back, some megabytes at a time, in the order in which it came.
    pub(crate) fn read<E: From<SpoolFailed>>(
        &mut self,
        mut each: impl FnMut(Chunk) -> Result<(), E>,
    ) -> Result<(), E> {
        let file = self.file().map_err(SpoolFailed)?;
        let mut reader = self.key.reader(BufReader::with_capacity(BUFFER, file));
        let (mut bytes, mut list, mut number) = (Vec::new(), Vec::new(), 0);
        for left in (0..self.lines).rev() {
            let (origin, length) = head(&mut reader).map_err(SpoolFailed)?;
            let start = bytes.len();
            bytes.resize(start + length, 0);
            reader
                .read_exact(&mut bytes[start..])
                .map_err(SpoolFailed)?;
            list.push((origin, start..bytes.len()));
            if bytes.len() >= CHUNK || left == 0 {
                each(Chunk {
                    number,
                    bytes: std::mem::take(&mut bytes),
                    lines: Lines::Listed(std::mem::take(&mut list)),
                })?;
                number += 1;
            }
        }
        Ok(())
    }
}

impl Spool {
    /// The whole file, from its start.
    fn file(&mut self) -> io::Result<File> {
        self.state = match std::mem::replace(&mut self.state, State::Failed) {
            State::Written(out) => {
                let buffer = out.finish()?;
                State::Read(
                    buffer
                        .into_inner()
                        .map_err(io::IntoInnerError::into_error)?,
                )
            }
            read => read,
        };
        let State::Read(file) = &self.state else {
            return Err(io::Error::other("writing could not be ended"));
        };
        let mut again = file.try_clone()?;
        again.rewind()?;
        Ok(again)
    }
}

/// Temporary storage failed.
#[derive(Debug)]
pub(crate) struct SpoolFailed(pub(crate) io::Error);

impl From<SpoolFailed> for crate::error::IngestError {
    fn from(failed: SpoolFailed) -> Self {
        Self::Spool(failed.0)
    }
}

fn head(reader: &mut impl Read) -> io::Result<(Origin, usize)> {
    let (mut file, mut line, mut length) = ([0; 4], [0; 8], [0; 8]);
    reader.read_exact(&mut file)?;
    reader.read_exact(&mut line)?;
    reader.read_exact(&mut length)?;
    let origin = Origin {
        file: u32::from_le_bytes(file),
        line: u64::from_le_bytes(line),
    };
    let length = usize::try_from(u64::from_le_bytes(length)).map_err(io::Error::other)?;
    Ok((origin, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_it_took() {
        let mut spool = Spool::new(None).expect("temporary storage");
        let lines: Vec<(Origin, Vec<u8>)> = (0..5_000_u32)
            .map(|n| {
                let origin = Origin {
                    file: n % 7,
                    line: u64::from(n) * 3,
                };
                (origin, vec![n.to_le_bytes()[0]; (n % 1_000) as usize])
            })
            .collect();
        for (origin, line) in &lines {
            spool.push(*origin, line).expect("temporary storage");
        }
        for _ in 0..2 {
            let mut back = Vec::new();
            let read: Result<(), crate::IngestError> = spool.read(|chunk| {
                back.extend(chunk.lines().map(|(origin, line)| (origin, line.to_vec())));
                Ok(())
            });
            read.expect("temporary storage");
            assert_eq!(back, lines);
        }
        assert_eq!(spool.lines(), 5_000);
    }
}
