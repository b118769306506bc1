//! The gateway that is judged.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use crate::process::run;

/// The gateway's binary: the one named, or the one of this workspace, brought up to date.
pub static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
    if let Ok(named) = std::env::var("LOCKKEEPER_BIN") {
        return PathBuf::from(named);
    }
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).expect("target/<profile>/deps/<test>").to_owned();
    let mut build = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    build.args(["build", "--quiet", "--package", "lockkeeper", "--bin", "lockkeeper"]);
    build.arg("--target-dir").arg(profile.parent().unwrap());
    if profile.ends_with("release") {
        build.arg("--release");
    }
    // What cargo tells a test about itself would have some dependencies built anew.
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_this_package(name)) {
        build.env_remove(name);
    }
    let (ok, text) = run(build.current_dir(env!("CARGO_MANIFEST_DIR")), "");
    assert!(ok, "the gateway does not build: {text}");
    profile.join("lockkeeper")
});

fn is_of_this_package(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_"].iter().any(|start| name.starts_with(start))
}
