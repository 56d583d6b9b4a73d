"""The secrets of a profile: every source, every way out, and what becomes of each when its source fails."""

import base64
import json
import os
import pty
import select
import uuid

import pytest

from place import Role
from vault import BROKEN, DROPPED, KMS_DENIED, THROTTLED, Vault

SHOP, PROD, BLOG = Role("shop-deploy"), Role("shop-prod", "222222222222"), Role("blog-deploy", "333333333333")
MARK = "secretValueMarked0123456789abcdef"


@pytest.fixture
def vault(moto, broker):
    """Parameter Store and Secrets Manager of SHOP's account, as the daemon sees them."""
    door = Vault(moto, SHOP)
    broker.environment |= door.environment()
    yield door
    door.close()


@pytest.fixture
def unique():
    """What names in moto begin with: it is one for all tests."""
    return f"t{uuid.uuid4().hex[:8]}"


class Shop:
    """A project with secrets, and one beside it."""

    def __init__(self, broker, place, vault):
        self.broker, self.place, self.vault = broker, place, vault
        self.directory = place.serverless("shop", app="shop", stage="dev")
        self.blog = place.serverless("blog", app="blog")

    def catalog(self, secrets, more=""):
        """The catalog: these are the secrets of the profile of stage dev."""
        lines = "\n".join(f"{name} = {source}" for name, source in secrets.items())
        extra = f'[profiles.shop-shop-deploy]\n{more}\n[profiles.shop-shop-deploy.secrets]\n{lines}'
        self.place.catalog({"shop": {"dev": SHOP, "prod": PROD}, "blog": {"*": BLOG}}, extra=extra)

    def start(self, secrets, more=""):
        """Starts the daemon with this catalog, and allows both projects."""
        self.catalog(secrets, more)
        self.broker.start()
        self.broker.allow(self.directory, self.blog)

    def environment(self, **more):
        """What `eval "$(brokerctl env)"` makes of an environment."""
        lines = self.broker.ctl("env", "--shell", "bash").stdout
        lines = [line.removeprefix("export ") for line in lines.splitlines() if line.startswith("export ")]
        known = {name: value.strip("'") for name, value in (line.split("=", 1) for line in lines)}
        return self.broker.client_environment() | known | more

    def ask(self, *paths, token="file", cwd=None, **env):
        """What a client of the interface gets for these paths."""
        argv = self.broker.python("agent.py", "--token", token, *paths)
        done = self.place.person.run(argv, cwd=cwd or self.directory, env=self.environment(**env))
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def secret(self, name, **more):
        """The document of one secret."""
        [answer] = self.ask(f"/secretsmanager/get?secretId={name}", **more)
        assert answer["status"] == 200, answer
        return json.loads(answer["body"])

    def ctl(self, *words, code=0, cwd=None, said="", **env):
        """Runs brokerctl in the project."""
        argv = [self.broker.programs.brokerctl, *words]
        done = self.place.person.run(argv, cwd=cwd or self.directory, env=self.broker.client_environment(**env), said=said)
        assert done.returncode == code, f"{argv} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture
def shop(broker, place, vault):
    """A project whose daemon a test starts when its secrets are known."""
    return Shop(broker, place, vault)


def fault(answer):
    """Status and code of a failure."""
    return answer["status"], json.loads(answer["body"])["__type"]


