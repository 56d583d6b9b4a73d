"""Protected profiles: nothing without a person's yes, and who cannot give it."""

import json
import time

import pytest

from broker import Answer
from place import Role
from sts import Failure
from terminal import PATIENCE, Terminal

DEV = Role("shop-dev", "111111111111")
PROD = Role("shop-prod", "222222222222")
LIVE = Role("live", "333333333333")
PROTECTED = "protected = true\n"
CATALOG = """
[profiles.dev.access_role]
role_arn = "{dev}"
source = "work"
[profiles.prod]
{protected}safeguards = [{{ policy = "allowed-regions", config = ["eu-west-1"] }}]
[profiles.prod.access_role]
role_arn = "{prod}"
source = "work"
[applications.shop]
default_profile = "{default}"
[applications.shop.stages]
{stages}
"""


def catalog(place, protected=PROTECTED, default="dev", stages='prod = "prod"', prod=PROD):
    """A catalog in which prod is protected."""
    text = CATALOG.format(dev=DEV.arn, prod=prod.arn, protected=protected, default=default, stages=stages)
    return place.write(place.config / "catalog.toml", text, mode=0o600)


@pytest.fixture
def shop(broker, place):
    """An allowed project on the protected stage."""
    catalog(place)
    project = place.serverless("shop", app="shop", stage="prod")
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


def approve(terminal, *words, digits=PROD.account[-4:], cwd="/", code=0, pick=None):
    """A person approves in a terminal: what it showed, and what brokerctl printed."""
    broker = terminal._broker
    number = terminal.start([broker.programs.brokerctl, "approve", *words], cwd, screen=True)
    shown = ""
    if pick:
        shown += terminal.shown("Which one: ")
        terminal.type(f"{pick}\n")
    shown += terminal.shown("to approve: ")
    terminal.type(f"{digits}\n")
    done = terminal.end(number)
    if code:
        shown += terminal.shown("hint:")
    assert done.code == code, f"{shown}\n{done.out}"
    return shown, done.out


def refused(answer):
    """Whether an answer is that of a protected profile: there is a role, and no credentials."""
    return (answer.list_status, answer.status, answer.access_key) == (200, 403, "")


def waiter(terminal, broker, place, cwd, **more):
    """A process in a terminal that asks, is refused, and can then be told to approve for itself."""
    known = {"APPROVE": "shop prod", "DIGITS": PROD.account[-4:], "BROKERCTL": broker.programs.brokerctl}
    control = place.runtime / "brokerd/control.sock"
    number = terminal.start(broker.python("waiter.py"), cwd, CONTROL=control, **known, **more)
    return number


