"""Approvals by a notification: a real session bus, and a stand-in of the desktop that shows them."""

import json
import subprocess

import pytest

from place import Role
from terminal import Terminal

PROD = Role("shop-prod", "222222222222")
CATALOG = f"""
[profiles.prod]
protected = {{ approve = "desktop", for = "30m" }}
access_role = {{ role_arn = "{PROD.arn}", source = "work" }}
[applications.shop]
stages = {{ prod = "prod", qa = "prod" }}
"""


class Bus:
    """A session bus, and on it, if it is started, a desktop that shows notifications."""

    def __init__(self, place, programs):
        self.place, self.programs = place, programs
        argv = ["dbus-daemon", "--session", "--nofork", "--print-address"]
        self._bus = place.person.start(argv, cwd="/", env=place.environment(), stderr=subprocess.DEVNULL)
        self.address = self._bus.stdout.readline().strip()
        assert self.address, "the session bus does not start"
        self._desktop = None

    def _argv(self, *words):
        return [self.programs.python, self.programs.clients / "notifications.py", *words]

    def _environment(self):
        return self.place.environment(DBUS_SESSION_BUS_ADDRESS=self.address)

    def serve(self, *capabilities):
        """Starts the desktop."""
        self._desktop = self.place.person.start(self._argv("serve", *capabilities), cwd="/", env=self._environment())
        assert "serves" in self.next()

    def next(self):
        """What the desktop does next."""
        return json.loads(self._desktop.stdout.readline())

    def act(self, *words):
        """What its user does."""
        print(*words, file=self._desktop.stdin, flush=True)

    def forge(self, number, key="approve"):
        """Somebody else says that the action was taken."""
        done = self.place.person.run(self._argv("forge", str(number), key), cwd="/", env=self._environment())
        assert "forged" in done.stdout, done.stderr

    def end_desktop(self):
        """The desktop ends. Nothing that it did may be left unlooked at."""
        rest, errors = self._desktop.communicate(timeout=20)
        self._desktop = None
        assert (rest, errors) == ("", "")

    def close(self):
        """Ends all of it."""
        if self._desktop:
            self._desktop.kill()
            self._desktop.communicate()
        self._bus.terminate()
        self._bus.communicate(timeout=20)


@pytest.fixture
def bus(place, programs):
    """A session bus."""
    made = Bus(place, programs)
    yield made
    made.close()


@pytest.fixture
def shop(broker, place, bus):
    """An allowed project whose profile is approved on the desktop."""
    place.write(place.config / "catalog.toml", CATALOG, mode=0o600)
    project = place.serverless("shop", app="shop", stage="prod")
    broker.environment |= {"DBUS_SESSION_BUS_ADDRESS": bus.address}
    broker.start()
    broker.allow(project)
    return project


def refused(answer):
    """A role, and no credentials."""
    return (answer.list_status, answer.status, answer.access_key) == (200, 403, "")


def until(question):
    """Asks until it is so: what the desktop says takes a moment."""
    for _ in range(2000):
        if found := question():
            return found
    raise AssertionError("it never is so")


def approvals(broker):
    """What is approved and what waits."""
    return json.loads(broker.ctl("approvals", "--json").stdout)


