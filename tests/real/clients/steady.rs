//! The AWS SDK for Rust's own metadata client, for as long as it is told to. It keeps its token for hours, and keeps
//! it also when that is refused.
//!
//! Prints `ready` after the first answer; a line ends it, and it prints what happened how often.

#![allow(clippy::print_stdout, reason = "whoever started it reads what it prints")]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use aws_config::imds::Client;
use aws_config::imds::client::error::ImdsError;
use tokio::io::AsyncBufReadExt;

const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
/// A loop ends by itself.
const MOST: usize = 200_000;

async fn outcome(client: &Client, path: &str) -> String {
    match client.get(path).await {
        Ok(text) => serde_json::from_str::<serde_json::Value>(text.as_ref())
            .ok()
            .and_then(|document| document["AccessKeyId"].as_str().map(str::to_owned))
            .unwrap_or_else(|| "no document".to_owned()),
        Err(ImdsError::ErrorResponse(error)) => format!("status {}", error.response().status().as_u16()),
        Err(error) => {
            let words = format!("{error}: {error:?}");
            // The gap between two daemons, as its two ends look from here.
            if words.contains("refused") {
                "refused".to_owned()
            } else if ["reset", "closed", "IncompleteMessage"].iter().any(|sign| words.contains(sign)) {
                "cut".to_owned()
            } else {
                words
            }
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = aws_config::provider_config::ProviderConfig::default()
        .with_http_client(brokerd::edges::https::client(None)?);
    let client = Client::builder().configure(&config).max_attempts(1).build();
    let name = client.get(ROLES).await?;
    let path = format!("{ROLES}{}", name.as_ref());
    let mut counts = BTreeMap::from([(outcome(&client, &path).await, 1)]);
    println!("ready");
    let mut lines = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    for _ in 0..MOST {
        tokio::select! {
            _ = lines.next_line() => break,
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
        *counts.entry(outcome(&client, &path).await).or_insert(0_u64) += 1;
    }
    println!("{}", serde_json::to_string(&counts)?);
    Ok(())
}