def test_nothing_is_handed_out_until_a_person_says_yes(broker, shop, sts, terminal, other):
    answer = terminal.ask(shop)
    assert refused(answer) and answer.name == "shop.prod"
    assert broker.refused(answer.pid)[-1] | {"trouble": None} == {
        "kind": "needs-approval",
        "app": "shop",
        "stage": "prod",
        "profile": "prod",
        "approve": "terminal",
        "fallback": None,
        "trouble": None,
    }
    sentence = "shop.prod has profile prod; profile prod is protected, and this use of it is not approved"
    hint = "hint: brokerctl approve shop prod   (yourself, in a terminal)"
    for said in (
        broker.credential_process(shop, code=4).stderr,
        broker.ctl("exec", "--", "true", cwd=shop, code=4).stderr,
        broker.ctl("exec", "--static", "--", "true", cwd=shop, code=4).stderr,
        broker.ctl("tokens", "add", "--show", cwd=shop, code=4).stderr,
        broker.ctl("console", "--print", cwd=shop, code=4).stderr,
        broker.ctl("why", shop).stdout,
        broker.ctl("why", "--last").stdout,
        broker.ctl("status").stdout,
    ):
        assert sentence in said and hint in said, said
    assert sts.assumed() == []

    shown, out = approve(other, "shop", "prod")
    for fact in (f"role     {PROD.arn}", f"account  {PROD.account}", f"project  {shop}/serverless.yml", "asked by pid "):
        assert fact in shown, shown
    assert "for      1h; what is handed out meanwhile can be used for up to 1h after that" in shown
    assert out.startswith(f"approved shop.prod (profile prod, account {PROD.account}) in {shop} for ")
    assert "what is handed out until then can be used until " in out
    assert [terminal.ask(shop).role, other.ask(shop).role] == [PROD.name, PROD.name]
    assert json.loads(broker.credential_process(shop).stdout)["AccessKeyId"]
    assert "approval    it is approved at a terminal until " in broker.ctl("why", shop).stdout
    given = json.loads(broker.ctl("approvals", "--json").stdout)["given"]
    assert [(one["of"]["stage"], one["of"]["config"], one["approve"]) for one in given] == [
        ("prod", f"{shop}/serverless.yml", "terminal")
    ]
    assert "approved: shop.prod (profile prod" in broker.ctl("approvals").stdout
    assert "approved: shop.prod (profile prod" in broker.ctl("status").stdout
    assert len(sts.assumed()) == 1

    lines = [line for line in broker.audit() if line["event"] in ("approval", "issue")]
    assert lines[0]["event"] == "approval" and lines[0]["way"] == "terminal" and lines[0]["profile"] == "prod"
    assert lines[0]["approval"]["config"] == f"{shop}/serverless.yml" and lines[0]["approval"]["until"]
    assert lines[0]["caller"]["pid"] and lines[0]["caller"]["parents"][0]["pid"] == other.leader.pid


def test_an_approval_is_for_one_project_and_one_stage(broker, shop, place, terminal, other):
    catalog(place, stages='prod = "prod"\nlive = "prod"')
    second = place.serverless("second", app="shop", stage="prod")
    broker.allow(second)
    terminal.ask(shop)
    approve(other)
    assert terminal.ask(shop).role == PROD.name
    assert refused(terminal.ask(second))
    assert refused(terminal.ask(shop, BROKERD_STAGE="live"))
    # Without a name the person picks from what waits, the last one first.
    shown, out = approve(other, pick=1)
    assert "1  shop.live (profile prod" in shown and "2  shop.prod (profile prod" in shown, shown
    assert out.startswith("approved shop.live ")
    assert terminal.ask(shop, BROKERD_STAGE="live").role == PROD.name


def test_who_waits_cannot_approve_nor_can_what_it_starts(broker, shop, place, terminal, sts):
    number = waiter(terminal, broker, place, shop)
    # Its first line is what it got; from then on each is what came of the way that it was told before.
    ways = ["directly", "child", "grandchild", "fork", "script", "setsid"]
    lines = [json.loads(terminal.say(number, way)) for way in [*ways, "directly"]]
    asked, said = lines[0], dict(zip(ways, lines[1:]))
    assert asked["status"] == 403
    waits = f"the process that waits (pid {asked['pid']}) cannot approve for itself, nor can what it started"
    assert said["directly"] == waits
    for way in ("child", "grandchild", "fork"):
        assert waits in said[way], (way, said)
    assert "an approval is typed by a person, and script (pid " in said["script"], said
    assert "an approval is typed in a terminal, and this process is in none" in said["setsid"], said
    assert json.loads(broker.ctl("approvals", "--json").stdout)["given"] == []
    assert sts.assumed() == []
    # Nor in its terminal, as long as it runs.
    shown, _ = approve(terminal, "shop", "prod", code=4)
    assert f"the process that waits (pid {asked['pid']}) is in this terminal's session" in shown
    terminal.end(number)
    approve(terminal, "shop", "prod")
    assert terminal.ask(shop).role == PROD.name


