"""Pins: whom they reach, and whom they leave alone."""

import json
import signal

import pytest

from place import Role
from serverless_cli import install, sls
from terminal import Terminal

DEV = Role("shop-dev", "111111111111")
PROD = Role("shop-prod", "222222222222")
QA = Role("shop-qa", "333333333333")
BLOG = Role("blog-dev", "444444444444")
LIVE = Role("live", "555555555555")


@pytest.fixture
def shop(broker, place):
    """An allowed project on stage dev."""
    place.catalog({"shop": {"dev": DEV, "prod": PROD, "qa": QA}, "blog": {"dev": BLOG, "prod": LIVE}})
    project = place.serverless("shop", app="shop", stage="dev")
    broker.start()
    broker.allow(project)
    return project


@pytest.fixture
def terminal(broker, shop):
    """A terminal."""
    with Terminal(broker) as made:
        yield made


@pytest.fixture
def other(broker, shop):
    """The terminal beside it."""
    with Terminal(broker) as made:
        yield made


def stored(place, change):
    """Edits the pins where they are kept."""
    path = place.state / "pins.json"
    pins = json.loads(path.read_text())
    for pin in pins["pins"]:
        change(pin)
    place.write(path, json.dumps(pins), mode=0o600)


def let_end(broker, place):
    """Lets each pin end: what its end was is past now."""
    stored(place, lambda pin: pin.update(until="2026-01-01T00:00:00Z"))
    broker.process.send_signal(signal.SIGHUP)
    broker.wait_for("READY=1")


def test_a_pin_belongs_to_its_terminal(broker, shop, terminal, other):
    said = terminal.ctl("use", "prod", cwd=shop).out
    assert said.startswith("pinned shop.prod in this terminal for 12h, until ")
    assert PROD.arn in said and "what runs already keeps the stage that it has" in said
    assert terminal.ask(shop).role == PROD.name
    assert other.ask(shop).role == DEV.name
    assert broker.ask(shop).role == DEV.name
    assert "stage       it is prod: the pin of this terminal, until " in terminal.ctl("why", shop, cwd="/").out
    assert "the pin of this terminal" in terminal.ctl("why", cwd=shop).out
    assert DEV.arn in other.ctl("why", cwd=shop).out

    other.ctl("use", "qa", "--for", "1h", cwd=shop)
    assert [terminal.ask(shop).role, other.ask(shop).role] == [PROD.name, QA.name]
    pins = json.loads(terminal.ctl("status", "--json", cwd=shop).out)["pins"]
    assert [(pin["stage"], pin["session"], pin["this_terminal"]) for pin in pins] == [
        ("prod", terminal.leader.pid, True),
        ("qa", other.leader.pid, False),
    ]
    assert [(pin["reach"], pin["terminal"][:4]) for pin in pins] == [("terminal", "pts/")] * 2
    text = terminal.ctl("status", cwd=shop).out
    assert "pinned: shop.prod in this terminal, " in text
    assert f"pinned: shop.qa in terminal {pins[1]['terminal']} (pid {other.leader.pid}), " in text
    assert "here: shop.prod has profile" in text


def test_a_pin_reaches_descendants_in_a_session_of_their_own(broker, shop, terminal, place):
    terminal.ctl("use", "prod", cwd=shop)
    ask = [str(word) for word in broker.python("imds.py")]
    below = place.directory("home/shop/src")
    for argv in (
        ["sh", "-c", " ".join(ask) + "; true"],
        ["setsid", "--wait", *ask],
        ["setsid", "--wait", "sh", "-c", "setsid --wait " + " ".join(ask) + "; true"],
        # A terminal in the terminal.
        ["script", "-qec", " ".join(ask), "/dev/null"],
    ):
        assert terminal.ask(below, argv).role == PROD.name


