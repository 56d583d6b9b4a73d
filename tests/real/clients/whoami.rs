//! The AWS SDK for Rust, with the chain that it has by itself. It prints who it is for AWS.

#![allow(clippy::print_stdout, reason = "whoever started it reads what it prints")]

use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new(std::env::var("AWS_DEFAULT_REGION")?))
        .http_client(brokerd::edges::https::client(None)?)
        .load()
        .await;
    let answer = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await?;
    println!("{}", answer.arn().unwrap_or_default());
    Ok(())
}
