"""`credential_process = brokerctl credential-process`: the way in without TCP."""

import json

import pytest

from place import Role

SHOP = Role("shop-deploy")
PROD = Role("shop-prod", "222222222222")


@pytest.fixture
def shop(broker, place):
    """An allowed project, and a profile that asks brokerctl."""
    place.catalog({"shop": {"*": SHOP, "prod": PROD}})
    project = place.serverless("shop", app="shop", stage="dev")
    text = f"[profile broker]\ncredential_process = {broker.programs.brokerctl} credential-process\n"
    place.write("home/.aws/config", text, mode=0o600)
    broker.start()
    broker.allow(project)
    return project


def identity(broker, cwd, **env):
    """The AWS CLI with that profile, and without the metadata endpoint."""
    environment = broker.client_environment(AWS_PROFILE="broker", AWS_EC2_METADATA_DISABLED="true", **env)
    argv = [broker.programs.python, broker.programs.aws, "sts", "get-caller-identity", "--output", "json"]
    return broker.place.person.run(argv, cwd=cwd, env=environment)


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_aws_cli_gets_its_directorys_role(broker, shop, sts, person, stage):
    role = {"dev": SHOP, "prod": PROD}[stage]
    done = identity(broker, shop, **({"BROKERD_STAGE": stage} if stage == "prod" else {}))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["Arn"] == role.assumed(f"brokerd-{person.name}-shop-{stage}")
    assert sts.role_of(sts.calls("GetCallerIdentity")[-1].access_key) == role.name


def test_outside_of_a_project_it_says_so(broker, shop, sts):
    done = identity(broker, "/")
    assert done.returncode != 0 and "/ is in no project" in done.stderr
    assert sts.calls("GetCallerIdentity") == []
    said = broker.credential_process("/", code=1)
    assert said.stdout == ""
    assert "/ is in no project" in said.stderr and "hint:" in said.stderr


def test_the_document_is_what_sdks_read(broker, shop, sts):
    document = json.loads(broker.credential_process(shop).stdout)
    assert document["Version"] == 1
    assert sts.role_of(document["AccessKeyId"]) == SHOP.name
    assert document["Expiration"].endswith("Z") and document["SecretAccessKey"] and document["SessionToken"]


def test_the_caller_is_the_parent_and_not_brokerctl(broker, shop, person):
    # A shell in the project starts brokerctl elsewhere: the one who gets the keys is the shell.
    argv = ["/bin/sh", "-c", f"(cd / && exec {broker.programs.brokerctl} credential-process); true"]
    with person.start(argv, cwd=shop, env=broker.client_environment()) as shell:
        document = json.loads(shell.communicate(timeout=60)[0])
    [record] = [record for record in broker.audit() if record["way"] == "credential-process"]
    assert (record["caller"]["pid"], record["caller"]["directory"]) == (shell.pid, str(shop))
    assert record["access_key_id"] == document["AccessKeyId"]


def test_issues_are_in_the_audit_log(broker, shop, sts):
    document = json.loads(broker.credential_process(shop).stdout)
    answer = broker.ask(shop)
    issues = {record["way"]: record for record in broker.audit() if record["event"] == "issue"}
    assert issues["credential-process"]["access_key_id"] == document["AccessKeyId"]
    assert issues["imds"]["access_key_id"] == answer.access_key
    assert issues["imds"]["caller"]["pid"] == answer.pid
    assert issues["imds"]["caller"]["directory"] == str(shop)
    assert (issues["imds"]["role"], issues["imds"]["stage"]) == (SHOP.arn, "dev")
