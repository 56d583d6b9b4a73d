"""Every kind of source signs, and what brokerd would have to ask itself for is refused by name."""

import json
import time

import pytest

from identity_center import SESSION, legacy, profile
from place import BASE_KEY, BASE_SECRET, Role
from test_own_endpoint import free_port

SHOP = Role("shop-deploy")
KEYS = "aws_access_key_id = AKIAFILEFILEFILEFILE\naws_secret_access_key = fileSecretMarked0123456789abcdefABCDEFG/\n"
HUB = "arn:aws:iam::999999999999:role/hub"
SPOKE = "arn:aws:iam::999999999999:role/spoke"


def served(broker, project, **env):
    """What a client got, once a failure of before is forgotten."""
    deadline = time.monotonic() + 60
    while (answer := broker.ask(project, **env)).status != 200:
        assert time.monotonic() < deadline, broker.sentences()
    return answer


def refusal(broker, project, **env):
    """The last refusal of a client, once it is no matter of waiting."""
    for _ in range(60):
        answer = broker.ask(project, **env)
        assert answer.status in (403, 503), answer
        why = broker.refused(answer.pid)[-1]["why"]
        if why["error"] != "pending":
            return answer, why
    raise AssertionError("it never came to an end")


def marks_in(marks, texts):
    """Which marks are in which texts."""
    return [(name, mark) for mark in marks for name, text in texts.items() if mark in text]


def script(place, name, key):
    """A program that prints credentials, as credential_process has it."""
    document = {"Version": 1, "AccessKeyId": key, "SecretAccessKey": "processSecretMarked", "SessionToken": "t"}
    path = place.write(place.home / name, f"#!/bin/sh\necho '{json.dumps(document)}'\n", mode=0o700)
    return path


def start(broker, place, config, source="base"):
    """A daemon with this ~/.aws/config, and an allowed project."""
    (place.home / ".aws/credentials").unlink(missing_ok=True)
    place.aws_config(config)
    place.catalog({"shop": {"*": SHOP}}, source=source)
    project = place.serverless("shop", app="shop")
    broker.start()
    broker.allow(project)
    return project


def test_keys_of_a_profile(broker, place, sts):
    project = start(broker, place, f"[profile base]\n{KEYS}")
    assert served(broker, project).role == SHOP.name
    assert {call.access_key for call in sts.assumed()} == {"AKIAFILEFILEFILEFILE"}


def test_a_process(broker, place, sts):
    program = script(place, "give", "ASIAPROCESS0000")
    project = start(broker, place, f"[profile base]\ncredential_process = {program}\n")
    assert served(broker, project).role == SHOP.name
    assert {call.access_key for call in sts.assumed()} == {"ASIAPROCESS0000"}


def test_a_chain_of_profiles_signs_step_by_step(broker, place, sts):
    config = (
        f"[profile base]\nrole_arn = {SPOKE}\nsource_profile = middle\nrole_session_name = ann\n"
        f"[profile middle]\nrole_arn = {HUB}\nsource_profile = root\nexternal_id = an-external-id\n"
        f"[profile root]\n{KEYS}"
    )
    project = start(broker, place, config)
    assert served(broker, project).role == SHOP.name
    hub, spoke, last = sts.assumed()
    assert [hub.role, spoke.role, last.role] == ["hub", "spoke", SHOP.name]
    assert hub.access_key == "AKIAFILEFILEFILEFILE" and hub.form["ExternalId"] == "an-external-id"
    assert sts.role_of(spoke.access_key) == "hub" and spoke.session_name == "ann"
    assert sts.role_of(last.access_key) == "spoke"


def test_a_web_identity_of_a_profile(broker, place, sts):
    token = place.write(place.home / "token", "tokenMarked.of.a.provider", mode=0o600)
    project = start(broker, place, f"[profile base]\nrole_arn = {HUB}\nweb_identity_token_file = {token}\n")
    assert served(broker, project).role == SHOP.name
    [first] = sts.calls("AssumeRoleWithWebIdentity")
    assert first.form["WebIdentityToken"] == "tokenMarked.of.a.provider" and first.access_key == ""
    assert sts.role_of(sts.assumed()[-1].access_key) == "hub"


@pytest.mark.parametrize("source", ["env", None], ids=["env", "chain"])
def test_the_environment(broker, place, sts, source):
    broker.environment |= {"AWS_ACCESS_KEY_ID": BASE_KEY, "AWS_SECRET_ACCESS_KEY": BASE_SECRET}
    project = start(broker, place, f"[default]\n{KEYS}", source=source)
    assert served(broker, project).role == SHOP.name
    assert {call.access_key for call in sts.assumed()} == {BASE_KEY}


