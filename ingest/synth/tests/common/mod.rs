//! Reading back what was written.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use salus_synth::{Compression, Options, write_ndjson};

/// A small population.
pub(crate) fn options(persons: u64, seed: u64) -> Options {
    Options {
        persons,
        seed,
        ..Options::default()
    }
}

/// The population as NDJSON: file name to uncompressed bytes.
pub(crate) fn written(options: &Options) -> BTreeMap<String, Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    write_ndjson(options, directory.path(), Compression::None, &|_| ()).unwrap();
    files(directory.path())
}

/// All files of a directory, decompressed by their suffix.
pub(crate) fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let raw = fs::read(&path).unwrap();
        let mut text = Vec::new();
        match path.extension().unwrap().to_str().unwrap() {
            "gz" => {
                flate2::read::MultiGzDecoder::new(&raw[..])
                    .read_to_end(&mut text)
                    .unwrap();
            }
            "zst" => text = zstd::decode_all(&raw[..]).unwrap(),
            _ => text = raw,
        }
        all.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), text);
    }
    all
}

/// Every line of a population as JSON.
pub(crate) fn resources(options: &Options) -> Vec<serde_json::Value> {
    let files = written(options);
    let lines = files
        .values()
        .flat_map(|text| text.split_inclusive(|byte| *byte == b'\n'));
    lines
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}
