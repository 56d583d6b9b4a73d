//! The command that speaks to the daemon; see [`brokerd::ctl`].

use std::process::ExitCode;

fn main() -> ExitCode {
    brokerd::ctl::main()
}
