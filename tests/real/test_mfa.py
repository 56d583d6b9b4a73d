"""Codes of MFA devices: given once, used where AWS takes them, and never shown."""

import pytest

from identity_center import SESSION, profile
from place import Role
from sts import Failure
from terminal import Terminal
from test_leaks import files
from test_sources import HUB, KEYS, login, marks_in, refusal, served

SHOP, PROD = Role("shop-deploy"), Role("shop-prod", "222222222222")
SERIAL = "arn:aws:iam::999999999999:mfa/ann"
KEY = "AKIAFILEFILEFILEFILE"


def start(broker, place, config=f"[profile base]\n{KEYS}", on_role=True, applications=None):
    """A daemon whose profile `base` signs, and whose roles ask for a code unless the source does."""
    (place.home / ".aws/credentials").unlink()
    place.aws_config(config)
    catalog = place.catalog(applications or {"shop": {"*": SHOP, "prod": PROD}}, source="base")
    if on_role:
        text = catalog.read_text().replace('source = "base"', f'source = "base"\nmfa_serial = "{SERIAL}"')
        place.write(catalog, text, mode=0o600)
    project = place.serverless("shop", app="shop")
    broker.start()
    broker.allow(project)
    return project


@pytest.mark.parametrize("place_of_serial", ["role", "source"])
def test_one_code_does_for_every_role_of_its_user(broker, place, sts, place_of_serial):
    on_role = place_of_serial == "role"
    config = f"[profile base]\n{KEYS}" + ("" if on_role else f"mfa_serial = {SERIAL}\n")
    project = start(broker, place, config, on_role)
    answer, why = refusal(broker, project)
    assert (answer.list_status, answer.status, why["error"]) == (200, 403, "needs-mfa")
    assert why["serial"] == SERIAL
    assert "hint: brokerctl mfa" in broker.credential_process(project, code=4).stderr
    assert sts.requests() == [], "nothing is asked for without a code"
    said = broker.ctl("mfa", "123 456").stdout
    assert said.startswith(f"took the code of {SERIAL}: an MFA session, for every role that needs this device, until")
    [call] = sts.calls("GetSessionToken")
    assert (call.form["SerialNumber"], call.form["TokenCode"], call.access_key) == (SERIAL, "123456", KEY)
    assert call.form["DurationSeconds"] == "43200"
    assert served(broker, project).role == SHOP.name
    assert served(broker, project, BROKERD_STAGE="prod").role == PROD.name
    [key] = sts.given("GetSessionToken")
    assert {call.access_key for call in sts.assumed()} == {key}
    assert all("TokenCode" not in call.form for call in sts.assumed())


def test_a_code_that_aws_does_not_take_is_said(broker, place, sts):
    project = start(broker, place)
    sts.fail("", Failure.WRONG_CODE)
    said = broker.ctl("mfa", "123456", code=4).stderr
    assert "AWS did not take the last one" in said and "123456" not in said
    assert refusal(broker, project)[1]["error"] == "needs-mfa"
    sts.fail("", None)
    broker.ctl("mfa", "654321")
    assert served(broker, project).role == SHOP.name


@pytest.mark.parametrize("code", ["12345", "1234567", "12345a", ""])
def test_what_is_no_code_is_refused_before_anybody_is_asked(broker, place, sts, code):
    start(broker, place)
    broker.ctl("mfa", code, code=2)
    done = place.person.run([broker.programs.brokerctl, "mfa"], cwd="/", env=broker.client_environment(), said=code)
    assert done.returncode == 1 and "six digits" in done.stderr and sts.requests() == []


def test_a_terminal_is_asked_without_showing_the_code(broker, place, sts):
    start(broker, place)
    for words in (["mfa"], ["login"]):
        with Terminal(broker) as terminal:
            number = terminal.start([broker.programs.brokerctl, *words], place.home, screen=True)
            terminal.shown(f"code of {SERIAL} (not shown): ")
            terminal.type("123456\r")
            done = terminal.end(number)
            assert done.code == 0 and done.out.startswith("took the code"), done
            assert "123456" not in terminal.shown("\n")
    assert len(sts.calls("GetSessionToken")) == 2


def test_a_program_gives_codes_without_a_shell(broker, place, sts):
    program = place.write(place.home / "code", f'#!/bin/sh\necho "$@" >> {place.home}/asked\necho "AWS:ann  246810"\n', mode=0o700)
    place.settings(f'listen = ["127.0.0.1:0"]\nmfa_session = "36h"\nmfa_process = ["{program}", "a b", "{{mfa_serial}}", "$HOME"]\n')
    project = start(broker, place)
    assert served(broker, project).role == SHOP.name
    assert served(broker, project, BROKERD_STAGE="prod").role == PROD.name
    assert (place.home / "asked").read_text() == f"a b {SERIAL} $HOME\n", "asked once"
    [call] = sts.calls("GetSessionToken")
    assert (call.form["TokenCode"], call.form["DurationSeconds"]) == ("246810", "129600")


