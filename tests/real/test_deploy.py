"""Real deploys to moto by real CLIs. moto enforces no policy: what is asserted is whose key signed, and what is deployed."""

import json
import uuid
import zipfile

import pytest

from deployment import CLIS, DATABASE, DEV, GUARDED, MARK, PROD, Deployment, installed

# What changes something, by CloudFormation.
CHANGES = {"CreateStack", "UpdateStack", "CreateChangeSet", "ExecuteChangeSet"}
cli = pytest.mark.parametrize("cli", CLIS)
one_cli = pytest.mark.parametrize("cli", ["osls@4"])


@pytest.fixture(scope="session")
def clis(node):
    """Where the CLIs are."""
    directory = installed()
    if directory is None:
        pytest.skip("the Serverless CLIs are not installed: BROKERD_CLIENTS_SERVERLESS is not set")
    return directory


@pytest.fixture
def till(place, broker, sts, clis, cli):
    """A project with a CLI, whose daemon is not started. moto is one for all tests, so each has a service of its own."""
    return Deployment(place, broker, sts, clis, cli, f"t{uuid.uuid4().hex[:8]}")


@pytest.fixture
def allowed(till, broker):
    """The same with the plugin, allowed by its user."""
    till.install()
    broker.start()
    broker.allow(till.directory)
    return till


@pytest.fixture
def kept(till, broker, desktop, place):
    """The same with a value in a real keyring, and one in Secrets Manager of each account."""
    for role in (DEV, PROD):
        secrets = till.client("secretsmanager", role)
        if not any(entry["Name"] == DATABASE for entry in secrets.list_secrets()["SecretList"]):
            secrets.create_secret(Name=DATABASE, SecretString=json.dumps({"password": "inSecretsManager"}))
    broker.environment |= desktop.environment()
    place.settings(keychain="secret-service")
    till.install()
    broker.start()
    broker.allow(till.directory)
    argv = [broker.programs.brokerctl, "secret", "set", "--profile", "till-till-dev", "KEY"]
    done = place.person.run(argv, cwd="/", env=broker.client_environment(), said=MARK)
    assert done.returncode == 0, done.stderr
    return till


@cli
def test_a_plain_deploy_has_the_role_the_secrets_and_the_safeguards_of_its_stage(kept, cli, broker, sts):
    # Left over from earlier, and nobody's here.
    old = {"AWS_ACCESS_KEY_ID": "AKIAOLDOLDOLDOLDOLD1", "AWS_SECRET_ACCESS_KEY": "old", "AWS_DEV_PROFILE": "work"}
    done = kept.run("deploy", "--stage", "dev", **old)
    assert kept.roles(done) == {DEV.name}
    assert "brokerd: set aside for the deployment profile: AWS_ACCESS_KEY_ID" in done.said
    assert "warned  - require-description" in done.said and "passed  - framework-version" in done.said
    assert "brokerd: in clear" in done.said and MARK not in done.said
    variables = kept.function("sell", "dev", DEV)["Environment"]["Variables"]
    assert (variables["KEY"], variables["LEVEL"]) == (MARK, "info")
    # moto resolves a reference in some properties and leaves it in others; the template has no value in any case.
    template = kept.client("cloudformation", DEV).get_template(StackName=f"{kept.service}-dev")["TemplateBody"]
    text = template if isinstance(template, str) else json.dumps(template)
    assert f"{{{{resolve:secretsmanager:{DATABASE}:SecretString:password}}}}" in text
    assert "inSecretsManager" not in text
    artifacts = kept.directory / ".serverless"
    assert artifacts.stat().st_mode & 0o777 == 0o700
    assert not [path for path in artifacts.rglob("*") if MARK in path.read_bytes().decode("latin-1")]

    # Each session is over before the deploy is, and renewed.
    sts.life = 4
    done = kept.run("deploy", "--stage=prod")
    assert kept.roles(done) == {PROD.name} and len(done.keys) > 1
    assert kept.function("sell", "prod", PROD)["Environment"]["Variables"]["KEY"] == "none"
    assert kept.roles(kept.run("info", "-s", "prod")) == {PROD.name}
    assert "plugin" in {record.get("way") for record in broker.audit()}


