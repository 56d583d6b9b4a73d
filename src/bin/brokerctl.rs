//! The command that speaks to the daemon; see [`brokerd::ctl`].

use std::process::ExitCode;

use brokerd::edges::javascript::QuickJs;

fn main() -> ExitCode {
    brokerd::ctl::main(Some(&QuickJs))
}
