"""What AssumeRole is asked with: roles one after the other, tags, identities, lengths, partitions."""

import http.server
import threading
import time

import pytest

from place import BASE_KEY, Role
from sts import Failure
from test_sources import refusal, served

HUB, SPOKE, SHOP = Role("hub"), Role("spoke", "222222222222"), Role("shop-deploy", "333333333333")


def catalog(place, *profiles, stages=None):
    """A catalog of profiles, each a name, a role and lines; the last is the application's default."""
    lines = []
    for name, role, more in profiles:
        lines.append(f'[profiles.{name}.access_role]\nrole_arn = "{role.arn if isinstance(role, Role) else role}"\n{more}')
    lines.append(f'[applications.shop]\ndefault_profile = "{profiles[-1][0]}"')
    return place.write(place.config / "catalog.toml", "\n".join(lines) + "\n", mode=0o600)


@pytest.fixture
def shop(broker, place):
    """A project; each test writes its catalog and starts the daemon."""
    return place.serverless("shop", app="shop")


def start(broker, shop):
    """Starts the daemon and says yes to the project."""
    broker.start()
    broker.allow(shop)


def test_roles_are_assumed_one_after_the_other(broker, place, shop, sts):
    catalog(
        place,
        ("hub", HUB, 'source = "work"\nexternal_id = "for-hub"'),
        ("spoke", SPOKE, 'session_name = "ann"'),
        ("shop", SHOP, 'via = ["hub", "spoke"]\nduration = "4h"\nexternal_id = "for-shop"'),
    )
    start(broker, shop)
    assert served(broker, shop).role == SHOP.name
    hub, spoke, last = sts.assumed()
    assert (hub.role, hub.access_key, hub.form["ExternalId"]) == (HUB.name, BASE_KEY, "for-hub")
    assert (spoke.role, sts.role_of(spoke.access_key), spoke.session_name) == (SPOKE.name, HUB.name, "ann")
    assert (last.role, sts.role_of(last.access_key), last.form["ExternalId"]) == (SHOP.name, SPOKE.name, "for-shop")
    # A role that assumes another gets an hour at most: that is not even asked.
    assert last.form["DurationSeconds"] == "3600"
    [row] = broker.status()["projects"]
    assert row["notes"][-1] == "sessions last 1h, not 4h: what signs for the role is itself a role's session"


def test_what_is_said_of_a_session_reaches_sts(broker, place, shop, sts):
    policy = '{"Version":"2012-10-17","Statement":[]}'
    more = (
        'source = "work"\nduration = "2h"\nsession_tags = { team = "web", "cost centre" = "7" }\n'
        'transitive_tags = ["team"]\nsource_identity = "ann"\n'
        f"session_policy = '{policy}'\npolicy_arns = [\"arn:aws:iam::aws:policy/ReadOnlyAccess\"]"
    )
    catalog(place, ("shop", SHOP, more))
    start(broker, shop)
    assert served(broker, shop).role == SHOP.name
    [call] = sts.assumed()
    tags = {call.form[f"Tags.member.{n}.Key"]: call.form[f"Tags.member.{n}.Value"] for n in (1, 2)}
    assert tags == {"team": "web", "cost centre": "7"}
    assert call.form["TransitiveTagKeys.member.1"] == "team" and call.form["SourceIdentity"] == "ann"
    assert call.form["Policy"] == policy and call.form["PolicyArns.member.1.arn"].endswith("ReadOnlyAccess")
    assert call.form["DurationSeconds"] == "7200"


def test_a_token_of_a_provider_assumes_a_role_and_those_behind_it(broker, place, shop, sts):
    place.write(place.home / "token", "tokenMarkedOne\n", mode=0o600)
    catalog(place, ("hub", HUB, 'web_identity_token_file = "~/token"'), ("shop", SHOP, 'via = ["hub"]'))
    start(broker, shop)
    assert served(broker, shop).role == SHOP.name
    [first] = sts.calls("AssumeRoleWithWebIdentity")
    assert first.form["WebIdentityToken"] == "tokenMarkedOne" and first.access_key == ""
    assert first.session_name == f"brokerd-{place.person.name}-shop-dev"
    [last] = sts.assumed()
    assert sts.role_of(last.access_key) == HUB.name
    assert "tokenMarked" not in broker.log.read_text()


