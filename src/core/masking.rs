//! Command lines without the secrets that people put on them, for the audit log.
//!
//! It goes by names (`--password x`, `TOKEN=x`), by places (`user:x@host`, `Authorization: x`) and by shapes (a secret
//! access key, a JSON Web Token). What has neither cannot be told from any other word; so the log stays private.

/// What stands in a secret's place.
const MASK: &str = "***";
/// Of a command line so many characters are kept, and so many arguments.
const LONGEST: usize = 2000;
const MOST: usize = 100;

/// A name that has one of these in it names a secret, whatever else is in it. Lower case, without `-` and `_`.
const SECRET_NAMES: [&str; 17] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "authkey",
    "authorization",
    "bearer",
    "signature",
    "cookie",
    "pwd",
    "accountkey",
    "encryptionkey",
];
/// Names that would be taken for a secret's and are not: what they hold is a place or a public part.
const PLAIN_NAMES: [&str; 4] = ["accesskeyid", "tokenfile", "secretid", "secretname"];
/// What tokens of well-known services begin with.
const SHAPES: [&str; 14] = [
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "npm_",
    "sk_live_",
    "rk_live_",
    "hvs.",
    "IQoJ",
    "FwoG",
];
/// Programs whose `-p` has the password right after it, without a space.
const SHORT_PASSWORDS: [&str; 4] = ["mysql", "mysqldump", "mysqladmin", "mariadb"];

/// The arguments of a command line, each secret in them masked, and cut where they are long.
pub fn masked(arguments: &[String]) -> Vec<String> {
    let program = arguments.first().map(|name| name.rsplit('/').next().unwrap_or(name)).unwrap_or_default();
    let mut kept = Vec::new();
    let (mut expected, mut length) = (Expected::Nothing, 0);
    for argument in arguments {
        let text = if SHORT_PASSWORDS.contains(&program) && argument.starts_with("-p") && argument.len() > 2 {
            format!("-p{MASK}")
        } else {
            words(argument, &mut expected)
        };
        length += text.chars().count();
        if length > LONGEST || kept.len() == MOST {
            kept.push("…".to_owned());
            break;
        }
        kept.push(text);
    }
    kept
}

/// What the next word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Nothing,
    /// A secret: all of it.
    Secret,
    /// A user, and after a colon a password.
    Login,
    /// The rest of a secret that has spaces in it, up to this quote.
    Rest(char),
}

/// An argument, which may be a whole command line of its own, as after `sh -c`.
fn words(argument: &str, expected: &mut Expected) -> String {
    match std::mem::replace(expected, Expected::Nothing) {
        Expected::Secret if !argument.starts_with("--") => return MASK.to_owned(),
        Expected::Login => return login(argument),
        _ => {}
    }
    if let Some((name, _)) = argument.split_once(':')
        && is_header(name)
    {
        return format!("{name}: {MASK}");
    }
    let mut text = String::with_capacity(argument.len());
    for piece in argument.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        let space = &piece[word.len()..];
        if word.is_empty() {
            text.push_str(space);
            continue;
        }
        let shown = match std::mem::replace(expected, Expected::Nothing) {
            Expected::Secret if !word.starts_with("--") => MASK.to_owned(),
            Expected::Login => login(word),
            Expected::Rest(quote) => {
                if !word.contains(quote) {
                    *expected = Expected::Rest(quote);
                }
                MASK.to_owned()
            }
            _ => {
                let shown = self::word(word);
                *expected = after(word, shown != word);
                shown
            }
        };
        text.push_str(&shown);
        text.push_str(space);
    }
    text
}

/// What the word after this one is, of which something was masked or not.
fn after(word: &str, is_masked: bool) -> Expected {
    let quotes = ['"', '\''];
    let bare = word.trim_matches(quotes);
    let open = quotes.into_iter().find(|quote| word.matches(*quote).count() % 2 == 1);
    if matches!(bare, "-u" | "--user" | "--proxy-user" | "-U") {
        return Expected::Login;
    }
    let names_secret = bare.starts_with('-') && !bare.contains('=') && is_secret(bare);
    let is_header = bare.strip_suffix(':').is_some_and(is_header);
    match open {
        Some(quote) if is_masked || is_header => Expected::Rest(quote),
        _ if names_secret || is_header || bare.eq_ignore_ascii_case("bearer") => Expected::Secret,
        _ => Expected::Nothing,
    }
}