@cli
def test_a_broken_safeguard_stops_before_cloudformation_is_called(allowed, cli, broker):
    done = allowed.run("deploy", "--stage", "strict", code=1)
    assert "failed  - Every function says what it is for" in done.said
    assert "at serverless.yml:" in done.said
    assert "brokerd: not deployed: the profile till-till-strict has a safeguard that it breaks" in done.said
    assert not done.actions & CHANGES
    assert not [call for call in done.calls if call.method == "PUT"], "nothing was uploaded"
    assert not done.calls or allowed.roles(done) == {"till-strict"}
    assert "brokerd check" in allowed.run("brokerd", "--help").said
    assert "Every function" in allowed.run("brokerd", "check", "--stage", "strict", code=1).said
    assert any("Every function says what it is for" in json.dumps(record) for record in broker.audit())


@cli
def test_without_the_plugin_a_deploy_has_the_credentials_of_its_stage(till, cli, broker):
    till.without_plugin()
    broker.start()
    broker.allow(till.directory)
    assert till.roles(till.run("deploy", "--stage", "prod")) == {PROD.name}
    refused = till.run("deploy", "--stage", "guarded", code=1)
    assert not refused.keys
    assert "serverless-brokerd" in broker.sentences()


@one_cli
def test_a_profile_that_wants_the_plugin_deploys_with_it(allowed, cli):
    allowed.write(key="none", database="none")
    assert allowed.roles(allowed.run("deploy", "--stage", "guarded")) == {GUARDED.name}


@one_cli
def test_each_reason_to_stop_is_a_sentence_and_no_other_credentials_are_taken(till, cli, broker, place):
    own = {"AWS_ACCESS_KEY_ID": "AKIAOWNOWNOWNOWNOWN1", "AWS_SECRET_ACCESS_KEY": "own"}
    till.install()
    done = till.run("deploy", code=1, **own)
    assert "brokerd is not running\nhint: brokerd &" in done.said and not done.calls
    broker.start()
    done = till.run("deploy", code=1, **own)
    assert "brokerctl allow" in done.said and not done.calls
    broker.allow(till.directory)
    broker.ctl("lock")
    done = till.run("deploy", code=1, **own)
    assert "brokerctl unlock" in done.said and not done.keys
    broker.ctl("unlock")
    catalog = place.config / "catalog.toml"
    place.write(catalog, catalog.read_text().replace('deploy = "plugin"', "protected = true"), mode=0o600)
    broker.stop()
    broker.start()
    done = till.run("deploy", "--stage", "guarded", code=1, **own)
    assert "brokerctl approve" in done.said and not done.keys
    done = till.run("deploy", "--aws-profile", "work", code=1)
    assert "--aws-profile work asks for other credentials" in done.said and not done.calls


@one_cli
def test_a_project_may_go_on_without_brokerd_and_says_so(till, cli):
    till.install()
    text = (till.directory / "serverless.yml").read_text()
    till.place.write(till.directory / "serverless.yml", text.replace("{app: till}", "{app: till, optional: true}"))
    own = {"AWS_ACCESS_KEY_ID": "AKIAOWNOWNOWNOWNOWN1", "AWS_SECRET_ACCESS_KEY": "own"}
    # There is no stack, but who asks for it is to be seen.
    done = till.run("info", "--stage", "prod", code=1, **own)
    assert done.keys == {"AKIAOWNOWNOWNOWNOWN1"}
    assert done.said.count("goes on with the CLI's own credentials") == 1


@one_cli
def test_brokerctl_deploys_what_it_checked(till, cli, broker):
    till.without_plugin()
    broker.start()
    broker.allow(till.directory)
    assert till.roles(till.ctl("deploy", "--stage", "guarded")) == {GUARDED.name}
    done = till.ctl("deploy", "--stage", "strict", code=1)
    assert "Every function says what it is for" in done.said and not done.actions & CHANGES


@one_cli
def test_what_brokerctl_installs_deploys_and_is_not_deployed_itself(till, cli, broker):
    till.write(plugins="", key="none", database="none", level="info")
    broker.start()
    broker.allow(till.directory)
    till.ctl("plugin", "install")
    assert "serverless-brokerd" in (till.directory / "serverless.yml").read_text()
    done = till.run("deploy", "--stage", "guarded")
    assert till.roles(done) == {GUARDED.name}
    [package] = (till.directory / ".serverless").glob("*.zip")
    names = zipfile.ZipFile(package).namelist()
    assert "till.js" in names and not [name for name in names if "brokerd" in name]
