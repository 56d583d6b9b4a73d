//! CloudFormation's expressions, as far as their text can be told before a deployment.

use serde_json::Value as Json;

/// The text of a value: itself, what `Fn::Join` puts together, the text of `Fn::Sub`. What only CloudFormation knows
/// stands in it as `${NAME}`, the same for `Ref`, `Fn::GetAtt` and the variables of `Fn::Sub`. None for other values.
pub(super) fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(_) | Json::Bool(_) => Some(value.to_string()),
        Json::Object(map) => {
            let (name, argument) = map.iter().next().filter(|_| map.len() == 1)?;
            match name.as_str() {
                "Fn::Join" => {
                    let (separator, parts) = (argument.get(0)?.as_str()?, argument.get(1)?.as_array()?);
                    let parts: Vec<String> = parts.iter().map(placed).collect();
                    Some(parts.join(separator))
                }
                "Fn::Sub" => argument.as_str().or_else(|| argument.get(0)?.as_str()).map(str::to_owned),
                _ => None,
            }
        }
        Json::Null | Json::Array(_) => None,
    }
}

/// The text of a part, or what stands for it.
fn placed(value: &Json) -> String {
    text(value).or_else(|| reference(value).map(|name| format!("${{{name}}}"))).unwrap_or("${?}".to_owned())
}

/// What a `Ref` or `Fn::GetAtt` refers to: `Bucket`, `Bucket.Arn`.
pub(super) fn reference(value: &Json) -> Option<String> {
    let map = value.as_object()?;
    match map.iter().next().filter(|_| map.len() == 1)? {
        (name, Json::String(target)) if name == "Ref" || name == "Fn::GetAtt" => Some(target.clone()),
        (name, Json::Array(parts)) if name == "Fn::GetAtt" => {
            Some(parts.iter().filter_map(Json::as_str).collect::<Vec<_>>().join("."))
        }
        _ => None,
    }
}

/// Every value that a place may come to hold: the elements of a list, one alone, both sides of an `Fn::If`. A
/// reference to `AWS::NoValue` is none.
pub(super) fn alternatives(value: &Json) -> Vec<&Json> {
    match value {
        Json::Null => Vec::new(),
        Json::Array(items) => items.iter().flat_map(alternatives).collect(),
        Json::Object(map) if map.len() == 1 => {
            if let Some(Json::Array(parts)) = map.get("Fn::If") {
                return parts.iter().skip(1).flat_map(alternatives).collect();
            }
            if map.get("Ref").is_some_and(|target| target == "AWS::NoValue") {
                Vec::new()
            } else {
                vec![value]
            }
        }
        _ => vec![value],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn joins_and_substitutions_have_a_text() {
        for (value, expected) in [
            (json!("a"), Some("a")),
            (
                json!({ "Fn::Join": ["", ["arn:", { "Ref": "AWS::Partition" }, ":s3:::x/*"]] }),
                Some("arn:${AWS::Partition}:s3:::x/*"),
            ),
            (json!({ "Fn::Join": ["/", [{ "Fn::GetAtt": ["B", "Arn"] }, "*"]] }), Some("${B.Arn}/*")),
            (json!({ "Fn::Sub": ["${A}-x", { "A": "1" }] }), Some("${A}-x")),
            (json!({ "Ref": "B" }), None),
            (json!(["a"]), None),
        ] {
            assert_eq!(text(&value).as_deref(), expected, "{value}");
        }
        let value = json!(["a", { "Fn::If": ["C", "b", { "Ref": "AWS::NoValue" }] }, { "Ref": "X" }]);
        assert_eq!(alternatives(&value), [&json!("a"), &json!("b"), &json!({ "Ref": "X" })]);
    }
}
