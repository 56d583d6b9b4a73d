//! AWS Systems Manager Parameter Store.

use aws_config::SdkConfig;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::Parameter;
use zeroize::Zeroizing;

use super::profile_session::{is_about_one, sorted};
use crate::core::secret::{Content, Origin, SecretFailure};

/// So many names go into one call (AWS Systems Manager API reference, `GetParameters`).
const BATCH: usize = 10;

type Found = Result<Content, SecretFailure>;

/// Reads parameters, `decrypted` or as they are stored. The names or ARNs, with a version or label behind a colon where
/// one is wanted, are all different; the answers are in their order.
pub async fn read(config: &SdkConfig, names: &[String], decrypted: bool) -> Vec<Found> {
    let client = Client::new(config);
    let mut found = Vec::with_capacity(names.len());
    for batch in names.chunks(BATCH) {
        match call(&client, batch, decrypted).await {
            Ok(answers) => {
                for (name, answer) in batch.iter().zip(answers) {
                    found.push(match answer {
                        Some(answer) => answer,
                        None if batch.len() == 1 => Err(missing()),
                        None => alone(&client, name, decrypted).await,
                    });
                }
            }
            Err(failure) if batch.len() > 1 && is_about_one(&failure) => {
                for name in batch {
                    found.push(alone(&client, name, decrypted).await);
                }
            }
            Err(failure) => found.extend(batch.iter().map(|_| Err(failure.clone()))),
        }
    }
    found
}

async fn alone(client: &Client, name: &String, decrypted: bool) -> Found {
    let answers = call(client, std::slice::from_ref(name), decrypted).await?;
    answers.into_iter().next().flatten().unwrap_or_else(|| Err(missing()))
}

/// The answers to those that can be told in the answer.
async fn call(
    client: &Client,
    names: &[String],
    decrypted: bool,
) -> Result<Vec<Option<Found>>, SecretFailure> {
    let answer = client
        .get_parameters()
        .set_names(Some(names.to_vec()))
        .with_decryption(decrypted)
        .send()
        .await
        .map_err(|error| sorted(&error))?;
    let mut given: Vec<Option<Parameter>> =
        answer.parameters.unwrap_or_default().into_iter().map(Some).collect();
    let invalid = answer.invalid_parameters.unwrap_or_default();
    // The only answer to the only question needs no name.
    let is_alone = names.len() == 1 && given.len() == 1;
    Ok(names
        .iter()
        .map(|name| {
            let is =
                |slot: &Option<Parameter>| slot.as_ref().is_some_and(|given| is_alone || is(given, name));
            match given.iter_mut().find(|slot| is(slot)).and_then(Option::take) {
                Some(parameter) => Some(content(parameter)),
                None => invalid.contains(name).then(|| Err(missing())),
            }
        })
        .collect())
}

/// Whether a parameter is the one that was asked for by this text.
fn is(parameter: &Parameter, asked: &str) -> bool {
    let selector = parameter.selector().unwrap_or_default();
    let base = asked.strip_suffix(selector).unwrap_or(asked);
    parameter.name() == Some(base) || parameter.arn() == Some(base)
}

fn missing() -> SecretFailure {
    SecretFailure::Missing { why: "the parameter is not there".to_owned(), remedy: None }
}

fn content(parameter: Parameter) -> Found {
    let value = Zeroizing::new(parameter.value.unwrap_or_default().into_bytes());
    let origin = Origin::Ssm {
        arn: parameter.arn.unwrap_or_default(),
        name: parameter.name.unwrap_or_default(),
        kind: parameter.r#type.map_or_else(|| "String".to_owned(), |kind| kind.as_str().to_owned()),
        version: parameter.version,
        selector: parameter.selector,
        modified: parameter.last_modified_date.and_then(|moment| moment.to_millis().ok()),
        data_type: parameter.data_type,
    };
    Ok(Content::new(value, origin)?)
}
