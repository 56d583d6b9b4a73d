"""Container tokens: what opens where nobody can be identified."""

import json
import subprocess
from urllib.parse import urlsplit

import pytest

from place import Role
from terminal import Terminal

SHOP = Role("shop-deploy")
PROD = Role("shop-prod", "222222222222")


@pytest.fixture
def shop(broker, place):
    """An allowed project."""
    place.catalog({"shop": {"*": SHOP, "prod": PROD}})
    project = place.serverless("shop", app="shop")
    broker.start()
    broker.allow(project)
    return project


def token(broker, shop, *words):
    """A new token and its URL."""
    done = broker.ctl("tokens", "add", *words, cwd=shop)
    [url] = [line for line in done.stderr.splitlines() if line.startswith("AWS_CONTAINER_CREDENTIALS_FULL_URI=")]
    return done.stdout, url.partition("=")[2]


def client(broker, secret, url, cwd="/", **more):
    """boto3 with nothing but the token, in no project."""
    environment = broker.place.environment(
        AWS_ENDPOINT_URL=broker.sts.url,
        AWS_DEFAULT_REGION="eu-west-1",
        AWS_EC2_METADATA_DISABLED="true",
        AWS_CONTAINER_CREDENTIALS_FULL_URI=url,
        AWS_CONTAINER_AUTHORIZATION_TOKEN=secret,
        **more,
    )
    return json.loads(broker.place.person.run(broker.python("session.py"), cwd=cwd, env=environment).stdout)


def get(broker, url, secret):
    """One request of the user: the document."""
    program = "import sys, urllib.request as u; print(u.urlopen(u.Request(sys.argv[1], headers={'Authorization': sys.argv[2]})).read().decode())"
    done = broker.place.person.run([broker.programs.python, "-c", program, url, secret], cwd="/", env=broker.place.environment())
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_token_opens_its_stage_from_anywhere(broker, shop, sts):
    secret, url = token(broker, shop, "--stage", "prod", "--label", "devcontainer")
    said = client(broker, secret, url)
    assert (said["method"], sts.role_of(said["key"])) == ("container-role", PROD.name)
    other, url = token(broker, shop)
    assert sts.role_of(client(broker, other, url)["key"]) == SHOP.name
    records = [record for record in broker.audit() if record["event"] == "issue"]
    assert [record["token"].get("label") for record in records] == ["devcontainer", None]
    assert {record["caller"]["directory"] for record in records} == {"/"}


def test_only_its_own_stage_and_only_the_token(broker, shop):
    secret, url = token(broker, shop, "--stage", "prod")
    for changed_url, presented in (
        (url.replace("prod", "dev"), secret),
        (url.replace("shop", "other"), secret),
        (url, secret[:-1]),
        (url, secret + "x"),
        (url, "Bearer " + secret),
    ):
        assert client(broker, presented, changed_url)["key"] == ""
    assert "the container token is not known" in broker.sentences()
    assert client(broker, secret, url)["key"] != ""


def test_another_user_with_a_stolen_token_is_not_even_heard(broker, shop, stranger, place):
    secret, url = token(broker, shop, "--stage", "prod")
    copy = place.root / "stolen"
    copy.write_text(f"import urllib.request\nurllib.request.urlopen(urllib.request.Request({url!r}, headers={{'Authorization': {secret!r}}}))\n")
    copy.chmod(0o644)
    argv = [broker.programs.python, copy]
    done = subprocess.run(argv, user=stranger, group=stranger, extra_groups=[], capture_output=True, text=True, timeout=60, env={}, check=False)
    assert done.returncode != 0 and ("RemoteDisconnected" in done.stderr or "ConnectionReset" in done.stderr), done.stderr
    assert client(broker, secret, url)["key"] != ""


def test_in_a_network_of_its_own_there_is_no_way_in_and_on_the_hosts_there_is(broker, shop, sts):
    # A container on the host's network has other namespaces, and shows a directory that is not the one here.
    secret, url = token(broker, shop, "--stage", "prod")
    argv = ["unshare", "--user", "--map-root-user", "--mount", *map(str, broker.python("session.py"))]
    environment = broker.place.environment(
        AWS_ENDPOINT_URL=broker.sts.url, AWS_DEFAULT_REGION="eu-west-1",
        AWS_CONTAINER_CREDENTIALS_FULL_URI=url, AWS_CONTAINER_AUTHORIZATION_TOKEN=secret,
    )
    done = broker.place.person.run(argv, cwd="/", env=environment)
    if "unshare" in done.stderr:
        pytest.skip("user namespaces are not allowed here")
    assert sts.role_of(json.loads(done.stdout)["key"]) == PROD.name


def test_the_document_has_what_every_client_needs(broker, shop, sts):
    secret, url = token(broker, shop, "--stage", "prod")
    document = get(broker, url, secret)
    assert document["Code"] == "Success"
    assert (document["RoleArn"], document["AccountId"]) == (PROD.arn, PROD.account)
    assert sts.role_of(document["AccessKeyId"]) == PROD.name
    assert document["Expiration"].endswith("Z") and document["Token"] and document["SecretAccessKey"]


def test_a_kept_token_outlives_the_daemon_and_a_plain_one_does_not(broker, shop, sts, place):
    place.settings(f'listen = ["{urlsplit(broker.endpoint).netloc}"]\n')
    kept, url = token(broker, shop, "--for", "1h", "--persist")
    plain, _ = token(broker, shop)
    broker.stop()
    broker.start()
    assert sts.role_of(client(broker, kept, url)["key"]) == SHOP.name
    assert client(broker, plain, url)["key"] == ""
    broker.ctl("deny", cwd=shop)
    assert client(broker, kept, url)["key"] == ""
    broker.allow(shop)
    assert client(broker, kept, url)["key"] == "", "what has ended does not come back"


def test_on_a_terminal_a_token_is_not_shown_unless_asked_for(broker, shop):
    with Terminal(broker) as terminal:
        def add(*words):
            # The terminal as standard output too, which the tests' shell keeps for itself.
            line = 'exec "$0" tokens add "$@" >/dev/tty'
            return terminal.start(["/bin/sh", "-c", line, broker.programs.brokerctl, *words], shop, screen=True)

        number = add()
        shown = terminal.shown("a token would stand in the terminal's history", "--show")
        assert terminal.end(number).code == 1 and "made token" not in shown
        number = add("--show")
        terminal.shown("made token", "AWS_CONTAINER_CREDENTIALS_FULL_URI=")
        assert terminal.end(number).code == 0
