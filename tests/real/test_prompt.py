"""`brokerctl prompt` in the shells that people have, and `status --watch` on a terminal."""

import json
import os
import signal
import tomllib

import pytest

from place import Role
from shells import Screen, parses, script

DEV = Role("shop-dev", "111111111111")
PROD = Role("shop-prod", "222222222222")
CATALOG = f"""
[profiles.dev]
description = "Shared development account"
access_role = {{ role_arn = "{DEV.arn}", source = "work" }}
[profiles.live]
protected = {{ approve = "terminal", for = "30m" }}
access_role = {{ role_arn = "{PROD.arn}", source = "work" }}
[applications.shop]
default_profile = "dev"
stages = {{ qa = "dev", prod = "live" }}
"""
ALARM, RESET = "\x1b[1;97;41m", "\x1b[0m"


@pytest.fixture
def shop(broker, place):
    """An allowed project on stage qa."""
    place.write(place.config / "catalog.toml", CATALOG, mode=0o600)
    project = place.serverless("shop", app="shop", stage="qa")
    broker.start()
    broker.allow(project)
    return project


def prompt(broker, cwd, *words, **env):
    """What it prints."""
    return broker.ctl("prompt", *words, cwd=cwd, env=broker.client_environment(**env)).stdout


def test_it_says_who_one_would_be_and_changes_nothing(broker, place, shop, sts):
    assert broker.ask(shop).role == DEV.name
    assert prompt(broker, shop) in ("shop.qa dev 1h", "shop.qa dev 59m")
    called = len(sts.assumed())
    before = broker.status()
    below = place.directory("home/shop/src/deep")
    assert prompt(broker, below, "--format", "{app}/{stage} {account}") == f"shop/qa {DEV.account}"
    assert prompt(broker, shop, BROKERD_STAGE="prod") == "shop.prod! live [approval needed]"
    assert prompt(broker, shop, BROKERD_STAGE="prdo").startswith("shop.prdo dev")
    assert prompt(broker, shop, "--format", "{flags}", BROKERD_STAGE="prdo") == "default profile"
    broker.ctl("use", "qa", "--everywhere", cwd=shop)
    assert prompt(broker, shop, "--format", "{flags}") == "pinned"
    broker.ctl("use", "--clear", "--everywhere", cwd=shop)
    broker.ctl("lock")
    assert prompt(broker, shop) == "shop.qa dev [locked]"
    broker.ctl("unlock")
    state = json.loads(prompt(broker, shop, "--json"))
    assert (state["app"], state["stage"], state["profile"], state["flags"]) == ("shop", "qa", "dev", [])
    # Nobody asked STS, waits for an approval or has a decision because of a prompt.
    after = broker.status()
    assert len(sts.assumed()) == called and after["approvals"]["questions"] == []
    assert (after["issues"], after["refusals"]) == (before["issues"], before["refusals"])


def test_a_login_that_is_needed_is_shown(broker, place):
    place.write(place.config / "catalog.toml", CATALOG.replace('"work"', '"nowhere"'), mode=0o600)
    project = place.serverless("shop", app="shop", stage="qa")
    broker.start()
    broker.allow(project)
    broker.credential_process(project, code=4)
    assert prompt(broker, project) == "shop.qa dev [login needed]"


def test_where_there_is_nothing_to_say_it_says_nothing(broker, place, shop):
    assert prompt(broker, "/") == "" and prompt(broker, "/", "--json") == "null\n"
    stranger = place.serverless("cloned", app="shop", stage="qa")
    assert prompt(broker, stranger) == "[not allowed]"
    process = broker.process
    # A daemon that hangs holds no prompt up, however many have asked it in vain.
    process.send_signal(signal.SIGSTOP)
    for _ in range(3):
        assert prompt(broker, shop) == ""
    process.send_signal(signal.SIGCONT)
    broker.stop()
    assert prompt(broker, shop) == ""
    refused = broker.ctl("prompt", "--format", "{stge}", cwd=shop, code=2)
    assert refused.stdout == "" and 'error: --format: column 1: there is no {stge}; did you mean "stage"?\nhint: ' in refused.stderr


def test_bash_shows_it_before_what_was_there(broker, shop):
    init = broker.ctl("prompt", "--init", "bash").stdout
    parses("bash", init)
    twice = f"PS1='here$ '; {init}\n{init}\n(exit 3); printf %s \"${{PS1@P}}\"; exit $?"
    shown = script(broker, "bash", twice, shop, BROKERD_STAGE="prod", TERM="xterm")
    alarm = f"\x01{ALARM}\x02prod\x01{RESET}\x02\x01{ALARM}\x02!\x01{RESET}\x02"
    assert shown.startswith(f"shop.{alarm} ") and shown.endswith(" here$ ") and shown.count("shop.") == 1
    assert script(broker, "bash", f"PS1='here$ '; {init}\nprintf %s \"${{PS1@P}}\"", "/") == "here$ "
    # On a terminal: the exit code of the command before is left alone, and the marks are not shown.
    with Screen(broker, ["bash", "--norc", "--noprofile"], shop, NO_COLOR="1") as screen:
        screen.type("PS1='$?$ '; eval \"$(brokerctl prompt --init bash)\"\n")
        screen.shown("shop.qa dev")
        screen.type("(exit 7)\n")
        screen.shown("shop.qa dev", " 7$ ")
        screen.type("exit 0\n")
        screen.end()


