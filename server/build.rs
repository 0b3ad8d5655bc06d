//! The code of `salus.v1` from its .proto file, with a compiler in Rust.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const FILE: &str = "proto/salus/v1/private.proto";
    println!("cargo::rerun-if-changed={FILE}");
    let files = protox::compile([FILE], ["proto"])?;
    tonic_prost_build::configure().compile_fds(files)?;
    Ok(())
}
