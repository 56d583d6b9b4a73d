//! Whether what a client asks AWS for by its own name is what a profile lists.

/// Whether `asked` names the secret of Secrets Manager that is listed as `listed`: the same text, or one is the ARN in
/// this account and region of what the other names. An ARN ends in a hyphen and six characters that the name does not
/// have (AWS Secrets Manager user guide, "What's in a Secrets Manager secret?").
pub fn is_secret(listed: &str, asked: &str, account: &str, region: Option<&str>) -> bool {
    const RANDOM: usize = 6;
    same(listed, asked, |arn, name| {
        let Some(resource) = resource(arn, "secretsmanager", account, region) else { return false };
        resource.strip_prefix("secret:").is_some_and(|found| {
            let without = found.len().checked_sub(RANDOM + 1).and_then(|end| found.split_at_checked(end));
            found == name || without.is_some_and(|(start, end)| start == name && end.starts_with('-'))
        })
    })
}

/// The same for a parameter of Parameter Store, whose ARN has its name behind `parameter/`.
pub fn is_parameter(listed: &str, asked: &str, account: &str, region: Option<&str>) -> bool {
    same(listed, asked, |arn, name| {
        let Some(resource) = resource(arn, "ssm", account, region) else { return false };
        let found = resource.strip_prefix("parameter/");
        found.is_some_and(|found| found == name.strip_prefix('/').unwrap_or(name))
    })
}

fn same(listed: &str, asked: &str, names: impl Fn(&str, &str) -> bool) -> bool {
    let is_arn = |text: &str| text.starts_with("arn:");
    match (is_arn(listed), is_arn(asked)) {
        (true, false) => names(listed, asked),
        (false, true) => names(asked, listed),
        _ => listed == asked,
    }
}

/// The last part of an ARN of a service in this account and region.
fn resource<'a>(arn: &'a str, service: &str, account: &str, region: Option<&str>) -> Option<&'a str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", _, its_service, its_region, its_account, resource] = parts.as_slice() else { return None };
    let fits = *its_service == service && *its_account == account && region == Some(its_region);
    fits.then_some(*resource)
}

/// The region that an ARN names; `None` for a name.
pub fn region_of(id: &str) -> Option<&str> {
    id.strip_prefix("arn:")?.split(':').nth(2).filter(|region| !region.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "111111111111";

    #[test]
    fn a_name_and_its_arn_are_one_secret() {
        let arn = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:shop/db-a1B2c3";
        for (listed, asked, expected) in [
            ("shop/db", "shop/db", true),
            ("shop/db", arn, true),
            (arn, "shop/db", true),
            (arn, arn, true),
            ("shop/db-a1B2c3", arn, true),
            ("shop", arn, false),
            ("shop/d", arn, false),
            ("shop/db", "shop/db2", false),
            ("shop/db", "arn:aws:secretsmanager:eu-west-1:222222222222:secret:shop/db-a1B2c3", false),
            ("shop/db", "arn:aws:secretsmanager:us-east-1:111111111111:secret:shop/db-a1B2c3", false),
            ("shop/db", "arn:aws:ssm:eu-west-1:111111111111:secret:shop/db-a1B2c3", false),
            ("shop/db", "arn:aws:secretsmanager", false),
            ("é", "arn:aws:secretsmanager:eu-west-1:111111111111:secret:éééé", false),
        ] {
            assert_eq!(is_secret(listed, asked, ACCOUNT, Some("eu-west-1")), expected, "{listed} {asked}");
        }
        assert!(!is_secret("shop/db", arn, ACCOUNT, None));
    }

    #[test]
    fn a_name_and_its_arn_are_one_parameter() {
        let arn = "arn:aws:ssm:eu-west-1:111111111111:parameter/dev/url";
        for (listed, asked, expected) in [
            ("/dev/url", arn, true),
            (arn, "/dev/url", true),
            ("dev/url", arn, true),
            ("/dev", arn, false),
            ("/dev/url", "dev/url", false),
        ] {
            assert_eq!(is_parameter(listed, asked, ACCOUNT, Some("eu-west-1")), expected, "{listed} {asked}");
        }
        assert_eq!(region_of(arn), Some("eu-west-1"));
        assert_eq!([region_of("/dev/url"), region_of("arn:aws:x")], [None, None]);
    }
}