def test_every_source_gives_its_value_to_its_own_project_and_stage_only(shop, vault, broker, place, sts, unique):
    vault.ssm.put_parameter(Name=f"/{unique}/url", Value="postgres://x", Type="SecureString")
    made = vault.secrets.create_secret(Name=f"{unique}/db", SecretString='{"user":"ann","port":5432}')
    place.write("home/key", "of a file\n", mode=0o600)
    broker.environment["FROM_ENVIRONMENT"] = "of the environment"
    shop.start({
        "DATABASE_URL": f'{{ ssm = "/{unique}/url" }}',
        "DB_USER": f'{{ secretsmanager = "{unique}/db", key = "user" }}',
        "DB_PORT": f'{{ secretsmanager = "{made["ARN"]}", key = "port" }}',
        "ENVIRONMENT": '{ env = "FROM_ENVIRONMENT" }',
        "FILE": '{ file = "~/key" }',
        "PROGRAM": '{ command = ["/bin/echo", "of a program"] }',
    })
    expected = {
        "DATABASE_URL": "postgres://x", "DB_USER": "ann", "DB_PORT": "5432", "ENVIRONMENT": "of the environment",
        "FILE": "of a file", "PROGRAM": "of a program",
    }
    done = shop.ctl("exec", "--secrets", "--", "env")
    environment = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert {name: environment.get(name) for name in expected} == expected
    for name, value in expected.items():
        assert shop.ctl("secret", "get", name).stdout == value
        assert shop.secret(name)["SecretString"] == value
    document = shop.secret("DB_USER")
    assert (document["ARN"], document["Name"], document["VersionStages"]) == (made["ARN"], "DB_USER", ["AWSCURRENT"])
    [answer] = shop.ask("/systemsmanager/parameters/get?name=DATABASE_URL")
    parameter = json.loads(answer["body"])["Parameter"]
    assert (parameter["Value"], parameter["Type"], parameter["Version"]) == ("postgres://x", "SecureString", 1)
    # Each was read once, with the session of the profile, and in as few calls as AWS allows.
    assert {sts.role_of(call.access_key) for call in vault.calls()} == {SHOP.name}
    assert [call.action for call in vault.calls()] in (
        ["GetParameters", "BatchGetSecretValue"], ["BatchGetSecretValue", "GetParameters"],
    )
    # Another project, another stage and no project get nothing.
    for where in ({"cwd": shop.blog}, {"BROKERD_STAGE": "prod"}):
        [answer] = shop.ask("/secretsmanager/get?secretId=DB_USER", **where)
        assert fault(answer) == (404, "AccessDeniedException"), answer
        assert "ann" not in answer["body"]
    [answer] = shop.ask("/secretsmanager/get?secretId=DB_USER", cwd="/")
    assert fault(answer) == (403, "AccessDeniedException")
    assert "lists no secret DB_USER" in shop.ctl("secret", "get", "DB_USER", cwd=shop.blog, code=1).stderr
    records = [record for record in broker.audit() if record.get("secrets")]
    assert {name for record in records if record["event"] == "secrets" for name in record["secrets"]} == set(expected)
    assert {record["way"] for record in records} == {"secrets-agent", "secrets-command"}
    assert not any(value in json.dumps(records) for value in ("postgres://x", "of a program"))


@pytest.mark.parametrize("token", ["file", "imds"])
def test_the_token_of_env_and_that_of_the_metadata_endpoint_open_it_and_nothing_else_does(shop, token):
    shop.start({"KEY": '{ command = ["/bin/echo", "value"] }'})
    assert shop.secret("KEY", token=token)["SecretString"] == "value"
    for wrong in ("none", "", "x", "0" * 43):
        [ping, answer, unknown] = shop.ask("/ping", "/secretsmanager/get?secretId=KEY", "/secretsmanager/x", token=wrong)
        assert (ping["status"], ping["body"]) == (200, "healthy")
        assert (answer["status"], answer["body"]) == (403, "Bad Token")
        assert unknown["status"] == 403


def test_the_token_of_exec_opens_what_exec_was_started_for(shop):
    shop.start({"KEY": '{ command = ["/bin/echo", "value"] }'})
    argv = [str(word) for word in shop.broker.python("agent.py", "--token", "file", "/v1/KEY")]
    for cwd, words, status in [(shop.directory, [], 200), ("/", ["--app", "shop", "--stage", "dev"], 200), (shop.directory, ["--stage", "prod"], 404)]:
        done = shop.ctl("exec", *words, "--", *argv, cwd=cwd)
        assert json.loads(done.stdout)["status"] == status, done.stdout
    argv[argv.index("file")] = "session"
    for words in (["--lambda"], ["--static"]):
        answer = json.loads(shop.ctl("exec", *words, "--", *argv).stdout)
        assert answer["status"] == 200, answer


def test_a_function_written_for_the_lambda_extension_works_unchanged(shop, vault, node, unique):
    vault.ssm.put_parameter(Name=f"/{unique}/url", Value="the parameter", Type="SecureString")
    vault.secrets.create_secret(Name=f"{unique}/db", SecretString="the secret")
    shop.start({"DB": f'{{ secretsmanager = "{unique}/db" }}', "URL": f'{{ ssm = "/{unique}/url" }}'})
    argv = ["node", str(shop.broker.programs.clients / "extension.mjs"), f"{unique}/db", f"/{unique}/url"]
    expected = {"secret": "the secret", "parameter": "the parameter"}
    assert json.loads(shop.ctl("exec", "--lambda", "--", *argv).stdout) == expected
    script = 'eval "$("$0" env --lambda --shell bash)"; exec "$@"'
    done = shop.place.person.run(
        ["/bin/bash", "-c", script, shop.broker.programs.brokerctl, *argv],
        cwd=shop.directory, env=shop.broker.client_environment(),
    )
    assert done.returncode == 0 and json.loads(done.stdout) == expected, done.stderr