def test_a_pin_is_for_one_application(broker, shop, terminal, place):
    second = place.serverless("second", app="shop")
    blog = place.serverless("blog", app="blog", stage="dev")
    broker.allow(second, blog)
    terminal.ctl("use", "prod", cwd=shop)
    assert terminal.ask(second).role == PROD.name
    assert terminal.ask(blog).name == "blog.dev"
    terminal.ctl("use", "prod", cwd=blog)
    assert terminal.ask(blog).name == "blog.prod"
    terminal.ctl("use", "--clear", cwd=blog)
    assert (terminal.ask(shop).role, terminal.ask(blog).name) == (PROD.name, "blog.dev")


def test_a_pin_begins_between_what_was_started_before_and_what_is_started_after(shop, terminal):
    # Starts are told by ticks of 10 ms, and brokerctl runs for less: many rounds meet every part of a tick.
    for _ in range(30):
        with terminal.companion(shop) as before:
            terminal.ctl("use", "prod", cwd=shop)
            with terminal.companion(shop) as after:
                assert (before.ask().role, after.ask().role) == (DEV.name, PROD.name)
                terminal.ctl("use", "--clear", cwd=shop)
                assert (before.ask().role, after.ask().role) == (DEV.name, PROD.name)


def test_a_running_process_keeps_its_stage_until_it_is_refused(broker, shop, terminal, place):
    with terminal.companion(shop) as before:
        assert before.ask().role == DEV.name
        terminal.ctl("use", "prod", cwd=shop)
        assert before.ask().role == DEV.name
        with terminal.companion(shop) as pinned:
            assert pinned.ask().role == PROD.name
            # Another pin, the end of that, and one taken back: each is for what comes.
            terminal.ctl("use", "qa", cwd=shop)
            assert (before.ask().role, pinned.ask().role) == (DEV.name, PROD.name)
            assert terminal.ask(shop).role == QA.name
            let_end(broker, place)
            assert (before.ask().role, pinned.ask().role) == (DEV.name, PROD.name)
            assert terminal.ask(shop).role == DEV.name
            # An edit of the configuration, too.
            place.serverless("shop", app="shop", stage="qa")
            assert (before.ask().role, pinned.ask().role) == (DEV.name, PROD.name)
            # The catalog gives prod another role: what was on it is refused, not moved.
            place.catalog({"shop": {"dev": DEV, "prod": LIVE, "qa": QA}})
            answer = pinned.ask()
            assert (answer.status, answer.access_key) == (403, "")
            assert broker.refused(answer.pid)[-1]["kind"] == "ended"
            assert before.ask().role == DEV.name
            terminal.ctl("use", "prod", cwd=shop)
            assert pinned.ask().access_key == ""
            assert terminal.ask(shop).role == LIVE.name
        broker.ctl("deny", cwd=shop)
        answer = before.ask()
        assert answer.access_key == ""
        assert broker.refused(answer.pid)[-1]["kind"] == "ended"
        assert terminal.ask(shop).access_key == ""
        # A pin gives nothing to what is not allowed, and none can be set there.
        assert "is not allowed yet" in terminal.ctl("use", "qa", cwd=shop, code=1).err


def test_everywhere_is_in_every_terminal_and_in_no_other_project(broker, shop, terminal, other, place):
    second = place.serverless("second", app="shop", stage="dev")
    broker.allow(second)
    said = terminal.ctl("use", "prod", "--everywhere", cwd=shop).out
    assert said.startswith(f"pinned shop.prod everywhere in {shop} for 1h, until ")
    assert [one.ask(shop).role for one in (terminal, other, broker)] == [PROD.name] * 3
    assert [one.ask(second).role for one in (terminal, other, broker)] == [DEV.name] * 3
    # A terminal's own comes first.
    other.ctl("use", "qa", cwd=shop)
    assert [one.ask(shop).role for one in (terminal, other, broker)] == [PROD.name, QA.name, PROD.name]
    said = other.ctl("use", "prod", "--everywhere", cwd=shop).out
    assert "note: the pin of this terminal (qa) comes before it: brokerctl use --clear" in said
    said = other.ctl("use", "--clear", cwd=shop).out
    assert said.startswith("cleared shop.qa in this terminal\n")
    assert "note: the pin of this project (prod) still counts: brokerctl use --clear --everywhere" in said
    assert other.ask(shop).role == PROD.name
    other.ctl("use", "qa", cwd=shop)
    assert other.ctl("use", "--clear", "--everywhere", cwd=shop).out.startswith(
        f"cleared shop.qa in this terminal\ncleared shop.prod everywhere in {shop}\n"
    )
    assert [one.ask(shop).role for one in (terminal, other, broker)] == [DEV.name] * 3