def test_the_chain_comes_to_the_default_profile_and_to_a_web_identity(broker, place, sts):
    project = start(broker, place, f"[default]\n{KEYS}", source=None)
    # A client must not find the keys itself.
    isolated = {"AWS_CONFIG_FILE": "/dev/null"}
    assert served(broker, project, **isolated).role == SHOP.name
    assert {call.access_key for call in sts.assumed()} == {"AKIAFILEFILEFILEFILE"}
    broker.stop()
    token = place.write(place.home / "token", "tokenMarked", mode=0o600)
    place.aws_config("[default]\nregion = eu-west-1\n")
    broker.environment |= {"AWS_ROLE_ARN": HUB, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token)}
    broker.start()
    assert served(broker, project).role == SHOP.name
    assert sts.role_of(sts.assumed()[-1].access_key) == "hub"


@pytest.mark.parametrize("form", [SESSION + profile("base"), legacy("base")], ids=["session", "legacy"])
def test_an_sso_profile(broker, place, sts, center, form):
    project = start(broker, place, form)
    _, why = refusal(broker, project)
    assert why["error"] == "needs-login"
    login(broker, center, "base")
    assert served(broker, project).role == SHOP.name
    assert all(call.access_key.startswith("ASIASSO") for call in sts.assumed())


def test_an_sso_profile_as_the_source_of_a_chain(broker, place, sts, center):
    config = SESSION + profile("root") + f"[profile base]\nrole_arn = {HUB}\nsource_profile = root\n"
    project = start(broker, place, config)
    login(broker, center, "base")
    assert served(broker, project).role == SHOP.name
    assert [call.role for call in sts.assumed()] == ["hub", SHOP.name]


def login(broker, center, *words):
    """`brokerctl login` by a code, with the test as the person."""
    argv = [broker.programs.brokerctl, "login", "--use-device-code", "--no-browser", *words]
    process = broker.place.person.start(argv, cwd="/", env=broker.client_environment())
    said = ""
    while "must show this code: " not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    center.approve(said.rpartition(": ")[2].strip())
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    return said + out


def test_a_login_session_of_the_cli_is_said_to_be_missing(broker, place):
    project = start(broker, place, "[profile base]\nlogin_session = arn:aws:iam::999999999999:user/ann\n")
    answer, why = refusal(broker, project)
    assert (answer.status, why["error"], why["login"]) == (403, "needs-login", "aws login --profile base")
    assert "aws login --profile base" in broker.credential_process(project, code=4).stderr


@pytest.mark.parametrize("kind", ["Ec2InstanceMetadata", "EcsContainer"])
@pytest.mark.parametrize("depth", [1, 2])
def test_metadata_and_container_sources_are_refused_by_name(broker, place, sts, kind, depth):
    port = free_port()
    own = f"http://127.0.0.1:{port}/"
    place.settings(f'listen = ["127.0.0.1:{port}"]\n')
    broker.environment |= {
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": own,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{own}container/shop/dev",
    }
    config = f"[profile base]\nrole_arn = {HUB}\ncredential_source = {kind}\n"
    if depth == 2:
        config = config.replace("base", "root") + f"[profile base]\nrole_arn = {SPOKE}\nsource_profile = root\n"
    project = start(broker, place, config)
    before = broker.status()
    answer, why = refusal(broker, project)
    assert (answer.status, why["error"]) == (403, "no-base-credentials")
    assert f"credential_source = {kind} of profile {'root' if depth == 2 else 'base'} is left out" in why["why"]
    after = broker.status()
    assert (after["imds_v1"]["requests"], after["issues"]) == (0, 0)
    # Every refusal is a client's.
    assert all(record["caller"]["pid"] != after["pid"] for record in broker.refusals())
    assert after["refusals"] > before["refusals"] and sts.requests() == []


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("[profile other]\nregion = eu-west-1\n", "there is no profile base"),
        ("[profile base]\nregion = eu-west-1\n", "profile base has nothing that gives credentials"),
        (f"[profile base]\nrole_arn = {HUB}\nsource_profile = base2\n", "there is no profile base2, which source_profile of base names"),
        (profile("base"), "there is no [sso-session corp], which profile base names"),
        ("[profile base]\ncredential_process = /bin/false\n", "external process exited"),
    ],
)
def test_what_gives_nothing_is_said(broker, place, sts, config, words):
    project = start(broker, place, config)
    answer, why = refusal(broker, project)
    assert (answer.status, why["error"]) == (403, "no-base-credentials")
    assert words in why["why"]
    assert sts.requests() == []
