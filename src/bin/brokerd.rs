//! The daemon; see [`brokerd::daemon`].

use std::process::ExitCode;

fn main() -> ExitCode {
    brokerd::daemon::main()
}