def test_versions_stages_and_binary_values_are_those_of_aws(shop, vault, unique):
    name = f"{unique}/db"
    first = vault.secrets.create_secret(Name=name, SecretString="one")
    second = vault.secrets.put_secret_value(SecretId=name, SecretString="two")
    vault.secrets.create_secret(Name=f"{unique}/blob", SecretBinary=b"\x00\xffbinary")
    for value in ("first", "second"):
        vault.ssm.put_parameter(Name=f"/{unique}/p", Value=value, Type="SecureString", Overwrite=True)
    vault.ssm.label_parameter_version(Name=f"/{unique}/p", ParameterVersion=1, Labels=["good"])
    shop.start({
        "DB": f'{{ secretsmanager = "{name}" }}',
        "OLD": f'{{ secretsmanager = "{name}", version_stage = "AWSPREVIOUS" }}',
        "BLOB": f'{{ secretsmanager = "{unique}/blob" }}',
        "P": f'{{ ssm = "/{unique}/p" }}',
    })
    for query, value in [
        ("secretId=DB", "two"), ("secretId=OLD", "one"), (f"secretId={name}", "two"), (f"secretId={first['ARN']}", "two"),
        (f"secretId={name}&versionStage=AWSPREVIOUS", "one"), ("secretId=DB&versionStage=AWSPREVIOUS", "one"),
        (f"secretId=DB&versionId={first['VersionId']}", "one"), (f"secretId={name}&versionId={second['VersionId']}", "two"),
    ]:
        [answer] = shop.ask(f"/secretsmanager/get?{query}")
        document = json.loads(answer["body"])
        assert (answer["status"], document["SecretString"]) == (200, value), query
        assert document["VersionId"] == {"one": first, "two": second}[value]["VersionId"]
    [answer] = shop.ask(f"/v1/{name}?versionStage=AWSPREVIOUS")
    assert json.loads(answer["body"])["SecretString"] == "one"
    assert base64.b64decode(shop.secret("BLOB")["SecretBinary"]) == b"\x00\xffbinary"
    for query, value in [
        ("name=P", "second"), ("name=P&label=good", "first"), ("name=P&version=1", "first"),
        (f"name=/{unique}/p&withDecryption=true", "second"), (f"name=%2F{unique}%2Fp&label=good&withDecryption=true", "first"),
    ]:
        [answer] = shop.ask(f"/systemsmanager/parameters/get?{query}")
        assert json.loads(answer["body"])["Parameter"]["Value"] == value, query
    stored = json.loads(shop.ask(f"/systemsmanager/parameters/get?name=/{unique}/p")[0]["body"])["Parameter"]
    assert stored["Value"] != "second", "not decrypted unless that is asked for"
    [answer] = shop.ask("/secretsmanager/get?secretId=DB&versionStage=NOPE")
    assert fault(answer) == (400, "ResourceNotFoundException")
    assert "is binary" in shop.ctl("exec", "--secrets", "--", "true", code=1).stderr


def test_what_the_profile_does_not_list_is_had_only_where_it_passes_through(shop, vault, unique):
    vault.secrets.create_secret(Name=f"{unique}/other", SecretString="other")
    vault.ssm.put_parameter(Name=f"/{unique}/other", Value="other", Type="String")
    shop.start({"KEY": '{ command = ["/bin/echo", "value"] }'})
    paths = [f"/secretsmanager/get?secretId={unique}/other", f"/systemsmanager/parameters/get?name=/{unique}/other"]
    assert [fault(answer) for answer in shop.ask(*paths)] == [(404, "AccessDeniedException")] * 2
    assert vault.calls() == []
    shop.catalog({"KEY": '{ command = ["/bin/echo", "value"] }'}, more="passthrough = true")
    shop.ctl("status")
    answers = shop.ask(*paths, f"/secretsmanager/get?secretId={unique}/none")
    assert json.loads(answers[0]["body"])["SecretString"] == "other"
    assert json.loads(answers[1]["body"])["Parameter"]["Value"] == "other"
    assert fault(answers[2]) == (400, "ResourceNotFoundException")