fn login(word: &str) -> String {
    match word.split_once(':') {
        Some((user, _)) => format!("{user}:{MASK}"),
        None => word.to_owned(),
    }
}

/// A word, in which there may be names with values, a URL with a password, and things that look like secrets.
fn word(word: &str) -> String {
    let url = without_password(word);
    // Between these stand `name=value` and `"name":"value"`.
    let is_edge = |c: char| "&?;,{}()'\"".contains(c);
    let mut text = String::with_capacity(url.len());
    let mut named = false;
    for piece in url.split_inclusive(is_edge) {
        let (body, edge) = match piece.char_indices().next_back() {
            Some((at, last)) if is_edge(last) => piece.split_at(at),
            _ => (piece, ""),
        };
        // Of JSON: the name, a quote, a colon, a quote, the value.
        let was_named = std::mem::replace(&mut named, false);
        let shown = match body.split_once('=') {
            Some((name, value)) if is_secret(name) && !value.is_empty() => format!("{name}={MASK}"),
            Some((name, "")) if is_secret(name) => {
                named = true;
                format!("{name}=")
            }
            Some((name, value)) => format!("{name}={}", pair(value)),
            None if was_named && !body.is_empty() && body != ":" => MASK.to_owned(),
            None => {
                named = is_secret(body) && !edge.is_empty() || was_named && (body.is_empty() || body == ":");
                shape(body)
            }
        };
        text.push_str(&shown);
        text.push_str(edge);
    }
    text
}

/// The value of a name, which may be a name with a value again: `--param=password=x`.
fn pair(text: &str) -> String {
    match text.split_once('=') {
        Some((name, value)) if is_secret(name) && !value.is_empty() => format!("{name}={MASK}"),
        Some((name, value)) => format!("{name}={}", pair(value)),
        None => shape(text),
    }
}

/// `scheme://user:password@host`: without the password.
fn without_password(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let authority = rest.find(['/', '?', '#']).map_or(rest, |end| &rest[..end]);
    let Some((login, _)) = authority.rsplit_once('@') else { return word.to_owned() };
    let Some((user, _)) = login.split_once(':') else { return word.to_owned() };
    format!("{scheme}://{user}:{MASK}{}", &rest[login.len()..])
}

/// A value, unless it looks like a secret.
fn shape(value: &str) -> String {
    let is_key_part = |c: char| c.is_ascii_alphanumeric() || "/+".contains(c);
    // A secret access key: 40 of these, of every kind; a Git commit has no capitals.
    let is_key = value.len() == 40
        && value.chars().all(is_key_part)
        && value.contains(|c: char| c.is_ascii_uppercase())
        && value.contains(|c: char| c.is_ascii_lowercase())
        && value.contains(|c: char| c.is_ascii_digit() || "/+".contains(c));
    let is_jwt = value.starts_with("eyJ") && value.len() > 40 && value.contains('.');
    let is_known = SHAPES.iter().any(|shape| value.starts_with(shape) && value.len() >= shape.len() + 10);
    if is_key || is_jwt || is_known { MASK.to_owned() } else { value.to_owned() }
}

fn is_secret(name: &str) -> bool {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let is_plain = PLAIN_NAMES.iter().any(|known| plain.ends_with(known));
    !is_plain && SECRET_NAMES.iter().any(|secret| plain.contains(secret))
}