def test_nobody_approves_without_a_terminal_or_under_automation(broker, shop, place, terminal):
    """Also where nothing waits: what a process types for later."""
    env = {
        "APPROVE": "shop prod",
        "DIGITS": PROD.account[-4:],
        "BROKERCTL": broker.programs.brokerctl,
        "CONTROL": place.runtime / "brokerd/control.sock",
    }

    def once(way, *prefix):
        argv = [*prefix, *broker.python("waiter.py", "--once", way)]
        return json.loads(terminal.run(argv, shop, **env).out)

    none = "an approval is typed in a terminal, and this process is in none"
    assert none in once("setsid")
    assert none in once("directly", "setsid", "--wait")
    assert "and script (pid " in once("script")
    assert json.loads(broker.ctl("approvals", "--json").stdout)["given"] == []


def test_a_program_that_asked_cannot_approve_afterwards(broker, shop, terminal, place):
    """A task in the terminal runs a tool, which is refused and ends, and then approves: its user did not."""
    ctl, tool = broker.programs.brokerctl, " ".join(str(word) for word in broker.python("imds.py"))
    number = terminal.start(["/bin/sh", "-c", f"{tool} >&2; {ctl} approve shop prod; exit $?"], shop, screen=True)
    terminal.shown("to approve: ")
    terminal.type(f"{PROD.account[-4:]}\n")
    assert "started this process, and the one that asked (pid " in terminal.shown("hint:")
    assert terminal.end(number).code == 4
    # The person in the same terminal may: the shell started both.
    approve(terminal, "shop", "prod")
    assert terminal.ask(shop).role == PROD.name


def test_the_digits_are_looked_at_by_the_daemon(broker, shop, terminal):
    for left in (2, 1):
        shown, _ = approve(terminal, "shop", "prod", digits="0000", code=4)
        assert f"these are not the last four digits of the account; tries left: {left}" in shown
    for digits in ("0000", PROD.account[-4:]):
        shown, _ = approve(terminal, "shop", "prod", digits=digits, code=4)
        assert "too many wrong digits: wait " in shown
    assert refused(terminal.ask(shop))


def test_an_approval_ends_and_what_ran_is_served_again_after_the_next(broker, shop, terminal, other, sts):
    shown, _ = approve(other, "shop", "prod", "--for", "2h", code=1)
    assert "an approval of this profile holds for 1h at most" in shown
    approve(other, "shop", "prod", "--for", "3s")
    with terminal.companion(shop) as running:
        assert running.ask().role == PROD.name
        end = time.monotonic() + PATIENCE
        while not refused(running.ask()):
            assert time.monotonic() < end, "the approval does not end"
        calls = len(sts.assumed())
        assert json.loads(broker.ctl("approvals", "--json").stdout)["given"] == []
        approve(other, "shop", "prod")
        assert running.ask().role == PROD.name
        assert len(sts.assumed()) == calls + 1, "the session went with its approval"


def test_a_revoked_approval_ends_what_runs(broker, shop, terminal, other):
    approve(other, "shop", "prod")
    with terminal.companion(shop) as running:
        assert running.ask().role == PROD.name
        said = broker.ctl("approvals", "revoke", "shop", "prod").stdout
        assert said.startswith(f"revoked shop.prod (profile prod, account {PROD.account}) in {shop}\n")
        assert "credentials already handed out can be used until " in said
        answer = running.ask()
        assert refused(answer)
        assert broker.refused(answer.pid)[-1]["kind"] == "ended"
        assert refused(terminal.ask(shop))
        approve(other, "shop", "prod")
        assert refused(running.ask()), "it is not moved, nor does it come back"
        assert terminal.ask(shop).role == PROD.name
    assert broker.ctl("approvals", "revoke", "blog").stdout == "nothing was approved\n"
    # A project that is denied and allowed again has not been approved by that.
    broker.ctl("deny", cwd=shop)
    broker.allow(shop)
    assert refused(terminal.ask(shop))
    events = [line["event"] for line in broker.audit() if line["event"] in ("approval", "revocation")]
    assert events == ["approval", "revocation", "approval", "revocation"]