@pytest.mark.parametrize(
    ("failing", "expected"),
    [(KMS_DENIED, (400, "AccessDeniedException")), (THROTTLED, (400, "ThrottlingException")), (BROKEN, (502, "ConnectionError")), (DROPPED, (502, "ConnectionError"))],
)
def test_a_failure_of_aws_is_told_as_the_agent_tells_it(shop, vault, unique, failing, expected):
    vault.secrets.create_secret(Name=f"{unique}/db", SecretString="value")
    vault.secrets.create_secret(Name=f"{unique}/other", SecretString="other")
    vault.ssm.put_parameter(Name=f"/{unique}/url", Value="url", Type="SecureString")
    vault.ssm.put_parameter(Name=f"/{unique}/fine", Value="fine", Type="SecureString")
    shop.start({
        "DB": f'{{ secretsmanager = "{unique}/db" }}', "OTHER": f'{{ secretsmanager = "{unique}/other" }}',
        "URL": f'{{ ssm = "/{unique}/url" }}', "FINE": f'{{ ssm = "/{unique}/fine" }}',
    })
    vault.fail(f"{unique}/db", failing)
    vault.fail(f"{unique}/url", failing)
    answers = shop.ask("/secretsmanager/get?secretId=DB", "/systemsmanager/parameters/get?name=URL")
    assert [fault(answer) for answer in answers] == [expected] * 2
    said = shop.ctl("exec", "--secrets", "--", "true", code=1).stderr
    assert f"secret DB (secretsmanager {unique}/db): " in said and f"secret URL (ssm /{unique}/url): " in said
    if failing is KMS_DENIED:
        # One that may not be read spoils no batch.
        assert "OTHER" not in said and "FINE" not in said
        assert "kms:Decrypt" in said
    vault.fail(f"{unique}/db", None)
    vault.fail(f"{unique}/url", None)
    shop.ctl("secret", "refresh")
    assert shop.secret("DB")["SecretString"] == "value"


def test_an_older_value_is_served_with_a_word_while_aws_is_down_and_not_when_it_refuses(shop, vault, place, unique):
    vault.secrets.create_secret(Name=f"{unique}/db", SecretString="one")
    shop.start({"DB": f'{{ secretsmanager = "{unique}/db", ttl = "0s" }}'})
    assert shop.secret("DB")["SecretString"] == "one"
    vault.fail("", DROPPED)
    [answer] = shop.ask("/secretsmanager/get?secretId=DB")
    assert (json.loads(answer["body"])["SecretString"], answer["warning"]) == ("one", '110 - "Response is Stale"')
    done = shop.ctl("secret", "get", "DB")
    assert done.stdout == "one" and "since its source is down: AWS cannot be reached" in done.stderr
    assert "not read: DB" in shop.ctl("secret", "refresh", code=1).stderr
    [status] = json.loads(shop.ctl("secret", "list", "--json").stdout)["secrets"]
    assert (status["freshness"], status["source"]["id"]) == ("stale", f"{unique}/db")
    vault.fail("", KMS_DENIED)
    shop.ctl("secret", "refresh", code=1)
    assert fault(shop.ask("/secretsmanager/get?secretId=DB")[0]) == (400, "AccessDeniedException")
    vault.fail("", None)
    vault.secrets.put_secret_value(SecretId=f"{unique}/db", SecretString="two")
    [answer] = shop.ask("/secretsmanager/get?secretId=DB&refreshNow=true")
    assert json.loads(answer["body"])["SecretString"] == "two"
    vault.secrets.delete_secret(SecretId=f"{unique}/db")
    [answer] = shop.ask("/secretsmanager/get?secretId=DB")
    assert answer["status"] == 400 and "two" not in answer["body"]


def test_a_value_is_read_once_and_again_when_it_is_refreshed(shop, vault, unique):
    vault.secrets.create_secret(Name=f"{unique}/db", SecretString="one")
    shop.start({"DB": f'{{ secretsmanager = "{unique}/db" }}'})
    for _ in range(3):
        assert shop.secret("DB")["SecretString"] == "one"
    vault.secrets.put_secret_value(SecretId=f"{unique}/db", SecretString="two")
    assert shop.secret("DB")["SecretString"] == "one"
    assert len(vault.calls()) == 1
    assert "fresh" in shop.ctl("secret", "refresh", "DB").stdout
    assert shop.secret("DB")["SecretString"] == "two"
    assert len(vault.calls()) == 2