def test_a_pin_ends_by_itself(broker, shop, terminal, place):
    terminal.ctl("use", "prod", "--for", "10m", cwd=shop)
    terminal.ctl("use", "qa", "--everywhere", cwd=shop)
    assert terminal.ask(shop).role == PROD.name
    let_end(broker, place)
    assert terminal.ask(shop).role == DEV.name
    assert broker.status()["pins"] == []


def test_a_pin_is_taken_back(shop, terminal, other):
    terminal.ctl("use", "prod", cwd=shop)
    # Nobody else's.
    assert other.ctl("use", "--clear", cwd=shop).out.startswith("nothing was pinned for shop in this terminal\n")
    assert terminal.ask(shop).role == PROD.name
    said = terminal.ctl("use", "--clear", cwd=shop).out
    assert said.startswith("cleared shop.prod in this terminal\n") and DEV.arn in said
    assert terminal.ask(shop).role == DEV.name
    assert terminal.ctl("use", "--clear", cwd=shop).out.startswith("nothing was pinned for shop in this terminal\n")


def test_a_pin_ends_with_its_terminal(broker, shop):
    with Terminal(broker) as terminal:
        terminal.ctl("use", "prod", cwd=shop)
        assert len(broker.status()["pins"]) == 1
    assert broker.status()["pins"] == []


def test_where_no_terminal_is_none_is_pinned(broker, shop, terminal):
    brokerctl = broker.programs.brokerctl
    done = terminal.run(["setsid", "--wait", brokerctl, "use", "prod"], shop, code=1)
    assert "hint: brokerctl use prod --everywhere" in done.err
    done = terminal.ctl("use", cwd=shop, code=2)
    assert "which stage? shop has dev, prod, qa" in done.err and "hint: brokerctl use STAGE" in done.err
    assert broker.status()["pins"] == []


def test_a_serverless_cli_is_refused_under_a_pin_that_differs(broker, shop, terminal, place, programs, node):
    install(place, programs, shop)
    terminal.ctl("use", "prod", cwd=shop)
    answer = terminal.ask(shop, sls("info"))
    assert (answer.list_status, answer.status, answer.access_key) == (200, 403, "")
    refusal = broker.refused(answer.pid)[-1]
    assert refusal == {"kind": "pin-conflict", "reach": "terminal", "pinned": "prod", "cli": "dev"}
    said = broker.sentences()
    assert "the pin of this terminal is prod" in said and "stage dev" in said
    assert "hint: brokerctl use --clear, or give the CLI --stage prod" in said
    assert terminal.ask(shop, sls("info", "--stage", "prod")).role == PROD.name
    child = json.dumps([str(word) for word in broker.python("imds.py")])
    assert terminal.ask(shop, sls("deploy"), STAND_IN_CHILD=child).access_key == ""
    assert terminal.ask(shop, sls("deploy", "--stage", "prod"), STAND_IN_CHILD=child).role == PROD.name
    assert broker.ask(shop, argv=sls("info")).role == DEV.name
    why = terminal.ctl("why", "--stage", "dev", cwd=shop).out
    assert "refused: the pin of this terminal is prod, but the Serverless CLI works on stage dev" in why