def test_one_notification_asks_and_its_action_approves(broker, shop, bus, sts):
    bus.serve()
    answers = [broker.ask(shop) for _ in range(5)]
    assert all(refused(answer) for answer in answers) and sts.assumed() == []
    said = broker.credential_process(shop, code=4).stderr
    assert "hint: approve it in the notification; brokerctl approve shop prod shows it again" in said
    notice = bus.next()
    assert notice["summary"] == f"shop.prod: use profile prod in account {PROD.account}?"
    assert notice["actions"] == ["approve", "Approve"] and notice["timeout"] == 0
    lines = notice["body"].split("\n")
    assert lines[0].startswith(f"pid {answers[0].pid} (python")
    assert f"project {shop}/serverless.yml" in lines and f"role {PROD.arn}" in lines
    assert lines[-1] == "for 30m; what is handed out meanwhile can be used for up to 1h after that"

    # Nobody else is believed, nor the desktop about another action or another notification.
    bus.forge(notice["id"])
    bus.act("invoke", notice["id"], "default")
    bus.act("invoke", notice["id"] + 1, "approve")
    assert refused(broker.ask(shop))
    bus.act("invoke", notice["id"], "approve")
    until(lambda: broker.ask(shop).role == PROD.name)
    given = approvals(broker)["given"]
    assert [(one["of"]["stage"], one["approve"]) for one in given] == [("prod", "desktop")]
    assert refused(broker.ask(shop, BROKERD_STAGE="qa")), "another stage is another use"
    notice = bus.next()
    assert notice["summary"].startswith("shop.qa: ")
    # What it asks for is over: it is taken back.
    broker.ctl("deny", cwd=shop)
    broker.stop()
    assert bus.next() == {"closed": notice["id"]}
    bus.end_desktop()
    lines = [json.loads(line) for line in (broker.place.state / "audit.jsonl").read_text().splitlines()]
    assert [(line["way"], line["stage"]) for line in lines if line["event"] == "approval"] == [("desktop", "prod")]


def test_a_forged_answer_alone_approves_nothing(broker, shop, bus, sts):
    bus.serve()
    assert refused(broker.ask(shop))
    notice = bus.next()
    for _ in range(3):
        bus.forge(notice["id"])
        assert refused(broker.ask(shop))
    # What the desktop itself says comes behind all that was forged.
    bus.act("close", notice["id"])
    assert approvals(broker)["given"] == [] and sts.assumed() == []


def test_what_is_sent_away_comes_back_only_by_hand(broker, shop, bus):
    bus.serve()
    assert refused(broker.ask(shop))
    first = bus.next()
    bus.act("close", first["id"])
    for _ in range(5):
        assert refused(broker.ask(shop))
    with Terminal(broker) as terminal:
        ctl = broker.programs.brokerctl

        def again():
            number = terminal.start([ctl, "approve", "shop", "prod"], "/", screen=True)
            assert "this is approved on the desktop: a notification asks now" in terminal.shown("hint:")
            return terminal.end(number).code == 4

        assert again()
        second = bus.next()
        assert second["id"] == first["id"] + 1
        bus.act("invoke", second["id"], "approve")
        until(lambda: broker.ask(shop).role == PROD.name)


def test_where_no_desktop_asks_the_refusal_says_what_is_missing(broker, shop, bus):
    def said():
        return broker.credential_process(shop, code=4).stderr

    missing = said()
    assert "this use of it is not approved: nothing on the session bus shows notifications" in missing
    assert 'hint: log in to a desktop that shows notifications, or protect [profiles.prod] by approve = "terminal"' in missing
    assert "trouble: nothing on the session bus shows notifications" in broker.ctl("approvals").stdout
    bus.serve("body")
    until(lambda: "stand-in shows notifications without actions" in said())
    bus.end_desktop()
    bus.serve()
    until(lambda: "approve it in the notification" in said())
    first = bus.next()
    # The desktop ends and comes back, as after a crash: it is asked again.
    bus.end_desktop()
    bus.serve()
    until(lambda: refused(broker.ask(shop)) and approvals(broker)["questions"][0]["trouble"] is None)
    bus.act("invoke", first["id"], "approve")
    notice = bus.next()
    bus.act("invoke", notice["id"], "approve")
    until(lambda: broker.ask(shop).role == PROD.name)