def test_many_are_read_in_batches(shop, vault, unique):
    secrets = {}
    for number in range(23):
        vault.ssm.put_parameter(Name=f"/{unique}/{number}", Value=f"p{number}", Type="String")
        vault.secrets.create_secret(Name=f"{unique}/{number}", SecretString=f"s{number}")
        secrets |= {f"P{number}": f'{{ ssm = "/{unique}/{number}" }}', f"S{number}": f'{{ secretsmanager = "{unique}/{number}" }}'}
    shop.start(secrets)
    out = shop.ctl("exec", "--secrets", "--", "env").stdout.splitlines()
    assert all(f"P{number}=p{number}" in out and f"S{number}=s{number}" in out for number in range(23))
    assert (len(vault.calls("GetParameters")), len(vault.calls("BatchGetSecretValue"))) == (3, 2)
    assert vault.calls("GetSecretValue") == []


def test_a_program_that_fails_hangs_or_says_too_much_is_told_without_a_word_of_it(shop, place):
    program = place.write("home/op", f"""#!/bin/sh
case "$1" in
    fail) echo {MARK}; echo {MARK} >&2; exit 7;;
    hang) echo {MARK}; exec sleep 1000;;
    binary) printf '\\000\\377\\376';;
    much) head -c 1000000 /dev/zero | tr '\\000' {MARK[0]};;
    empty) echo;;
    environment) env | grep -c AWS;;
    *) printf %s "$1";;
esac
""", mode=0o755)
    ways = ("fail", "hang", "binary", "much", "empty", "environment", "fine")
    shop.broker.environment["RUST_LOG"] = "trace"
    shop.start({name.upper(): f'{{ command = ["{program}", "{name}"] }}' for name in ways})
    said = {}
    for name, expected in [("FAIL", "exit status: 7"), ("MUCH", "longer than 65536 bytes"), ("EMPTY", "the value is empty")]:
        said[name] = shop.ctl("secret", "get", name, code=1).stderr
        assert expected in said[name] and name in said[name] and f"command {program}" in said[name]
    assert shop.ctl("secret", "get", "FINE").stdout == "fine"
    assert base64.b64decode(shop.secret("BINARY")["SecretBinary"]) == b"\0\xff\xfe"
    [answer, fine] = shop.ask("/secretsmanager/get?secretId=HANG", "/secretsmanager/get?secretId=FINE")
    assert fault(answer) == (504, "TimeoutError") and fine["status"] == 200, "a slow one holds up no other"
    said["HANG"] = shop.ctl("secret", "get", "HANG", code=1).stderr
    assert "did not end within 30 s, and was killed" in said["HANG"]
    # grep counts no AWS variable, and says so by its exit status.
    assert "exit status: 1" in shop.ctl("secret", "get", "ENVIRONMENT", code=1).stderr
    assert not any(MARK in text for text in [*said.values(), shop.broker.log.read_text()])


def test_a_file_must_be_private_and_the_hint_mends_it(shop, place):
    key = place.write("home/key", f"{MARK}\n", mode=0o644)
    shop.start({"KEY": '{ file = "~/key" }'})
    said = shop.ctl("secret", "get", "KEY", code=1).stderr
    [hint] = [line.removeprefix("hint: ") for line in said.splitlines() if line.startswith("hint: ")]
    assert hint == f"chmod 600 {key}"
    place.person.run(hint.split(), cwd="/", env=place.environment())
    assert shop.ctl("secret", "refresh").returncode == 0
    assert shop.ctl("secret", "get", "KEY").stdout == MARK


