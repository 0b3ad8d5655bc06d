//! `salus synth`.

use std::path::Path;

use salus_synth::{Compression, Options, Summary, write_lake, write_ndjson};
use serde_json::json;

use crate::arguments::{Compress, Format, Synth};
use crate::failure::Failure;
use crate::home::Home;
use crate::output::{Rows, print};
use crate::progress::Progress;

pub(crate) async fn run(root: &Path, synth: &Synth, format: Format) -> Result<(), Failure> {
    let options = Options {
        persons: synth.persons,
        seed: synth.seed,
        as_of: synth.as_of,
        years: synth.years,
    };
    let progress = Progress::count(synth.persons, "persons", "generating");
    let summary = match &synth.out {
        Some(dir) => export(dir, &options, synth.compress, &progress)?,
        None => into_lake(root, &options, &progress).await?,
    };
    progress.finish();
    let mut rows = Rows::new(&["what", "number"]);
    for (name, count) in &summary.counts {
        rows.push([(*name).to_owned(), count.to_string()]);
    }
    print(
        format,
        &rows,
        &json!({"persons": summary.persons, "counts": summary.counts, "files": summary.files, "bytes": summary.bytes}),
    );
    Ok(())
}

fn export(
    dir: &Path,
    options: &Options,
    compress: Compress,
    progress: &Progress,
) -> Result<Summary, Failure> {
    let compression = match compress {
        Compress::None => Compression::None,
        Compress::Gzip => Compression::Gzip,
        Compress::Zstd => Compression::Zstd,
    };
    Ok(write_ndjson(options, dir, compression, &|done| {
        progress.set(done);
    })?)
}

async fn into_lake(
    root: &Path,
    options: &Options,
    progress: &Progress,
) -> Result<Summary, Failure> {
    let home = Home::at(root)?;
    let lake = home.own_lake().await?;
    // Made-up people beside others, or once more under other numbers, would be counted with them.
    if lake.snapshot()?.is_some() {
        return Err(Failure::usage(
            "this home holds data already; `salus synth --lake` fills an empty one: `salus init --home` makes one, `--out DIR` writes an export",
        ));
    }
    let transaction = lake.begin()?;
    let summary = write_lake(options, &transaction, &|done| progress.set(done))?;
    progress.message("committing".to_owned());
    transaction.commit(&|_| ()).await?;
    let ledger = home.ledger().await?;
    home.books(&lake, &ledger).await?;
    ledger.close().await?;
    Ok(summary)
}
