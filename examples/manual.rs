//! Writes the manual pages of both programs into a directory, from what they themselves take:
//! `cargo run --example manual -- DIRECTORY`.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use clap_mangen::Man;

fn main() -> io::Result<()> {
    let directory = env::args_os().nth(1).map(PathBuf::from);
    let directory = directory.ok_or_else(|| io::Error::other("name a directory"))?;
    fs::create_dir_all(&directory)?;
    for mut program in [brokerd::ctl::command(), brokerd::daemon::command()] {
        program.build();
        let name = program.get_name().to_owned();
        write(&directory, &name, program)?;
    }
    Ok(())
}

/// The page of a command, and those of the commands below it, each under its whole name: `brokerctl-profile-add.1`.
fn write(directory: &Path, name: &str, command: clap::Command) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write(directory, &format!("{name}-{}", below.get_name()), below.clone())?;
    }
    let page = Man::new(command.display_name(name)).title(name);
    let page = page.source(format!("brokerd {}", env!("CARGO_PKG_VERSION"))).manual("brokerd");
    let mut text = Vec::new();
    page.render(&mut text)?;
    fs::write(directory.join(format!("{name}.1")), text)
}