def test_a_pin_does_not_break_off_what_a_serverless_cli_is_at(broker, shop, terminal, place, programs, node):
    install(place, programs, shop)
    ask = " ".join(str(word) for word in broker.python("imds.py"))
    child = json.dumps(["sh", "-c", f"echo ready; read go; {ask}; true"])
    running = terminal.start(sls("deploy"), shop, STAND_IN_CHILD=child)
    terminal.ctl("use", "prod", cwd=shop)
    assert terminal.say(running) == "ready\n"
    assert PROD.name == terminal.ask(shop).role
    said = json.loads(terminal.end(running).out)
    assert (said["name"], said["status"]) == ("shop.dev", 200)


def test_the_variable_comes_before_the_pin(shop, terminal):
    said = terminal.ctl("use", "prod", cwd=shop, BROKERD_STAGE="qa").out
    assert "note: BROKERD_STAGE is qa here and comes before a pin: unset BROKERD_STAGE" in said
    assert terminal.ask(shop, BROKERD_STAGE="qa").role == QA.name
    assert terminal.ask(shop, AWS_EC2_INSTANCE_PROFILE_NAME="shop.qa").role == QA.name
    assert terminal.ask(shop).role == PROD.name


def test_pins_outlive_the_daemon_and_a_terminals_not_the_machine(broker, shop, terminal, other, place):
    terminal.ctl("use", "prod", cwd=shop)
    terminal.ctl("use", "qa", "--everywhere", cwd=shop)
    broker.stop()
    broker.start()
    assert [one.ask(shop).role for one in (terminal, other)] == [PROD.name, QA.name]
    broker.stop()
    stored(place, lambda pin: pin.update(boot="an-earlier-start"))
    broker.start()
    assert [one.ask(shop).role for one in (terminal, other)] == [QA.name, QA.name]


PROMPT = "Stage of shop"
LAST_LINE = QA.account
SHOWN, HIDDEN = "\x1b[?25h", "\x1b[?25l"


def picker(broker, terminal, shop, *words):
    """`brokerctl use` at the terminal, its list drawn."""
    number = terminal.start([broker.programs.brokerctl, "use", *words], shop, screen=True)
    seen = terminal.shown(PROMPT, LAST_LINE)
    assert HIDDEN in seen
    return number, seen


def test_a_stage_is_picked_by_some_letters_of_it(broker, shop, terminal):
    before = terminal.settings()
    number, seen = picker(broker, terminal, shop)
    lines = seen[seen.index(PROMPT) :].splitlines()
    assert "dev" in lines[1] and DEV.account in lines[1] and "(current)" in lines[1], lines
    assert [PROD.account in lines[2], "shop-shop-prod" in lines[2]] == [True, True], lines
    terminal.type("prd\r")
    done = terminal.end(number)
    assert (done.code, done.out.startswith("pinned shop.prod in this terminal for 12h")) == (0, True), done
    assert SHOWN in terminal.shown(SHOWN)
    assert terminal.settings() == before
    assert terminal.ask(shop).role == PROD.name
    # The current one comes first, so Enter alone keeps it.
    number, seen = picker(broker, terminal, shop, "--everywhere", "--for", "5m")
    assert "prod" in seen[seen.index(PROMPT) :].splitlines()[1]
    terminal.type("\r")
    assert terminal.end(number).out.startswith("pinned shop.prod everywhere in ")


@pytest.mark.parametrize("keys", ["\x1b", "\x03", "pr\x03"], ids=["escape", "interrupt", "interrupt later"])
def test_a_list_that_is_left_changes_nothing(broker, shop, terminal, keys):
    terminal.ctl("use", "qa", cwd=shop)
    before = terminal.settings()
    number, _ = picker(broker, terminal, shop)
    terminal.type(keys)
    done = terminal.end(number)
    assert (done.code, done.out) == (1, "")
    assert SHOWN in terminal.shown(SHOWN, "no stage picked, nothing changed")
    assert terminal.settings() == before
    assert [pin["stage"] for pin in broker.status()["pins"]] == ["qa"]
