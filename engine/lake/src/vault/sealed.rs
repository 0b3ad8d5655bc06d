//! Scratch files: what a process writes for itself and reads back once, sealed with a key that dies with it.
//!
//! A stream is cut into chunks, each sealed with AES-256-GCM under its own counter as nonce. Every file has a key of its own,
//! so a counter never comes twice. Whether a chunk is the last is part of its nonce, so a cut file is an error.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};

use super::KEY_BYTES;

/// Bytes that are sealed together.
const CHUNK: usize = 1 << 16;
/// Bytes before a chunk: whether it is the last, and how long it is.
const HEAD: usize = 5;

/// The key of one scratch file: what was sealed with it can be read, and nothing more can be sealed.
#[derive(Clone)]
pub struct Scratch {
    key: LessSafeKey,
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scratch")
    }
}

impl Scratch {
    /// Opens what the writer of this key sealed, from its start.
    pub fn reader<R: Read>(&self, from: R) -> ScratchReader<R> {
        ScratchReader {
            key: self.key.clone(),
            from,
            number: 0,
            chunk: Vec::new(),
            at: 0,
            ended: false,
        }
    }
}

fn nonce(number: u64, last: bool) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes[8] = u8::from(last);
    Nonce::assume_unique_for_key(bytes)
}

/// Seals a stream.
pub struct ScratchWriter<W: Write> {
    key: LessSafeKey,
    out: W,
    number: u64,
    plain: Vec<u8>,
}

impl<W: Write> fmt::Debug for ScratchWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScratchWriter")
            .field("chunk", &self.number)
            .finish_non_exhaustive()
    }
}

impl<W: Write> ScratchWriter<W> {
    /// Seals everything written to `out` with a new key; [`ScratchWriter::finish`] ends it. The key has this one writer, so no
    /// counter comes twice.
    pub fn create(out: W) -> io::Result<(Self, Scratch)> {
        let mut bytes = zeroize::Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(bytes.as_mut()).map_err(io::Error::other)?;
        let key = UnboundKey::new(&AES_256_GCM, bytes.as_ref());
        let key = LessSafeKey::new(key.map_err(|_| io::Error::other("no key"))?);
        let writer = Self {
            key: key.clone(),
            out,
            number: 0,
            plain: Vec::with_capacity(CHUNK + MAX_TAG_LEN),
        };
        Ok((writer, Scratch { key }))
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        let nonce = nonce(self.number, last);
        self.number += 1;
        self.key
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut self.plain)
            .map_err(|_| io::Error::other("a chunk cannot be sealed"))?;
        let length = u32::try_from(self.plain.len()).map_err(io::Error::other)?;
        self.out.write_all(&[u8::from(last)])?;
        self.out.write_all(&length.to_le_bytes())?;
        let written = self.out.write_all(&self.plain);
        self.plain.clear();
        written
    }

    /// Writes the last chunk and gives back what was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> Write for ScratchWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full chunk waits for the next byte: only then is it known not to be the last.
        if self.plain.len() == CHUNK {
            self.seal(false)?;
        }
        let fits = bytes.len().min(CHUNK - self.plain.len());
        self.plain.extend_from_slice(&bytes[..fits]);
        Ok(fits)
    }

    /// Sealed chunks go on; a chunk that is not full stays until [`ScratchWriter::finish`].
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Opens a sealed stream.
pub struct ScratchReader<R: Read> {
    key: LessSafeKey,
    from: R,
    number: u64,
    chunk: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<R: Read> fmt::Debug for ScratchReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScratchReader")
            .field("chunk", &self.number)
            .finish_non_exhaustive()
    }
}

impl<R: Read> ScratchReader<R> {
    /// Reads and opens the next chunk.
    fn next(&mut self) -> io::Result<()> {
        let mut head = [0; HEAD];
        self.from.read_exact(&mut head)?;
        let [last, length @ ..] = head;
        let length = u32::from_le_bytes(length) as usize;
        if last > 1 || length > CHUNK + MAX_TAG_LEN {
            return Err(changed());
        }
        self.chunk.resize(length, 0);
        self.from.read_exact(&mut self.chunk)?;
        let opened =
            self.key
                .open_in_place(nonce(self.number, last == 1), Aad::empty(), &mut self.chunk);
        let plain = opened.map_err(|_| changed())?.len();
        self.chunk.truncate(plain);
        self.at = 0;
        self.number += 1;
        self.ended = last == 1;
        Ok(())
    }
}

fn changed() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "a scratch file was changed")
}

impl<R: Read> Read for ScratchReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() && !self.ended {
            self.next()?;
        }
        let some = into.len().min(self.chunk.len() - self.at);
        into[..some].copy_from_slice(&self.chunk[self.at..self.at + some]);
        self.at += some;
        Ok(some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(plain: &[u8], piece: usize) -> (Vec<u8>, Scratch) {
        let (mut writer, key) = ScratchWriter::create(Vec::new()).expect("a key");
        for piece in plain.chunks(piece) {
            writer.write_all(piece).expect("memory");
        }
        (writer.finish().expect("memory"), key)
    }

    #[test]
    fn gives_back_what_it_took_and_shows_nothing() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5] {
            let plain: Vec<u8> = b"Mrs Canary "
                .iter()
                .copied()
                .cycle()
                .take(length)
                .collect();
            for piece in [1_000, CHUNK, length.max(1)] {
                let (disk, scratch) = sealed(&plain, piece);
                assert!(!disk.windows(6).any(|part| part == b"Canary"));
                let mut back = Vec::new();
                scratch
                    .reader(&disk[..])
                    .read_to_end(&mut back)
                    .expect("the same bytes");
                assert!(back == plain, "{length} bytes in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_changed_cut_or_foreign_file_is_an_error() {
        let (disk, scratch) = sealed(&vec![7; 2 * CHUNK + 9], CHUNK);
        let read =
            |scratch: &Scratch, disk: &[u8]| scratch.reader(disk).read_to_end(&mut Vec::new());
        for at in [0, 1, 4, HEAD, HEAD + CHUNK, disk.len() - 1] {
            let mut changed = disk.clone();
            changed[at] ^= 1;
            assert!(read(&scratch, &changed).is_err(), "byte {at}");
        }
        let chunk = HEAD + CHUNK + MAX_TAG_LEN;
        assert!(
            read(&scratch, &disk[..2 * chunk]).is_err(),
            "cut between two chunks"
        );
        assert!(
            read(&scratch, &[&disk[chunk..], &disk[..chunk]].concat()).is_err(),
            "out of order"
        );
        assert!(read(&sealed(&[], 1).1, &disk).is_err());
    }
}
