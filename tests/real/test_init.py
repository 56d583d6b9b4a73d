"""`brokerctl init`: from nothing to a session, by a person at a terminal and by a script."""

import json
import signal

import pytest

from place import Role
from terminal import Terminal

DEV = Role("shop-dev")
PROD = Role("shop-prod", "222222222222")


@pytest.fixture
def fresh(place):
    """A user with a project and profiles of ~/.aws, and nothing of brokerd's but a port."""
    place.serverless("code/shop", app="shop")
    place.aws_config(
        f"[profile shop-prod]\nrole_arn = {PROD.arn}\nsource_profile = work\n[profile alone]\nrole_arn = {DEV.arn}\n"
    )
    return place.home / "code/shop"


def catalog(place):
    """What the catalog says."""
    return (place.config / "catalog.toml").read_text()


def test_a_script_gets_from_nothing_to_a_session(broker, place, sts, fresh):
    broker.start()
    words = ["init", "--yes", "--no-service", "--source", "work", "--role", f"shop.dev={DEV.arn}", "--profile", "shop.prod=shop-prod"]
    said = broker.ctl(*words, cwd=place.home).stdout
    assert "project" in said and "shop.dev" in said and "left out: profile alone" in said
    assert f"in shop.dev you are role {DEV.name} of account {DEV.account}" in said
    assert [call.role for call in sts.assumed(DEV.name)]
    assert broker.ask(fresh).role == DEV.name
    assert broker.ask(fresh, BROKERD_STAGE="prod").role == PROD.name
    text = catalog(place)
    assert (place.config / "catalog.toml").stat().st_mode & 0o777 == 0o600
    again = broker.ctl(*words, cwd=place.home).stdout
    assert "nothing to add" in again and catalog(place) == text, "a second run changes nothing"


def test_an_existing_catalog_is_only_added_to(broker, place, fresh):
    before = f'# ours\n[profiles.dev.access_role]\nrole_arn = "{DEV.arn}"\nsource = "work"\n[applications.blog]\ndefault_profile = "dev"\n'
    place.write(place.config / "catalog.toml", before, mode=0o600)
    broker.start()
    said = broker.ctl("init", "--yes", "--no-service", cwd=place.home).stdout
    assert catalog(place) == before and not broker.status()["projects"], "a clone with such a stage gets nothing by itself"
    assert "shop.dev gets no role" in said
    broker.ctl("init", "--yes", "--no-service", "--profile", "shop.dev=dev", cwd=place.home)
    assert catalog(place).startswith(before) and "[applications.shop" in catalog(place)
    assert broker.ask(fresh).role == DEV.name


def test_without_a_person_a_clone_that_names_a_known_application_is_not_allowed(broker, place, fresh):
    place.write(place.config / "catalog.toml", f'[profiles.dev.access_role]\nrole_arn = "{DEV.arn}"\n[applications.shop]\ndefault_profile = "dev"\n', mode=0o600)
    broker.start()
    said = broker.ctl("init", "--yes", "--no-service", cwd=place.home).stdout
    assert "no option names shop" in said and not broker.status()["projects"]


def test_a_dry_run_and_a_run_without_a_terminal_change_nothing(broker, place, sts, fresh):
    broker.start()
    requests = len(sts.requests())
    said = broker.ctl("init", "--dry-run", "--role", f"shop.dev={DEV.arn}", cwd=place.home).stdout
    assert f'+role_arn = "{DEV.arn}"' in said and "dry run: nothing is written" in said
    assert "--yes" in broker.ctl("init", cwd=place.home, code=2).stderr
    for words in (["--role", "shop=x"], ["--role", "shop.dev=x"], ["--profile", "shop.dev=none"]):
        broker.ctl("init", "--yes", *words, cwd=place.home, code=2)
    assert not (place.config / "catalog.toml").exists()
    assert not broker.status()["projects"] and len(sts.requests()) == requests


def test_a_person_is_asked_and_brokerd_is_started(broker, place, sts, fresh):
    # It is started with the environment of the one who asks for it.
    started = {"AWS_ENDPOINT_URL_STS": sts.url}
    with Terminal(broker) as terminal:
        number = terminal.start([broker.programs.brokerctl, "init"], fresh, screen=True, **started)
        terminal.shown("Which role does", "number [")
        # The offered role, another role, none.
        terminal.type("2\n")
        terminal.shown("ARN of the role")
        terminal.type("nonsense\n")
        terminal.shown("like arn:aws:iam", "ARN of the role")
        terminal.type(f"{DEV.arn}\n")
        terminal.shown("What may assume it?", "work", "number [1]")
        terminal.type("\n")
        terminal.shown("Another stage of shop")
        terminal.type("\n")
        terminal.shown("Write this to")
        assert not (place.config / "catalog.toml").exists(), "nothing before the yes"
        terminal.type("y\n")
        terminal.shown("Install brokerd as a service")
        terminal.type("n\n")
        terminal.shown("Start ")
        try:
            terminal.type("\n")
            terminal.shown("Let processes in")
            terminal.type("\n")
            terminal.shown("Ask AWS for a session")
            terminal.type("\n")
            done = terminal.end(number)
            assert done.code == 0 and f"you are role {DEV.name} of account {DEV.account}" in done.out, done.out
            assert f'+role_arn = "{DEV.arn}"' in done.out and "started" in done.out
            status = json.loads(broker.ctl("status", "--json").stdout)
            assert [row["app"] for row in status["projects"]] == ["shop"]
        finally:
            broker.ctl("stop")


def test_ctrl_c_leaves_nothing_half_written(broker, place, fresh):
    with Terminal(broker) as terminal:
        number = terminal.start([broker.programs.brokerctl, "init"], fresh, screen=True)
        terminal.shown("Which role does", "number [")
        terminal.type("1\n")
        terminal.shown("Another stage of shop")
        terminal.type("\n")
        terminal.shown("Write this to")
        terminal.type("\x03")
        assert terminal.end(number).code == -signal.SIGINT
    assert not (place.config / "catalog.toml").exists()
