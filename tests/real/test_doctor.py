"""`brokerctl doctor`: each trap set up for real."""

import json
import os
import socket

import pytest

from place import BASE_SECRET, Role

SHOP = Role("shop-deploy")


@pytest.fixture
def shop(broker, place):
    """An allowed project, and a running daemon."""
    place.catalog({"shop": {"dev": SHOP}})
    project = place.serverless("shop", app="shop")
    broker.start()
    broker.allow(project)
    return project


def examine(broker, cwd, *words, code=None, **env):
    """The findings that matter, by id, and the whole report."""
    environment = broker.client_environment(**env)
    argv = [broker.programs.brokerctl, "doctor", "--json", *words]
    done = broker.place.person.run(argv, cwd=cwd, env=environment)
    assert code in (None, done.returncode), f"{done.returncode}: {done.stdout}\n{done.stderr}"
    report = json.loads(done.stdout)
    assert BASE_SECRET not in done.stdout + done.stderr
    return {finding["id"]: finding for finding in report["findings"] if finding["level"] != "ok"}, report


def test_nothing_is_wrong_where_a_tool_gets_its_role(broker, shop):
    answer = broker.ask(shop)
    assert answer.role == SHOP.name
    found, report = examine(broker, shop, code=0)
    assert not [finding for finding in found.values() if finding["level"] in ("warning", "problem")], found
    fine = {finding["id"] for finding in report["findings"] if finding["level"] == "ok"}
    assert {"daemon", "endpoint", "environment", "aws-files", "catalog", "project", "files", "inotify", "hardening"} <= fine


@pytest.mark.parametrize(
    "variables, expected, reaches",
    [
        ({"AWS_ACCESS_KEY_ID": "AKIAOTHEROTHEROTHERO", "AWS_SECRET_ACCESS_KEY": "x"}, "env-keys", "every AWS SDK and tool"),
        ({"AWS_PROFILE": "gone"}, "env-profile", "boto3"),
        ({"AWS_EC2_METADATA_DISABLED": "true"}, "env-metadata-disabled", "every AWS SDK and tool"),
    ],
)
def test_what_keeps_boto3_from_its_role_is_a_problem(broker, shop, place, variables, expected, reaches):
    found, _ = examine(broker, shop, code=1, **variables)
    assert found[expected]["level"] == "problem" and reaches in found[expected]["affects"], found
    # The trap is one: the client does not sign as the project's role.
    env = broker.client_environment(**variables)
    done = place.person.run(broker.python("session.py"), cwd=shop, env=env)
    key = json.loads(done.stdout.splitlines()[0])["key"] if done.returncode == 0 else None
    assert key is None or broker.sts.role_of(key) is None, done.stdout


def test_a_proxy_without_an_exception_is_a_problem(broker, shop):
    found, _ = examine(broker, shop, code=1, http_proxy="http://127.0.0.1:1/")
    assert "Rust SDK" in found["proxy"]["affects"] and not found["proxy"]["fixable"]
    examine(broker, shop, code=0, http_proxy="http://127.0.0.1:1/", NO_PROXY="127.0.0.1,localhost")


def test_entries_of_aws_files_are_named_with_their_lines(broker, shop, place):
    config = place.aws_config("# mine\n[default]\nregion = eu-west-1\n[profile p]\ncredential_process = /bin/true\n")
    found, _ = examine(broker, shop, code=0)
    assert found["default-stops-osls"]["where"] == f"{config}:2" and found["default-stops-osls"]["affects"] == ["osls 4"]
    assert found["named-process"]["level"] == "note" and found["named-process"]["where"] == f"{config}:5"
    keys = place.home / ".aws/credentials"
    before = keys.read_text()
    place.write(keys, before + "[default]\naws_access_key_id = AKIAOTHEROTHEROTHERO\n", mode=0o600)
    found, _ = examine(broker, shop, code=1)
    assert found["default-credentials"]["where"] == f"{keys}:{len(before.splitlines()) + 1}"
    assert "boto3" in found["default-credentials"]["affects"]


