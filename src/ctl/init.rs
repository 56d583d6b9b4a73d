use clap::Args;
use super::failure::Failure;
#[derive(Debug, Args)]
pub(super) struct Init {}
impl Init { pub(super) fn run(self) -> Result<(), Failure> { Ok(()) } }
