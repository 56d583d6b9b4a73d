"""A profile with `short = true`: sessions of less than an hour, and not for a metadata service's clients."""

import json
from datetime import datetime, timedelta, timezone

import pytest

from place import Role

SHOP = Role("shop-deploy")


@pytest.fixture
def shop(broker, place):
    """A project whose profile is short."""
    place.catalog({"shop": {"*": SHOP}}, extra=f"[profiles.shop-{SHOP.name}]\nshort = true")
    project = place.serverless("shop", app="shop")
    broker.start()
    broker.allow(project)
    return project


def test_the_endpoint_refuses_and_says_what_serves_it(broker, shop):
    answer = broker.ask(shop)
    assert (answer.token_status, answer.list_status, answer.name) == (200, 200, "shop.dev")
    assert (answer.status, answer.access_key) == (403, "")
    [refusal] = broker.refused(answer.pid)
    assert refusal == {"kind": "short", "profile": f"shop-{SHOP.name}"}
    said = broker.sentences()
    assert "valid for longer than it is" in said and "brokerctl credential-process" in said


def test_credential_process_serves_it(broker, shop, sts):
    document = json.loads(broker.credential_process(shop).stdout)
    assert sts.role_of(document["AccessKeyId"]) == SHOP.name
    assert {call.form["DurationSeconds"] for call in sts.assumed()} == {"900"}
    ends = datetime.fromisoformat(document["Expiration"].replace("Z", "+00:00"))
    assert timedelta(0) < ends - datetime.now(timezone.utc) <= timedelta(minutes=15)


def test_a_profile_is_made_short_from_the_command_line(broker, place, shop):
    broker.ctl("profile", "add", "brief", "--role-arn", SHOP.arn, "--short", "--duration", "45m")
    assert "short = true" in (place.config / "catalog.toml").read_text()
    shown = json.loads(broker.ctl("profile", "show", "brief", "--json").stdout)
    assert (shown["short"], shown["access_role"]["duration"]) == (True, "45m")
    done = broker.ctl("profile", "edit", "brief", "--duration", "2h", code=1)
    assert "with short = true a session lasts 15m to 59m" in done.stderr
    broker.ctl("profile", "edit", "brief", "--unset", "short", "--duration", "2h")
    assert json.loads(broker.ctl("profile", "show", "brief", "--json").stdout)["short"] is False