def test_exec_puts_secrets_into_that_command_only(shop):
    shop.start({"ONE": '{ command = ["/bin/echo", "1"] }', "TWO": '{ command = ["printf", "a b\\n$c"] }'})
    assert "TWO" not in shop.ctl("exec", "--secrets=ONE", "--", "env").stdout
    assert "ONE" not in shop.ctl("exec", "--", "env").stdout
    said = shop.ctl("exec", "--secrets", "--", "env", code=1, ONE="there").stderr
    assert "the environment has ONE already" in said and "--override" in said
    out = shop.ctl("exec", "--secrets", "--override", "--", "env", ONE="there").stdout
    assert "ONE=1" in out.splitlines()
    assert "lists no secret ONR (did you mean ONE?)" in shop.ctl("exec", "--secrets=ONR", "--", "true", code=1).stderr
    for argv in (["sh", "-c", 'cat "$BROKERD_ENV_FILE"; env'], ["sh", "-c", "cat {env-file}; env"]):
        out = shop.ctl("exec", "--env-file", "--", *argv).stdout
        assert out.startswith('ONE=1\nTWO="a b\\n\\$c"\n') and "\nONE=" not in out[6:]
    node = 'process.loadEnvFile(process.env.BROKERD_ENV_FILE); process.stdout.write(process.env.ONE)'
    assert shop.ctl("exec", "--env-file", "--secrets=ONE", "--", "node", "-e", node).stdout == "1"


@pytest.fixture
def kept(shop, place, broker, desktop):
    """The project, with a real keyring for its secrets."""
    broker.environment |= desktop.environment()
    place.settings(keychain="secret-service")
    shop.start({"KEY": '"keychain"', "OTHER": '"keychain"', "PROGRAM": '{ command = ["/bin/echo", "x"] }'})
    return shop


def test_a_value_is_kept_in_the_keychain_given_and_removed(kept, desktop, broker):
    said = kept.ctl("secret", "get", "KEY", code=1).stderr
    assert "hint: brokerctl secret set --profile shop-shop-deploy KEY" in said
    done = kept.ctl("secret", "set", "--profile", "shop-shop-deploy", "KEY", said=f"{MARK}\n", cwd="/")
    assert done.stdout == "kept KEY of profile shop-shop-deploy in the keychain (secret-service)\n"
    [item] = [item for item in desktop.items() if item["account"].startswith("secret ")]
    assert item["label"] == "brokerd: KEY of profile shop-shop-deploy"
    assert kept.ctl("secret", "get", "KEY").stdout == MARK
    kept.ctl("secret", "set", "KEY", said=MARK[::-1])
    assert kept.secret("KEY")["SecretString"] == MARK[::-1]
    broker.stop()
    broker.start()
    assert kept.secret("KEY")["SecretString"] == MARK[::-1]
    assert kept.ctl("secret", "remove", "KEY").stdout.startswith("removed KEY")
    assert "has no value for it" in kept.ctl("secret", "get", "KEY", code=1).stderr
    assert "has no value for KEY" in kept.ctl("secret", "remove", "KEY", code=1).stderr
    assert "takes PROGRAM from command /bin/echo" in kept.ctl("secret", "set", "PROGRAM", code=1).stderr
    assert "lists no secret NONE" in kept.ctl("secret", "set", "NONE", code=1).stderr
    assert "the value is empty" in kept.ctl("secret", "set", "KEY", said="\n", code=1).stderr


def test_a_file_of_variables_is_kept_whole_or_not_at_all(kept, place):
    for text, why in [
        (f"KEY={MARK}\nwrong\nOTHER=\n", ["line 2: expected NAME=value", "line 3: OTHER: the value is empty"]),
        (f"KEY={MARK}\nPROGRAM=x\nNONE=y\n", ["takes PROGRAM from command", "lists no secret NONE"]),
        ("# nothing\n", ["there is no NAME=value in it"]),
    ]:
        file = place.write("home/.env", text)
        said = kept.ctl("secret", "import", str(file), code=1).stderr
        assert all(each in said for each in why) and MARK not in said, said
        assert "has no value for it" in kept.ctl("secret", "get", "KEY", code=1).stderr
    file = place.write("home/.env", f"export KEY='{MARK}'\nOTHER=\"two\\nlines\" # said\n")
    done = kept.ctl("secret", "import", str(file))
    assert "kept 2 secrets in the keychain: KEY, OTHER" in done.stdout and "remove it" in done.stdout
    assert [kept.ctl("secret", "get", name).stdout for name in ("KEY", "OTHER")] == [MARK, "two\nlines"]


def test_values_of_aws_outlive_the_daemon_in_the_keychain(shop, vault, place, broker, desktop, unique):
    broker.environment |= desktop.environment()
    place.settings(keychain="secret-service")
    vault.secrets.create_secret(Name=f"{unique}/db", SecretString="one")
    shop.start({"DB": f'{{ secretsmanager = "{unique}/db" }}'})
    assert shop.secret("DB")["SecretString"] == "one"
    broker.stop()
    broker.start()
    assert shop.secret("DB")["SecretString"] == "one"
    assert len(vault.calls()) == 1


