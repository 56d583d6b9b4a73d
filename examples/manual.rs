//! Writes the manual pages of both programs into a directory, from what they themselves take:
//! `cargo run --example manual -- DIRECTORY`. Their date is today's, or that of `SOURCE_DATE_EPOCH`.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use clap_mangen::Man;
use jiff::Timestamp;

fn main() -> io::Result<()> {
    let directory = env::args_os().nth(1).map(PathBuf::from);
    let directory = directory.ok_or_else(|| io::Error::other("name a directory"))?;
    fs::create_dir_all(&directory)?;
    let date = date()?;
    for mut program in [brokerd::ctl::command(), brokerd::daemon::command()] {
        program.build();
        let name = program.get_name().to_owned();
        write(&directory, &name, program, &date)?;
    }
    Ok(())
}

/// The page of a command, and those of the commands below it, each under its whole name: `brokerctl-profile-add.1`.
fn write(directory: &Path, name: &str, command: clap::Command, date: &str) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write(directory, &format!("{name}-{}", below.get_name()), below.clone(), date)?;
    }
    let page = Man::new(command.display_name(name)).title(name).date(date);
    let page = page.source(format!("brokerd {}", env!("CARGO_PKG_VERSION"))).manual("brokerd");
    let mut text = Vec::new();
    page.render(&mut text)?;
    fs::write(directory.join(format!("{name}.1")), text)
}

/// A page without a date would show its next field for one.
fn date() -> io::Result<String> {
    let moment = match env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => {
            let seconds = text.parse().map_err(|_| io::Error::other("SOURCE_DATE_EPOCH is no number"))?;
            Timestamp::from_second(seconds).map_err(io::Error::other)?
        }
        Err(_) => Timestamp::now(),
    };
    Ok(moment.strftime("%Y-%m-%d").to_string())
}
