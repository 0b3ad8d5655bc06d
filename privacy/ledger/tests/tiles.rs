//! The exported log is accepted by a tlog-tiles verifier that others wrote (tlog_tiles and signed_note, of Cloudflare's transparency logs).

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use salus_ledger::Ledger;
use signed_note::{Note, StandardVerifier, Verifier as _, VerifierList};
use support::{create, refusal};
use tlog_tiles::{
    Checkpoint, Error, Hash, HashReader as _, Tile, TileHashReader, TileReader, check_record,
    prove_record, record_hash, stored_hash_index, tree_hash,
};

/// The files of an export as their verifier asks for them.
#[derive(Debug)]
struct Files(PathBuf);

impl TileReader for Files {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let read = |tile: &Tile| {
            // Its paths name the height, which the layout fixes at 8 and leaves out.
            let path = tile.path().replacen("tile/8/", "tile/", 1);
            fs::read(self.0.join(path)).map_err(|_| Error::InvalidTile)
        };
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// A log of so many entries.
async fn grown(dir: &Path, entries: u64) -> Ledger {
    let ledger = create(dir, 3).await;
    let asks = (ledger.size().await.unwrap()..entries).map(|_| ledger.refuse(refusal()));
    for outcome in futures::future::join_all(asks).await {
        outcome.unwrap();
    }
    assert_eq!(ledger.size().await.unwrap(), entries);
    ledger
}

/// Entries of the bundles, in order.
fn entries(root: &Path, size: u64) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    for number in 0..size.div_ceil(256) {
        let width = (size - number * 256).min(256);
        let name = match width {
            256 => format!("tile/entries/{number:03}"),
            _ => format!("tile/entries/{number:03}.p/{width}"),
        };
        let content = fs::read(root.join(name)).unwrap();
        let mut rest = content.as_slice();
        while let Some((length, tail)) = rest.split_first_chunk::<2>() {
            let (entry, tail) = tail.split_at(usize::from(u16::from_be_bytes(*length)));
            entries.push(entry.to_vec());
            rest = tail;
        }
    }
    entries
}

#[tokio::test]
async fn our_log_is_accepted_by_a_verifier_that_others_wrote() {
    for size in [6, 256, 257, 700] {
        let dir = tempfile::tempdir().unwrap();
        let ledger = grown(dir.path(), size).await;
        let root = dir.path().join("export");
        ledger.export(&root).await.unwrap();

        let verifier = StandardVerifier::new(&ledger.vkey()).unwrap();
        assert_eq!(verifier.name(), support::ORIGIN);
        let note = Note::from_bytes(&fs::read(root.join("checkpoint")).unwrap()).unwrap();
        let known = VerifierList::new(vec![Box::new(verifier)]);
        let (signed, _) = note.verify(&known).unwrap();
        assert_eq!(signed.len(), 1);
        let checkpoint = Checkpoint::from_bytes(note.text()).unwrap();
        assert_eq!(
            (checkpoint.origin(), checkpoint.size()),
            (support::ORIGIN, size)
        );

        let files = Files(root.clone());
        let reader = TileHashReader::new(size, *checkpoint.hash(), &files);
        assert_eq!(tree_hash(size, &reader).unwrap(), *checkpoint.hash());
        let bundled = entries(&root, size);
        assert_eq!(bundled.len() as u64, size);
        for (index, entry) in (0_u64..).zip(&bundled) {
            let leaf = reader.read_hashes(&[stored_hash_index(0, index)]).unwrap();
            assert_eq!(leaf, [record_hash(entry)]);
        }
        for index in [0, size / 2, size - 1] {
            let proof = prove_record(size, index, &reader).unwrap();
            let leaf = record_hash(&bundled[usize::try_from(index).unwrap()]);
            check_record(&proof, size, *checkpoint.hash(), index, leaf).unwrap();
        }
        // It is not accepted with one hash of the newest tile changed.
        let (number, width) = ((size - 1) / 256, (size - 1) % 256 + 1);
        let name = match width {
            256 => format!("tile/0/{number:03}"),
            _ => format!("tile/0/{number:03}.p/{width}"),
        };
        let mut tile = fs::read(root.join(&name)).unwrap();
        tile[0] ^= 1;
        fs::write(root.join(&name), tile).unwrap();
        let reader = TileHashReader::new(size, *checkpoint.hash(), &files);
        let changed = stored_hash_index(0, number * 256);
        let hashes: Result<Vec<Hash>, Error> = reader.read_hashes(&[changed]);
        assert!(hashes.is_err(), "{size}: {hashes:?}");
        ledger.close().await.unwrap();
    }
}