def test_without_a_bus_the_refusal_says_so(broker, place):
    place.write(place.config / "catalog.toml", CATALOG, mode=0o600)
    project = place.serverless("shop", app="shop", stage="prod")
    broker.environment |= {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={place.root}/none"}
    broker.start()
    broker.allow(project)
    said = broker.credential_process(project, code=4).stderr
    assert "this use of it is not approved: no session bus can be reached: " in said
    assert refused(broker.ask(project))


def test_an_edit_that_loosens_is_approved_by_the_method_of_before(broker, shop, bus, place):
    bus.serve()
    place.write(place.config / "catalog.toml", CATALOG.replace('approve = "desktop", for = "30m"', 'for = "31m"'), mode=0o600)
    assert refused(broker.ask(shop))
    notice = bus.next()
    assert notice["summary"] == "The catalog loosens what protects profile prod: let it?"
    assert "profile prod: an approval holds for 31m, no longer 30m" in notice["body"]
    bus.act("invoke", notice["id"], "approve")
    until(lambda: approvals(broker)["questions"] == [])
    assert "brokerctl approve shop prod" in broker.credential_process(shop, code=4).stderr


def test_a_code_that_is_wanted_is_asked_for_once_however_many_wait(broker, place, bus, sts):
    serial = "arn:aws:iam::999999999999:mfa/ann"
    text = CATALOG.replace('protected = { approve = "desktop", for = "30m" }\n', "")
    place.write(
        place.config / "catalog.toml",
        text.replace('source = "work"', f'source = "work", mfa_serial = "{serial}"'),
        mode=0o600,
    )
    bus.serve("body")
    broker.environment["DBUS_SESSION_BUS_ADDRESS"] = bus.address
    project = place.serverless("shop", app="shop", stage="prod")
    broker.start()
    broker.allow(project)
    for _ in range(3):
        broker.credential_process(project, code=4)
    shown = bus.next()
    assert shown["summary"] == f"shop.prod waits for a code of {serial}", shown
    assert str(project) in shown["body"] and PROD.arn in shown["body"] and "brokerctl mfa" in shown["body"]
    assert shown["actions"] == []
    bus.end_desktop()


def logins_in(place, count):
    """As many projects, each of which signs with a login of its own that nobody has made."""
    config, catalog = [], []
    for number in range(count):
        config.append(
            f"[sso-session corp{number}]\nsso_start_url = https://corp{number}.awsapps.com/start\nsso_region = eu-west-1\n"
            f"[profile login{number}]\nsso_session = corp{number}\nsso_account_id = 999999999999\nsso_role_name = base\n"
        )
        catalog.append(
            f"[profiles.p{number}.access_role]\nrole_arn = \"{PROD.arn}\"\nsource = \"login{number}\"\n"
            f"[applications.app{number}]\ndefault_profile = \"p{number}\"\n"
        )
    place.aws_config("".join(config))
    place.write(place.config / "catalog.toml", "".join(catalog), mode=0o600)
    return [place.serverless(f"app{number}", app=f"app{number}", stage="dev") for number in range(count)]


def test_a_login_that_is_wanted_is_told_once_and_many_as_one(broker, place, bus):
    projects = logins_in(place, 6)
    bus.serve("body")
    broker.environment["DBUS_SESSION_BUS_ADDRESS"] = bus.address
    broker.start()
    broker.allow(*projects)
    for _ in range(3):
        for project in projects:
            assert "hint: brokerctl login" in broker.credential_process(project, code=4).stderr
    first = bus.next()
    assert first["summary"].startswith("app0.dev waits for a login to ") and first["actions"] == []
    assert str(projects[0]) in first["body"] and "brokerctl login" in first["body"]
    # Five more are one, and eighteen refusals were no more than these two.
    many = bus.next()
    assert many["summary"] == "5 more wait for logins"
    assert [line.split(" waits ")[0] for line in many["body"].split("\n")] == [f"app{number}.dev" for number in range(1, 6)]
    broker.stop()
    bus.end_desktop()


def test_on_a_machine_without_a_desktop_a_login_that_is_wanted_is_only_refused(broker, place, bus):
    [project] = logins_in(place, 1)
    # A session bus on which nothing shows notifications, and then none.
    for address in (bus.address, f"unix:path={place.root}/none"):
        broker.environment["DBUS_SESSION_BUS_ADDRESS"] = address
        broker.start()
        broker.allow(project)
        assert "a login is needed" in broker.credential_process(project, code=4).stderr
        broker.stop()
    assert "nobody is told" in broker.log.read_text()
