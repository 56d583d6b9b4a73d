//! demo
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[arg(long)]
    keep: bool,
}
pub fn show(_: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    Ok(())
}
pub fn be_client() -> Result<(), Box<dyn std::error::Error>> {
    Ok(())
}