def test_a_keychain_that_forgets_is_refused_with_what_to_do(shop):
    shop.start({"KEY": '"keychain"'})
    said = shop.ctl("secret", "set", "KEY", said=MARK, code=1).stderr
    assert "memory, forgets when brokerd stops" in said and "secretsmanager, command or file" in said


def test_a_terminal_is_sent_no_value_unless_it_is_asked_for_and_shows_none_that_is_typed(kept, person):
    def typed(*words, answer=""):
        screen, slave = pty.openpty()
        if os.geteuid() == 0:
            os.fchown(slave, person.uid, -1)
        argv = [kept.broker.programs.brokerctl, "secret", *words]
        process = person.start(
            argv, cwd=kept.directory, env=kept.broker.client_environment(), stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        seen = b""
        while True:
            ready, _, _ = select.select([screen], [], [], 60)
            assert ready, f"nothing more is shown after {seen!r}"
            try:
                more = os.read(screen, 1024)
            except OSError:
                break
            if not more:
                break
            seen += more
            if answer and b"(not shown): " in seen:
                os.write(screen, f"{answer}\r".encode())
                answer = ""
        os.close(screen)
        return process.wait(60), seen.decode()

    code, seen = typed("set", "KEY", answer=MARK)
    assert (code, MARK in seen, "kept KEY" in seen) == (0, False, True), seen
    code, seen = typed("get", "KEY")
    assert (code, MARK in seen, "--show" in seen) == (1, False, True), seen
    code, seen = typed("get", "KEY", "--show")
    assert code == 0 and MARK in seen
    assert MARK not in typed("list")[1]


def test_the_doors_are_those_of_the_endpoint(shop):
    shop.start({"KEY": '{ command = ["/bin/echo", "value"] }'})
    port = shop.broker.endpoint.rstrip("/").rpartition(":")[2]
    script = f'curl -s -o /dev/null -w "%{{http_code}} " -H "X-Aws-Parameters-Secrets-Token: $(cat {shop.place.runtime}/brokerd/secrets-token)"'
    url = f"http://127.0.0.1:{port}/secretsmanager/get?secretId=KEY"
    for more, status in [("", "200"), ("-H 'Host: evil.example'", "400"), ("-H 'X-Forwarded-For: 1.2.3.4'", "400"), ("-H 'Origin: http://x'", "400"), ("-X POST", "405"), ("-H 'X-Vault-Token: x'", "403")]:
        done = shop.place.person.run(["sh", "-c", f"{script} {more} '{url}'"], cwd=shop.directory, env=shop.broker.client_environment())
        assert done.stdout.strip() == status, more


def test_a_deny_ends_it_at_once(shop):
    shop.start({"KEY": '{ command = ["/bin/echo", "value"] }'})
    assert shop.secret("KEY")["SecretString"] == "value"
    shop.ctl("deny")
    assert fault(shop.ask("/secretsmanager/get?secretId=KEY")[0]) == (403, "AccessDeniedException")


def closed(shop, hint):
    """Asserts that no way out gives the secret KEY, and that each but the agent's interface says what to type."""
    [answer] = shop.ask("/secretsmanager/get?secretId=KEY")
    assert answer["status"] in (400, 403, 404) and "hereMarked" not in answer["body"], answer
    for words in (["secret", "get", "KEY"], ["exec", "--secrets", "--", "env"], ["secret", "refresh"]):
        done = shop.ctl(*words, code=4)
        assert hint in done.stderr and "hereMarked" not in done.stdout + done.stderr, done


def test_nothing_is_handed_out_while_brokerd_is_locked(shop, broker):
    broker.environment["KEY_FROM"] = "hereMarked"
    shop.start({"KEY": '{ env = "KEY_FROM" }'})
    assert shop.secret("KEY")["SecretString"] == "hereMarked"
    shop.ctl("lock")
    closed(shop, "brokerctl unlock")
    shop.ctl("unlock")
    assert shop.secret("KEY")["SecretString"] == "hereMarked"


def test_the_secrets_of_a_protected_profile_wait_for_the_approval_too(shop, broker):
    broker.environment["KEY_FROM"] = "hereMarked"
    shop.start({"KEY": '{ env = "KEY_FROM" }'}, more="protected = true")
    closed(shop, "brokerctl approve shop dev")
