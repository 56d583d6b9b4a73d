"""Completions in the shells that people have, by the keys that they press."""

import pytest

from place import Role
from shells import Screen, parses, script

DEV = Role("shop-dev", "111111111111")
CATALOG = f"""
[profiles.dev]
description = "Shared development account"
access_role = {{ role_arn = "{DEV.arn}", source = "work" }}
secrets = {{ DATABASE_URL = {{ ssm = "/x" }}, STRIPE_KEY = "keychain" }}
[profiles.quality]
access_role = {{ role_arn = "{DEV.arn}", source = "work" }}
secrets = {{ QUEUE_KEY = "keychain" }}
[applications.shop]
default_profile = "dev"
stages = {{ prod = "dev", quality-1 = "quality" }}
[applications.blog]
stages = {{ draft = "dev" }}
"""


@pytest.fixture
def shop(broker, place):
    """An allowed project."""
    place.write(place.config / "catalog.toml", CATALOG, mode=0o600)
    project = place.serverless("shop", app="shop", stage="prod")
    broker.start()
    broker.allow(project)
    return project


def fish(broker, cwd, line):
    """What fish offers for a line, each with what it says of it."""
    text = f"brokerctl completions fish | source; complete -C {line!r}"
    return dict((offer + "\t").split("\t")[:2] for offer in script(broker, "fish", text, cwd).splitlines())


def test_fish_offers_what_the_daemon_knows(broker, shop):
    assert fish(broker, shop, "brokerctl use ").items() >= {"prod": "profile dev", "quality-1": "profile quality"}.items()
    assert fish(broker, shop, "brokerctl use q") == {"quality-1": "profile quality"}
    assert "draft" not in fish(broker, shop, "brokerctl use "), "those of the application here"
    assert set(fish(broker, shop, "brokerctl stage show blog d")) == {"draft"}, "those of the application that is named"
    assert fish(broker, "/", "brokerctl why --stage d") == {"draft": "profile dev"}
    assert fish(broker, "/", "brokerctl exec --app ")["blog"] == "1 stage"
    assert fish(broker, "/", "brokerctl profile show d") == {"dev": "Shared development account"}
    assert set(fish(broker, "/", "brokerctl secret get --profile quality Q")) == {"QUEUE_KEY"}
    assert fish(broker, "/", "brokerctl secret get D") == {"DATABASE_URL": "of profile dev"}
    assert not fish(broker, "/", "brokerctl secret get --profile quality D")
    assert "set" in fish(broker, "/", "brokerctl secret s")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_keys_complete_a_line(broker, shop, shell):
    text = broker.ctl("completions", shell).stdout
    parses(shell, text)
    start = {
        "bash": (["bash", "--norc", "--noprofile"], "PS1='> '; source <(brokerctl completions bash)\n"),
        "zsh": (["zsh", "-f"], "PS1='> '; autoload -Uz compinit; compinit -D; source <(brokerctl completions zsh)\n"),
    }
    argv, first = start[shell]
    with Screen(broker, argv, shop) as screen:
        screen.type(first + "echo rea''dy\n")
        screen.shown("ready", "> ")
        for typed, completed in [
            ("brokerctl use qu\t", "quality-1"),
            ("brokerctl stage show blog dr\t", "draft"),
            ("brokerctl secret get --profile quality Q\t", "QUEUE_KEY"),
            ("brokerctl app sh\t", "show"),
            ("brokerctl app show bl\t", "blog"),
        ]:
            screen.type(typed)
            screen.shown(completed)
            # Ctrl-U takes the line back: nothing of it is run.
            screen.type("\x15")
        screen.type("exit 0\n")
        screen.end()


def test_powershell_takes_the_line_apart_without_evaluating_it(broker):
    text = broker.ctl("completions", "powershell").stdout
    assert text.startswith("Register-ArgumentCompleter -Native -CommandName brokerctl") and "Invoke-Expression" not in text
    for opening, closing in ["()", "{}", "[]"]:
        assert text.count(opening) == text.count(closing)


def test_without_a_daemon_names_are_left_out_and_nothing_is_said(broker, place):
    place.serverless("shop", app="shop")
    assert fish(broker, place.home / "shop", "brokerctl use q") == {}
    assert "--everywhere" in fish(broker, place.home / "shop", "brokerctl use -")
    assert "possible values: bash, zsh, fish, powershell" in broker.ctl("completions", "tcsh", code=2).stderr


def test_nothing_of_the_line_or_of_the_project_is_run(broker, place, shop):
    mark = place.home / "run-by-completion"
    place.write(shop / "serverless.js", f"require('fs').writeFileSync({str(mark)!r}, '')")
    line = f"$(touch {mark}) `touch {mark}`"
    env = {"_BROKERCTL_COMPLETE": "bash", "_CLAP_COMPLETE_INDEX": "2"}
    argv = [broker.programs.brokerctl, "--", "brokerctl", "why", line]
    done = place.person.run(argv, cwd=shop, env=broker.client_environment(**env))
    assert (done.returncode, done.stderr) == (0, "") and not mark.exists()
