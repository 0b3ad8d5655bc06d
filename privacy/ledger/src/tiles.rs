//! The log as C2SP tlog-tiles (<https://c2sp.org/tlog-tiles>): the layout that monitors and verifiers of others read.
//!
//! A tile holds up to 256 hashes of one level of the tree, eight levels apart; a bundle the bytes of up to 256 entries, each after its
//! length in two bytes. What is not full is partial and says so in its name.

use salus_certificate::Hash;

use crate::entry::LONGEST;
use crate::merkle::Frontier;

/// Hashes of a full tile, entries of a full bundle.
const WIDTH: usize = 256;

/// Levels of the tree between two levels of tiles.
const HEIGHT: u32 = 8;

/// A file of the layout: path from the root of the log, and content.
pub(crate) type Tile = (String, Vec<u8>);

/// All tiles over these leaf hashes.
pub(crate) fn hashes(leaves: &[Hash]) -> Vec<Tile> {
    let mut levels: Vec<Vec<Hash>> = Vec::new();
    let mut frontier = Frontier::default();
    for leaf in leaves {
        for (node, hash) in frontier.append(*leaf) {
            if node.level.is_multiple_of(HEIGHT) {
                // Levels are complete from below, each in order.
                let level = usize::try_from(node.level / HEIGHT).unwrap_or(usize::MAX);
                if level >= levels.len() {
                    levels.push(Vec::new());
                }
                if let Some(level) = levels.get_mut(level) {
                    level.push(hash);
                }
            }
        }
    }
    let tiles = levels.iter().enumerate().flat_map(|(level, hashes)| {
        hashes.chunks(WIDTH).enumerate().map(move |(number, tile)| {
            let path = format!("tile/{level}/{}", path(number, tile.len()));
            (path, tile.concat())
        })
    });
    tiles.collect()
}

/// All bundles of these entries; `None` where one is longer than a bundle can say.
pub(crate) fn bundles(entries: &[Vec<u8>]) -> Option<Vec<Tile>> {
    let bundle = |(number, entries): (usize, &[Vec<u8>])| {
        let mut content = Vec::new();
        for entry in entries {
            if entry.len() > LONGEST {
                return None;
            }
            let length = u16::try_from(entry.len()).ok()?;
            content.extend_from_slice(&length.to_be_bytes());
            content.extend_from_slice(entry);
        }
        let path = format!("tile/entries/{}", path(number, entries.len()));
        Some((path, content))
    };
    entries.chunks(WIDTH).enumerate().map(bundle).collect()
}

/// The number of a tile in groups of three digits, and its width where it is partial.
fn path(number: usize, width: usize) -> String {
    let mut text = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        text = format!("x{:03}/{text}", rest % 1000);
        rest /= 1000;
    }
    if width < WIDTH {
        text = format!("{text}.p/{width}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_named_as_the_format_says() {
        assert_eq!(path(0, 256), "000");
        assert_eq!(path(67, 3), "067.p/3");
        assert_eq!(path(1_234_067, 256), "x001/x234/067");
        assert_eq!(path(1_000, 1), "x001/000.p/1");
    }

    #[test]
    fn every_level_holds_what_is_complete() {
        let leaves: Vec<Hash> = (0..70_000_u32)
            .map(|number| crate::merkle::leaf_hash(&number.to_be_bytes()))
            .collect();
        let tiles = hashes(&leaves);
        let of = |level: &str| {
            tiles
                .iter()
                .filter(|(path, _)| path.starts_with(level))
                .count()
        };
        assert_eq!(of("tile/0/"), 274);
        assert_eq!(of("tile/1/"), 2);
        assert_eq!(of("tile/2/"), 1);
        let (path, content) = tiles.last().unwrap();
        assert_eq!((path.as_str(), content.len()), ("tile/2/000.p/1", 32));
        assert!(bundles(&[vec![0; LONGEST]]).is_some());
        assert!(bundles(&[vec![0; LONGEST + 1]]).is_none());
    }
}