@pytest.fixture
def keeping(broker, place):
    """A broker that keeps sessions over a restart, sealed by a key of the kernel's."""
    place.settings(keychain="keyutils")
    broker.prefix = ["keyctl", "session", "-"]
    yield broker
    broker.stop()
    clear = 'keyctl clear "$(keyctl get_persistent @s)"'
    place.person.run(["keyctl", "session", "-", "sh", "-c", clear], cwd="/", env=place.environment())


def test_a_restart_asks_again(keeping, shop, place, sts):
    with Terminal(keeping) as other:
        approve(other, "shop", "prod")
    assert keeping.ask(shop).role == PROD.name
    assert keeping.ask(shop, BROKERD_STAGE="dev").role == DEV.name
    keeping.stop()
    keeping.start()
    assert refused(keeping.ask(shop))
    assert json.loads(keeping.ctl("approvals", "--json").stdout)["given"] == []
    assert keeping.ask(shop, BROKERD_STAGE="dev").role == DEV.name
    assert len(sts.assumed(DEV.name)) == 1, "its session was kept"
    assert len(sts.assumed(PROD.name)) == 1, "and nothing was fetched ahead"


def test_a_session_that_was_kept_is_not_served_once_it_is_protected(keeping, shop, place, sts):
    keeping.stop()
    (place.state / "protections.json").unlink()
    catalog(place, protected="")
    keeping.start()
    assert keeping.ask(shop).role == PROD.name
    keeping.stop()
    catalog(place)
    keeping.start()
    assert refused(keeping.ask(shop))
    assert keeping.status()["keychain"]["sessions"] == 0
    assert len(sts.assumed(PROD.name)) == 1


def test_a_fall_back_to_a_protected_profile_names_the_stage(broker, shop, place, terminal, other):
    catalog(place, default="prod", stages='dev = "dev"')
    place.serverless("shop", app="shop", stage="deb")
    answer = terminal.ask(shop)
    assert refused(answer)
    sentence = "stage deb is not configured on shop: default profile prod (did you mean dev?)"
    assert broker.refused(answer.pid)[-1]["fallback"] == sentence
    shown, _ = approve(other)
    assert f"note     {sentence}" in shown and "shop.deb would use profile prod" in shown
    assert terminal.ask(shop).role == PROD.name
    assert refused(terminal.ask(shop, BROKERD_STAGE="debb")), "another stage is another use"


def test_protection_that_comes_counts_for_what_runs(broker, shop, place, terminal, other):
    catalog(place, protected="")
    # What was protected at first may not become open by an edit; begin with a catalog of one's own.
    broker.stop()
    (place.state / "protections.json").unlink()
    broker.start()
    with Terminal(broker) as terminal, terminal.companion(shop) as running:
        assert running.ask().role == PROD.name
        catalog(place)
        assert refused(running.ask())
        approve(other, "shop", "prod")
        assert running.ask().role == PROD.name


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_an_edit_that_loosens_waits_for_approval(broker, shop, place, sts, running):
    edits = {
        "protected": {"protected": ""},
        "longer": {"protected": 'protected = { for = "8h" }\n'},
        "weaker": {"protected": 'protected = { approve = "desktop" }\n'},
        "moved": {"stages": 'prod = "dev"'},
        "fallen": {"stages": 'qa = "dev"'},
    }
    for what, edit in edits.items():
        if not running:
            broker.stop()
        catalog(place, **edit)
        if not running:
            broker.start()
        answer = broker.ask(shop)
        assert refused(answer), what
        refusal = broker.refused(answer.pid)[-1]
        assert (refusal["kind"], refusal["profile"], refusal["approve"]) == ("loosened", "prod", "terminal"), what
        catalog(place)
        assert broker.refused(broker.ask(shop).pid)[-1]["kind"] == "needs-approval", f"{what}: taken back"
    assert sts.assumed() == []

    catalog(place, protected="", stages='prod = "prod"\nqa = "dev"')
    assert broker.ask(shop, BROKERD_STAGE="qa").role == DEV.name, "what it is not about"
    sentence = "an edit of the catalog loosens what protects profile prod, and that is not approved: profile prod: it is not protected any more"
    hint = "hint: brokerctl approve --catalog   (yourself, in a terminal), or take the edit back"
    for said in (
        broker.credential_process(shop, code=4).stderr,
        broker.ctl("why", shop).stdout,
        broker.ctl("status").stdout,
    ):
        assert sentence in said and hint in said, said
    assert "waits: the catalog loosens what protects profile prod, to be approved at a terminal" in broker.ctl("status").stdout
    with Terminal(broker) as terminal:
        shown, _ = approve(terminal, "--catalog", digits="0000", code=4)
        assert "these are not the last four digits" in shown
        shown, out = approve(terminal, "--catalog")
        assert "the catalog loosens what protects profile prod:" in shown and "it is not protected any more" in shown
        assert out.startswith("approved what the catalog says now:\n")
    assert broker.ask(shop).role == PROD.name
    broker.stop()
    broker.start()
    assert broker.ask(shop).role == PROD.name, "that stays"
    lines = [line for line in broker.audit() if line["event"] == "approval"]
    assert [(line["profile"], line["approval"]["what"]) for line in lines] == [
        ("prod", ["profile prod: it is not protected any more"])
    ]


