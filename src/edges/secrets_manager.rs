//! AWS Secrets Manager.

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::types::SecretValueEntry;
use aws_smithy_types::{Blob, DateTime};
use zeroize::Zeroizing;

use super::profile_session::{is_about_one, said, sorted};
use crate::core::secret::{Content, Origin, SecretFailure, Version};

/// So many secrets go into one call (AWS Secrets Manager API reference, `BatchGetSecretValue`).
const BATCH: usize = 20;

type Found = Result<Content, SecretFailure>;

/// Reads secrets by name or ARN, all different. The answers are in their order. Several whose current version is wanted
/// are read in one call, if the role may make it; it knows no versions.
pub async fn read(config: &SdkConfig, wanted: &[(String, Version)]) -> Vec<Found> {
    let client = Client::new(config);
    let mut found: Vec<Option<Found>> = wanted.iter().map(|_| None).collect();
    let current: Vec<usize> = (0..wanted.len()).filter(|position| wanted[*position].1.is_current()).collect();
    if current.len() > 1 {
        for batch in current.chunks(BATCH) {
            let ids: Vec<&str> = batch.iter().map(|position| wanted[*position].0.as_str()).collect();
            match together(&client, &ids).await {
                Ok(answers) => {
                    for (position, answer) in batch.iter().zip(answers) {
                        found[*position] = answer;
                    }
                }
                // Each alone may be allowed where the call for several is not.
                Err(failure) if is_about_one(&failure) => {}
                Err(failure) => {
                    for position in batch {
                        found[*position] = Some(Err(failure.clone()));
                    }
                }
            }
        }
    }
    let mut answers = Vec::with_capacity(wanted.len());
    for (answer, (id, version)) in found.into_iter().zip(wanted) {
        answers.push(match answer {
            Some(answer) => answer,
            None => alone(&client, id, version).await,
        });
    }
    answers
}

/// The answers to those that were answered.
async fn together(client: &Client, ids: &[&str]) -> Result<Vec<Option<Found>>, SecretFailure> {
    let asked = ids.iter().map(ToString::to_string).collect();
    let call = client.batch_get_secret_value().set_secret_id_list(Some(asked)).send().await;
    let answer = call.map_err(|error| sorted(&error))?;
    let errors = answer.errors.unwrap_or_default();
    let mut given: Vec<Option<SecretValueEntry>> =
        answer.secret_values.unwrap_or_default().into_iter().map(Some).collect();
    Ok(ids
        .iter()
        .map(|id| {
            let is = |entry: &SecretValueEntry| entry.name() == Some(id) || entry.arn() == Some(id);
            if let Some(entry) =
                given.iter_mut().find(|slot| slot.as_ref().is_some_and(is)).and_then(Option::take)
            {
                return Some(of_entry(entry));
            }
            let error = errors.iter().find(|error| error.secret_id() == Some(id))?;
            let (code, why) =
                (error.error_code().unwrap_or("unknown"), error.message().unwrap_or("no message"));
            Some(Err(said(code, why)))
        })
        .collect())
}

async fn alone(client: &Client, id: &str, version: &Version) -> Found {
    let answer = client
        .get_secret_value()
        .secret_id(id)
        .set_version_id(version.id.clone())
        .set_version_stage(version.label.clone())
        .send()
        .await
        .map_err(|error| sorted(&error))?;
    let facts = Facts {
        arn: answer.arn,
        name: answer.name,
        version_id: answer.version_id,
        stages: answer.version_stages,
        created: answer.created_date,
    };
    content(answer.secret_string, answer.secret_binary, facts)
}

fn of_entry(entry: SecretValueEntry) -> Found {
    let facts = Facts {
        arn: entry.arn,
        name: entry.name,
        version_id: entry.version_id,
        stages: entry.version_stages,
        created: entry.created_date,
    };
    content(entry.secret_string, entry.secret_binary, facts)
}

struct Facts {
    arn: Option<String>,
    name: Option<String>,
    version_id: Option<String>,
    stages: Option<Vec<String>>,
    created: Option<DateTime>,
}

fn content(text: Option<String>, binary: Option<Blob>, facts: Facts) -> Found {
    let (value, is_binary) = match (text, binary) {
        (Some(text), _) => (text.into_bytes(), false),
        (None, Some(binary)) => (binary.into_inner(), true),
        (None, None) => (Vec::new(), false),
    };
    let origin = Origin::SecretsManager {
        arn: facts.arn.unwrap_or_default(),
        name: facts.name.unwrap_or_default(),
        version_id: facts.version_id.unwrap_or_default(),
        stages: facts.stages.unwrap_or_default(),
        created: facts.created.and_then(|moment| moment.to_millis().ok()),
        is_binary,
    };
    Ok(Content::new(Zeroizing::new(value), origin)?)
}
