//! Names of the files of a transaction: they begin with the number of the snapshot that it is to make.
//!
//! # Guarantee
//! Once there is a snapshot with that number, a file that no snapshot names will never be named: the transaction that wrote it
//! can only commit under that number, and in a bucket a number stays taken for ever. This is how a vacuum knows, without a
//! clock, which files nobody is still going to use.

/// Digits of a snapshot's number, padded, so that a listing is in order.
const DIGITS: usize = 10;

/// The start of all file names of a transaction.
pub(crate) fn token(snapshot: u64, random: u64) -> String {
    format!("{snapshot:0DIGITS$}-{random:016x}")
}

/// The number of the snapshot that the file was written for; `None` when it is no file of a transaction.
pub(crate) fn written_for(name: &str) -> Option<u64> {
    let (number, rest) = name.split_once('-')?;
    let padded = number.len() >= DIGITS && number.bytes().all(|byte| byte.is_ascii_digit());
    (padded && !rest.is_empty())
        .then(|| number.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_snapshot() {
        let name = format!("{}-00000.parquet", token(42, 7));
        assert_eq!(name, "0000000042-0000000000000007-00000.parquet");
        assert_eq!(written_for(&name), Some(42));
        assert_eq!(written_for(&token(u64::MAX, 0)), Some(u64::MAX));
        for other in [
            "part-00000.parquet",
            "42-1.parquet",
            "0000000042",
            "0000000042-",
            "-1-x",
            "",
        ] {
            assert_eq!(written_for(other), None, "{other}");
        }
    }
}