def test_an_edit_is_approved_as_it_was_shown(broker, shop, place, terminal):
    catalog(place, protected="")
    number = terminal.start([broker.programs.brokerctl, "approve", "--catalog"], "/", screen=True)
    terminal.shown("to approve: ")
    catalog(place, protected="", stages='prod = "dev"')
    broker.ask(shop)
    terminal.type(f"{PROD.account[-4:]}\n")
    assert "the catalog is another than the one that was shown" in terminal.shown("hint:")
    assert terminal.end(number).code == 1
    assert refused(broker.ask(shop))


SERIAL = "arn:aws:iam::999999999999:mfa/ann"


def test_where_a_code_approves_aws_decides_for_each_session(broker, place, sts):
    text = catalog(place, protected='protected = { approve = "mfa", for = "2h" }\n').read_text()
    text = text.replace(f'role_arn = "{PROD.arn}"', f'role_arn = "{PROD.arn}"\nmfa_serial = "{SERIAL}"')
    place.write(place.config / "catalog.toml", text, mode=0o600)
    project = place.serverless("shop", app="shop", stage="prod")
    broker.start()
    broker.allow(project)
    with Terminal(broker) as terminal:
        answer = terminal.ask(project)
        assert refused(answer) and broker.refused(answer.pid)[-1]["approve"] == "mfa"
        assert "with a code of your MFA device" in broker.credential_process(project, code=4).stderr
        # A code that is given without an approval goes nowhere.
        assert "not approved" in broker.ctl("mfa", "111222", "--profile", "prod", code=4).stderr
        assert refused(terminal.ask(project)) and sts.assumed() == []

        def give(code, said):
            number = terminal.start([broker.programs.brokerctl, "approve", "shop", "prod"], project, screen=True)
            terminal.shown("code of your MFA device (not shown): ")
            terminal.type(f"{code}\r")
            done = terminal.end(number)
            assert done.code == said, done
            return done.out

        sts.fail(PROD.name, Failure.WRONG_CODE)
        give("000000", 4)
        assert refused(terminal.ask(project))
        sts.fail(PROD.name, None)
        before = len(sts.assumed())
        assert give("123456", 0).startswith("approved shop.prod")
        # The same terminal does: AWS has judged.
        assert terminal.ask(project).role == PROD.name
        [call] = sts.assumed()[before:]
        assert (call.form["SerialNumber"], call.form["TokenCode"]) == (SERIAL, "123456")
        # Nothing else asks for another session: neither a refresh nor a second process.
        assert "code" in broker.ctl("refresh", cwd=project, code=4).stderr
        assert terminal.ask(project).role == PROD.name
        assert len(sts.assumed()) == before + 1
        broker.ctl("approvals", "revoke", "shop", "prod")
        assert refused(terminal.ask(project))
    assert "123456" not in broker.log.read_text()