/// The name of an HTTP header that carries a secret.
fn is_header(name: &str) -> bool {
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    is_name && is_secret(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_the_rest_is_not() {
        const KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let jwt = format!("eyJhbGciOiJIUzI1NiJ9.{}", "x".repeat(40));
        let table: &[(&[&str], &[&str])] = &[
            (&["aws", "s3", "ls", "--profile", "prod"], &["aws", "s3", "ls", "--profile", "prod"]),
            // By the option's name.
            (&["x", "--password", "hunter2", "--yes"], &["x", "--password", "***", "--yes"]),
            (&["x", "--password=hunter2"], &["x", "--password=***"]),
            (&["x", "-password", "hunter2"], &["x", "-password", "***"]),
            (&["x", "--db-password", "-starts-with-a-dash"], &["x", "--db-password", "***"]),
            (&["x", "--password", "two words"], &["x", "--password", "***"]),
            (&["x", "--secret", "--next"], &["x", "--secret", "--next"]),
            (&["x", "--api_key", "k"], &["x", "--api_key", "***"]),
            (&["x", "--auth-token=k"], &["x", "--auth-token=***"]),
            (&["x", "--password-stdin"], &["x", "--password-stdin"]),
            // By the variable's name.
            (&["env", "FOO_TOKEN=abc", "cmd"], &["env", "FOO_TOKEN=***", "cmd"]),
            (&["env", "AWS_SECRET_ACCESS_KEY=abc"], &["env", "AWS_SECRET_ACCESS_KEY=***"]),
            (&["env", "AWS_ACCESS_KEY_ID=AKIAX"], &["env", "AWS_ACCESS_KEY_ID=AKIAX"]),
            (&["sls", "deploy", "--param=dbPassword=abc"], &["sls", "deploy", "--param=dbPassword=***"]),
            (&["psql", "host=db password=abc user=u"], &["psql", "host=db password=*** user=u"]),
            // Where passwords stand.
            (&["curl", "-u", "ann:abc", "https://h/"], &["curl", "-u", "ann:***", "https://h/"]),
            (&["psql", "postgres://ann:abc@h:5/d"], &["psql", "postgres://ann:***@h:5/d"]),
            (&["psql", "postgres://ann:a@bc@h/d"], &["psql", "postgres://ann:***@h/d"]),
            (&["git", "clone", "https://host/a:b@c"], &["git", "clone", "https://host/a:b@c"]),
            (&["curl", "https://h/?a=1&token=abc&b=2"], &["curl", "https://h/?a=1&token=***&b=2"]),
            (&["curl", "-H", "Authorization: Bearer abc"], &["curl", "-H", "Authorization: ***"]),
            (&["curl", "-H", "X-Api-Key:abc"], &["curl", "-H", "X-Api-Key: ***"]),
            (&["curl", "-H", "Accept: text/plain"], &["curl", "-H", "Accept: text/plain"]),
            (
                &["curl", "-d", "{\"password\":\"abc\",\"a\":\"b\"}"],
                &["curl", "-d", "{\"password\":\"***\",\"a\":\"b\"}"],
            ),
            (&["mysql", "-pabc", "db"], &["mysql", "-p***", "db"]),
            (&["mkdir", "-pabc"], &["mkdir", "-pabc"]),
            // By their shape.
            (&["x", KEY], &["x", "***"]),
            (&["x", &format!("--key={KEY}")], &["x", "--key=***"]),
            (
                &["x", "0123456789abcdef0123456789abcdef01234567"],
                &["x", "0123456789abcdef0123456789abcdef01234567"],
            ),
            (&["x", &jwt], &["x", "***"]),
            (&["x", "ghp_0123456789abcdef"], &["x", "***"]),
            // A command within a command.
            (
                &["sh", "-c", "TOKEN=abc x --password def 'y'"],
                &["sh", "-c", "TOKEN=*** x --password *** 'y'"],
            ),
            (&["sh", "-c", "curl -u a:b h\n next"], &["sh", "-c", "curl -u a:*** h\n next"]),
            (
                &["sh", "-c", "curl -H \"Authorization: Bearer abc\" h"],
                &["sh", "-c", "curl -H \"Authorization: *** *** h"],
            ),
            (&["sh", "-c", "PASSWORD='abc def ghi' x"], &["sh", "-c", "PASSWORD='*** *** *** x"]),
            (&["x", "--token"], &["x", "--token"]),
            (&[], &[]),
        ];
        for (given, expected) in table {
            let given: Vec<String> = given.iter().map(|&word| word.to_owned()).collect();
            assert_eq!(masked(&given), *expected, "{given:?}");
        }
    }

    #[test]
    fn what_is_long_is_cut() {
        let long = masked(&["x".to_owned(), "y".repeat(LONGEST), "z".to_owned()]);
        assert_eq!(long, ["x", "…"]);
        let many = masked(&vec!["x".to_owned(); 5 * MOST]);
        assert_eq!((many.len(), many.last().map(String::as_str)), (MOST + 1, Some("…")));
    }
}