def test_a_token_that_is_not_there_is_said(broker, place, shop, sts):
    catalog(place, ("shop", SHOP, 'web_identity_token_file = "/no/such/token"'))
    start(broker, shop)
    answer, why = refusal(broker, shop)
    assert (answer.status, why["error"]) == (403, "no-base-credentials")
    assert why["source_name"] == "the token of /no/such/token" and "No such file" in why["why"]


def test_a_role_session_that_nobody_could_tell_gets_an_hour(broker, place, shop, sts):
    catalog(place, ("shop", SHOP, 'source = "work"\nduration = "6h"'))
    sts.fail(SHOP.name, Failure.CHAINED)
    start(broker, shop)
    assert refusal(broker, shop)[1]["error"] == "too-long"
    asked = [call.form["DurationSeconds"] for call in sts.assumed()]
    assert asked[:2] == ["21600", "3600"], "the second call asks for what STS names"


@pytest.mark.parametrize(
    ("failure", "error", "hint"),
    [
        (Failure.TOO_LONG, "too-long", "lower `duration` in the profile's access_role, or raise the role's maximum"),
        (Failure.PACKED, "refused", "shorten session_policy and policy_arns"),
    ],
)
def test_a_limit_of_sts_is_said_with_what_to_change(broker, place, shop, sts, failure, error, hint):
    catalog(place, ("shop", SHOP, 'source = "work"\nduration = "6h"'))
    sts.fail(SHOP.name, failure)
    start(broker, shop)
    answer, why = refusal(broker, shop)
    assert (answer.status, why["error"]) == (403, error)
    assert failure.value[2].split(".")[0] in why["why"]
    assert hint in broker.credential_process(shop, code=1).stderr


@pytest.fixture
def proxy():
    """A proxy that writes down where one wants to go, and lets nobody through."""
    wanted = []

    class Handler(http.server.BaseHTTPRequestHandler):
        """Notes and refuses."""

        def log_message(self, *_):
            """What was wanted is enough."""

        def do_CONNECT(self):
            """The way to an HTTPS server."""
            wanted.append(self.path)
            self.send_error(502)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    server.wanted = wanted
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("partition", "region", "fips", "host"),
    [
        ("aws", "eu-central-1", False, "sts.eu-central-1.amazonaws.com"),
        ("aws", "us-east-2", True, "sts-fips.us-east-2.amazonaws.com"),
        ("aws", None, False, "sts.eu-west-1.amazonaws.com"),
        ("aws-cn", None, False, "sts.cn-north-1.amazonaws.com.cn"),
        ("aws-cn", "cn-northwest-1", False, "sts.cn-northwest-1.amazonaws.com.cn"),
        ("aws-us-gov", None, False, "sts.us-gov-west-1.amazonaws.com"),
        ("aws-us-gov", "us-gov-east-1", True, "sts.us-gov-east-1.amazonaws.com"),
    ],
)
def test_each_partition_and_region_has_its_own_sts(broker, place, shop, proxy, partition, region, fips, host):
    """The daemon's environment names eu-west-1, whose STS knows no role of another partition."""
    more = 'source = "work"' + (f'\nregion = "{region}"' if region else "")
    catalog(place, ("shop", f"arn:{partition}:iam::333333333333:role/shop-deploy", more))
    del broker.environment["AWS_ENDPOINT_URL_STS"]
    broker.environment |= {"HTTPS_PROXY": proxy.url, "AWS_USE_FIPS_ENDPOINT": str(fips).lower()}
    start(broker, shop)
    deadline = time.monotonic() + 60
    while not proxy.wanted:
        broker.ask(shop)
        assert time.monotonic() < deadline
    assert set(proxy.wanted) == {f"{host}:443"}
