//! The daemon; see [`brokerd::daemon`].

use std::process::ExitCode;

fn main() -> ExitCode {
    // Under its other name it is the other program: the demo has only this file. It runs no JavaScript.
    if std::env::args_os().next().is_some_and(|name| name.as_encoded_bytes().ends_with(b"brokerctl")) {
        return brokerd::ctl::main(None);
    }
    brokerd::daemon::main()
}