def test_zsh_shows_it_before_what_was_there(broker, shop):
    init = broker.ctl("prompt", "--init", "zsh").stdout
    parses("zsh", init)
    text = f"PROMPT='here%# '; {init}\n{init}\nprint -rnP -- \"$PROMPT\""
    shown = script(broker, "zsh", text, shop, BROKERD_STAGE="prod")
    assert shown.startswith(f"shop.{ALARM}prod{RESET}{ALARM}!{RESET} ") and shown.endswith(" here% ") and shown.count("shop.") == 1
    with Screen(broker, ["zsh", "-f"], shop, NO_COLOR="1") as screen:
        screen.type("PROMPT='%? $?$ '; eval \"$(brokerctl prompt --init zsh)\"\n")
        screen.shown("shop.qa dev")
        screen.type("(exit 7)\n")
        screen.shown("shop.qa dev", " 7 7$ ")
        screen.type("exit 0\n")
        screen.end()
    assert prompt(broker, shop, "--shell", "zsh", "--format", "5% {app}") == "5%% shop"
    assert script(broker, "zsh", f"PROMPT='here%# '; {init}\nprint -rnP -- \"$PROMPT\"", "/") == "here% "


def test_fish_shows_it_before_what_was_there(broker, shop):
    init = broker.ctl("prompt", "--init", "fish").stdout
    parses("fish", init)
    before = "function fish_prompt; echo -n \"$status here> \"; end;"
    text = f"{before} {init}\n{init}\nsh -c 'exit 7'; fish_prompt"
    shown = script(broker, "fish", text, shop, BROKERD_STAGE="prod")
    assert shown.startswith(f"shop.{ALARM}prod{RESET}{ALARM}!{RESET} ") and shown.endswith(" 7 here> ") and shown.count("shop.") == 1
    assert script(broker, "fish", f"{before} {init}\nfish_prompt", "/") == "0 here> "


def test_starship_is_given_a_table(broker):
    table = tomllib.loads(broker.ctl("prompt", "--init", "starship").stdout)["custom"]["brokerd"]
    assert table["command"] == "brokerctl prompt" and table["when"] is True and "$output" in table["format"]
    assert "invalid value 'tcsh'" in broker.ctl("prompt", "--init", "tcsh", code=2).stderr


def test_watching_is_drawn_in_place_and_survives_the_daemon(broker, shop):
    argv = [broker.programs.brokerctl, "status", "--watch=1s"]
    with Screen(broker, argv, shop) as screen:
        before = screen.settings()
        screen.shown("brokerd 0.", "shop.qa", "every 1s; q ends")
        raw = screen.raw
        assert "\x1b[H" in raw and "\x1b[2J" not in raw, "it is drawn over, not cleared"
        screen.resize(6, 40)
        text = screen.shown("more lines: brokerctl status", "every 1s; q ends")
        last = text.rsplit("every 1s; q ends", 1)[0].split("\n")
        assert max(len(line) for line in last[-5:]) <= 40
        screen.resize(60, 120)
        broker.stop()
        screen.shown("no answer: ")
        broker.start()
        screen.shown("brokerd has started again", "shop.qa")
        screen.type("q")
        screen.end()
        assert screen.seen.endswith("\x1b[?25h") and screen.settings() == before
    with Screen(broker, argv, shop, NO_COLOR="1") as screen:
        before = screen.settings()
        screen.shown("every 1s; q ends")
        assert "\x1b[3" not in screen.raw and "\x1b[2m" not in screen.raw
        screen.type("\x03")
        screen.end()
        assert screen.settings() == before


def test_watching_needs_a_terminal(broker, shop):
    refused = broker.ctl("status", "--watch", code=2)
    assert (refused.stdout, refused.stderr) == (
        "",
        "error: --watch: there is no terminal\nhint: brokerctl status, and for programs brokerctl status --json\n",
    )
    with Screen(broker, [broker.programs.brokerctl, "status", "--watch"], shop) as screen:
        screen.shown("every 2s; q ends")
        os.kill(screen.process.pid, signal.SIGKILL)
        screen.process.wait(20)
    assert "at least 1s" in broker.ctl("status", "--watch=0s", code=2).stderr