@pytest.mark.parametrize(
    ("lines", "words"),
    [("echo codeMarked", "is no code"), ("echo codeMarked >&2; exit 3", "ended with exit status: 3")],
)
def test_a_program_that_fails_is_said_and_not_quoted(broker, place, sts, lines, words):
    program = place.write(place.home / "code", f"#!/bin/sh\n{lines}\n", mode=0o700)
    place.settings(f'listen = ["127.0.0.1:0"]\nmfa_process = ["{program}"]\n')
    project = start(broker, place)
    _, why = refusal(broker, project)
    assert why["error"] == "needs-mfa" and words in why["why"] and "codeMarked" not in str(why)
    # A person can still give one.
    broker.ctl("mfa", "123456")
    assert served(broker, project).role == SHOP.name


def test_an_mfa_session_outlives_the_daemon(broker, place, sts, desktop):
    broker.environment |= desktop.environment() | {"RUST_LOG": "trace"}
    place.settings(keychain="secret-service")
    project = start(broker, place)
    broker.ctl("mfa", "987123")
    broker.stop()
    broker.start()
    assert served(broker, project).role == SHOP.name
    assert len(sts.calls("GetSessionToken")) == 1
    texts = files(place.home / ".config", place.state, place.runtime / "brokerd")
    assert marks_in(["987123", *sts.given("GetSessionToken")], texts) == []
    # At TRACE the SDK itself logs nothing of a request's body.
    assert marks_in(["987123", "fileSecretMarked"], {"log": broker.log.read_text()}) == []


def test_a_code_goes_into_the_role_where_an_sso_login_signs(broker, place, sts, center):
    project = start(broker, place, SESSION + profile("base"))
    login(broker, center)
    assert refusal(broker, project)[1]["error"] == "needs-mfa"
    said = broker.ctl("mfa", "123456").stdout
    assert "one session until" in said
    assert sts.calls("GetSessionToken") == [], "only a user's own keys get an MFA session"
    [call] = sts.assumed()
    assert (call.form["SerialNumber"], call.form["TokenCode"]) == (SERIAL, "123456")
    assert call.access_key.startswith("ASIASSO")
    assert served(broker, project).role == SHOP.name
    assert len(sts.assumed()) == 1


def test_a_role_of_the_source_may_ask_for_the_code(broker, place, sts):
    config = f"[profile base]\nrole_arn = {HUB}\nsource_profile = root\nmfa_serial = {SERIAL}\n[profile root]\n{KEYS}"
    project = start(broker, place, config, on_role=False)
    assert refusal(broker, project)[1]["error"] == "needs-mfa"
    broker.ctl("mfa", "123456", "--profile", "shop-shop-deploy")
    assert served(broker, project).role == SHOP.name
    hub, last = sts.assumed()
    assert [hub.access_key] == sts.given("GetSessionToken") and sts.role_of(last.access_key) == "hub"


def test_which_code_is_meant_is_asked_where_it_is_not_clear(broker, place, sts):
    place.aws_config(f"[profile base]\n{KEYS}")
    roles = [("one", "arn:aws:iam::999999999999:mfa/ann"), ("two", "GAHT12345678")]
    text = "".join(
        f'[profiles.{name}.access_role]\nrole_arn = "{SHOP.arn}"\nsource = "base"\nmfa_serial = "{serial}"\n' for name, serial in roles
    )
    place.write(place.config / "catalog.toml", text, mode=0o600)
    broker.start()
    said = broker.ctl("mfa", "123456", code=1).stderr
    assert "there are several MFA devices" in said and "--profile" in said and sts.requests() == []
    broker.ctl("mfa", "123456", "--profile", "two")
    assert [call.form["SerialNumber"] for call in sts.calls("GetSessionToken")] == ["GAHT12345678"]
    assert "did you mean" in broker.ctl("mfa", "123456", "--profile", "twp", code=1).stderr


def test_where_no_device_is_named_no_code_is_taken(broker, place, sts):
    start(broker, place, on_role=False)
    assert "has an mfa_serial" in broker.ctl("mfa", "123456", code=1).stderr
    assert "profile shop-shop-prod has no mfa_serial" in broker.ctl("mfa", "1" * 6, "--profile", "shop-shop-prod", code=1).stderr