def test_the_daemon_the_catalog_and_the_project_are_looked_at(broker, shop, place):
    broker.ctl("lock")
    assert examine(broker, shop, code=1)[0]["daemon-locked"]["fix"] == "brokerctl unlock"
    broker.ctl("unlock")
    other = place.serverless("other", app="other")
    assert examine(broker, other, code=1)[0]["project-not-allowed"]["level"] == "problem"
    catalog = place.config / "catalog.toml"
    place.write(catalog, catalog.read_text() + "[profiles.bad]\nrol = 1\n", mode=0o600)
    found, _ = examine(broker, shop, code=1)
    assert found["catalog-fault"]["where"].startswith(f"{catalog}:")


def test_fix_closes_what_is_open_says_so_and_looks_again(broker, shop, place):
    state, keys = place.state / "allowed.json", place.home / ".aws/credentials"
    for path in (state, keys):
        os.chmod(path, 0o644)
    found, _ = examine(broker, shop, code=1)
    assert found["file-open"]["fixable"] and found["aws-file-open"]["fixable"]
    done = broker.ctl("doctor", "--fix", cwd=shop)
    assert f"chmod go-rwx {state}" in done.stderr and f"fixed: chmod go-rwx {keys}" in done.stdout
    assert [path.stat().st_mode & 0o777 for path in (state, keys)] == [0o600, 0o600]
    assert "file-open" not in examine(broker, shop, code=0)[0]


def test_aws_is_asked_only_online(broker, shop, sts):
    broker.ask(shop)
    before = len(sts.requests())
    examine(broker, shop, code=0)
    assert len(sts.requests()) == before, "nothing without --online"
    _, report = examine(broker, shop, "--online", code=0)
    said = next(finding for finding in report["findings"] if finding["id"] == "online")
    assert SHOP.arn in said["sentence"] and len(sts.assumed(SHOP.name)) >= 2
    sts.clock_off = -400
    found, _ = examine(broker, shop, "--online", code=1)
    assert found["clock-skew"]["level"] == "problem", found
    sts.clock_off = 0
    from sts import Failure

    sts.fail(SHOP.name, Failure.ACCESS_DENIED)
    found, _ = examine(broker, shop, "--online", code=1)
    assert "not authorized" in found["online-refused"]["sentence"] or found["online-refused"]["fix"], found


def test_without_a_daemon_the_rest_is_looked_at(broker, place):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        place.settings(f'listen = ["127.0.0.1:{port}"]\n')
        found, _ = examine(broker, place.home, code=3)
    assert {"daemon-not-running", "port-conflict", "catalog-missing", "service-not-installed"} <= set(found)


def test_a_unit_that_starts_what_is_gone_is_a_problem(broker, shop, place):
    units = place.home / ".config/systemd/user"
    place.write(units / "brokerd.service", "[Service]\nExecStart=/nonexistent/brokerd\n")
    found, _ = examine(broker, shop, code=1)
    assert found["service-broken"]["fix"] == "brokerctl service install" and "service-without-socket" in found
    place.write(units / "brokerd.service", f"[Service]\nExecStart={broker.programs.brokerd}\n")
    place.write(units / "brokerd.socket", "[Socket]\n")
    _, report = examine(broker, shop, code=0)
    outdated = {finding["where"] for finding in report["findings"] if finding["id"] in ("service-outdated", "not-seen")}
    assert outdated, report


def test_hardening_is_what_the_daemon_says_of_itself(broker, shop):
    _, report = examine(broker, shop, code=0)
    said = [finding for finding in report["findings"] if finding["id"].startswith("hardening")]
    measures = broker.status()["hardening"]
    held = next(finding["sentence"] for finding in said if finding["level"] == "ok")
    assert "no core dumps" in held and "no new privileges" in held
    assert len([finding for finding in said if finding["level"] != "ok"]) == len([one for one in measures if not one["holds"]])


def test_the_link_local_address_is_looked_at(broker, shop):
    state = json.loads(broker.ctl("link-local", "status", "--json").stdout)["state"]
    _, report = examine(broker, shop, code=0)
    assert [finding["id"] for finding in report["findings"] if finding["id"].startswith("link-local")] == [
        {"on": "link-local", "off": "link-local"}.get(state, f"link-local-{state}")
    ]
