//! The program: everything is in the library.
#![warn(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    lockkeeper::shell::cli::run()
}
