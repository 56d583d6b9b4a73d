"""Logins to IAM Identity Center: made once, kept, renewed, and what happens when they end."""

import hashlib
import http.client
import json
import time
from urllib.parse import urlsplit

import pytest

from identity_center import SECRETS, SESSION, START_URL, profile
from place import Role
from test_leaks import files
from test_sources import login, marks_in, refusal, served

SHOP, PROD = Role("shop-deploy"), Role("shop-prod", "222222222222")
OF_SESSION = hashlib.sha1(b"corp").hexdigest() + ".json"
SSO = 'listen = ["127.0.0.1:0"]\n'


@pytest.fixture
def shop(broker, place, center):
    """An allowed project with two stages, whose roles are assumed with the Identity Center's."""
    (place.home / ".aws/credentials").unlink()
    place.aws_config(SESSION + profile("base") + profile("other", "Admin"))
    place.catalog({"shop": {"*": SHOP, "prod": PROD}}, source="base")
    project = place.serverless("shop", app="shop")
    broker.start()
    broker.allow(project)
    return project


def by_browser(broker, *words, code=0, visit=True):
    """`brokerctl login` with a browser that follows the page."""
    argv = [broker.programs.brokerctl, "login", "--no-browser", *words]
    process = broker.place.person.start(argv, cwd="/", env=broker.client_environment())
    process.stderr.readline()
    page = process.stderr.readline().strip()
    if visit:
        follow(page)
    out, err = process.communicate(timeout=90)
    assert process.returncode == code, out + err
    return page, out + err


def follow(url):
    """What a browser does: it follows the way back."""
    for _ in range(3):
        where = urlsplit(url)
        connection = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
        connection.request("GET", f"{where.path}?{where.query}")
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        if answer.status != 302:
            return answer.status, text
        url = answer.getheader("Location")
    raise AssertionError("it goes in a circle")


def test_a_page_that_comes_back_logs_in(broker, shop, sts, center):
    page, said = by_browser(broker, "--sso-session", "corp")
    assert page.startswith(f"{center.url}/authorize?response_type=code&client_id=client")
    assert "logged in to sso-session corp until" in said and "it is in memory only" in said
    [registration] = center.of("register")
    assert registration["redirectUris"] == ["http://127.0.0.1/oauth/callback"]
    assert (registration["scopes"], registration["issuerUrl"]) == (["sso:account:access"], START_URL)
    assert served(broker, shop).role == SHOP.name
    assert "login sso-session corp: renewed by itself" in broker.ctl("status").stdout
    # The code is good once, and for who began: somebody else's answer is told that there is nothing.
    [token] = [sent for sent in center.of("token") if sent["grantType"] == "authorization_code"]
    assert "codeVerifier" in token


def test_somebody_elses_answer_is_no_login(broker, shop, center):
    argv = [broker.programs.brokerctl, "login", "--no-browser"]
    process = broker.place.person.start(argv, cwd="/", env=broker.client_environment())
    process.stderr.readline()
    page = process.stderr.readline().strip()
    back = next(part for part in urlsplit(page).query.split("&") if part.startswith("redirect_uri="))
    port = int(back.rpartition("%3A")[2].partition("%2F")[0])
    for path in ["/oauth/callback?code=evil&state=evil", "/", "/oauth/callback?error=access_denied&state=evil"]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", path)
        assert connection.getresponse().status == 404
        connection.close()
    assert center.count("token") == 0 and process.poll() is None
    follow(page)
    assert process.wait(60) == 0


def test_who_refuses_on_the_page_is_told_so(broker, shop, center):
    center.faults["authorize"] = ["access_denied"]
    _, said = by_browser(broker, code=1)
    assert "the login was denied on the page" in said and "hint: run brokerctl login again" in said


def test_an_old_identity_center_has_codes_only(broker, shop, center):
    center.knows_browsers = False
    assert "logged in" in login(broker, center)
    argv = [broker.programs.brokerctl, "login", "--no-browser"]
    process = broker.place.person.start(argv, cwd="/", env=broker.client_environment())
    said = "".join(process.stderr.readline() for _ in range(3))
    center.approve(said.rpartition(": ")[2].strip())
    assert process.wait(60) == 0


def test_a_code_waits_for_its_person_through_faults(broker, shop, center):
    center.faults["token"] = ["AuthorizationPendingException", "SlowDownException", 500, "drop"]
    login(broker, center)
    asked = [sent for sent in center.of("token") if "deviceCode" in sent]
    assert len(asked) >= 5
    assert served(broker, shop).role == SHOP.name


@pytest.mark.parametrize(
    ("operation", "fault", "words"),
    [
        ("token", "ExpiredTokenException", "nobody logged in in time"),
        ("token", "AccessDeniedException", "the login was denied on the page"),
        ("token", "InvalidGrantException", "IAM Identity Center refuses: InvalidGrantException"),
        ("register", "InvalidScopeException", "IAM Identity Center refuses: InvalidScopeException"),
        ("device", "InvalidRequestException", "IAM Identity Center refuses: InvalidRequestException"),
    ],
)
def test_a_login_that_fails_says_why(broker, shop, center, operation, fault, words):
    center.faults[operation] = [fault]
    argv = [broker.programs.brokerctl, "login", "--use-device-code", "--no-browser"]
    done = broker.place.person.run(argv, cwd="/", env=broker.client_environment())
    assert done.returncode == 1 and words in done.stderr and "hint:" in done.stderr, done.stderr


def test_one_login_serves_all_and_many_who_need_it_get_one_page(broker, shop, sts, center):
    argv = [broker.programs.brokerctl, "login", "--use-device-code", "--no-browser"]
    ways = [[], ["base"], ["other"], ["--sso-session", "corp"], ["shop-shop-prod"]]
    started = [broker.place.person.start([*argv, *words], cwd="/", env=broker.client_environment()) for words in ways]
    codes = []
    for process in started:
        said = ""
        while "must show this code: " not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        codes.append(said.rpartition(": ")[2].strip())
    assert len(set(codes)) == 1 and center.count("device") == 1
    center.approve(codes[0])
    assert [process.wait(60) for process in started] == [0] * len(ways)
    assert served(broker, shop).role == SHOP.name
    assert served(broker, shop, BROKERD_STAGE="prod").role == PROD.name
    assert center.count("device") == 1


def test_without_a_login_nothing_is_given_and_everybody_is_told_what_to_type(broker, shop, sts, center):
    answer, why = refusal(broker, shop)
    assert (answer.list_status, answer.status, why["error"]) == (200, 403, "needs-login")
    command = "brokerctl login --sso-session corp"
    assert why["login"] == command
    assert f"hint: {command}" in broker.credential_process(shop, code=4).stderr
    assert command in broker.sentences()
    broker.ask(shop)
    [row] = broker.status()["projects"]
    assert row["hint"] == command and "nobody has logged in yet" in row["error"]
    assert sts.requests() == [] and center.calls == []


def test_a_login_of_the_aws_cli_counts_and_is_left_to_it(broker, shop, place, center):
    center.access_tokens["accessTokenMarkedCli"] = time.time() + 3600
    of_cli(place, "accessTokenMarkedCli", 3600)
    assert served(broker, shop).role == SHOP.name
    # When it ends, brokerd does not use up its refresh token: the AWS CLI would be logged out.
    broker.stop()
    of_cli(place, "accessTokenMarkedCli", 30)
    before = (place.home / ".aws/sso/cache" / OF_SESSION).read_text()
    broker.start()
    _, why = refusal(broker, shop)
    assert why["error"] == "needs-login"
    assert center.count("token") == 0
    assert (place.home / ".aws/sso/cache" / OF_SESSION).read_text() == before


def of_cli(place, access, seconds, **more):
    """What `aws sso login` leaves behind."""
    stamp = lambda after: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + after))
    document = {
        "startUrl": START_URL, "region": "eu-west-1", "accessToken": access, "expiresAt": stamp(seconds),
        "clientId": "cli", "clientSecret": "clientSecretMarkedCli", "registrationExpiresAt": stamp(86400),
        "refreshToken": "refreshTokenMarkedCli", **more,
    }
    place.write(place.home / ".aws/sso/cache" / OF_SESSION, json.dumps(document), mode=0o600)


def test_nothing_is_written_for_others_unless_that_is_wanted(broker, shop, place, center):
    login(broker, center)
    assert served(broker, shop).role == SHOP.name
    assert not (place.home / ".aws/sso").exists()
    texts = files(place.home / ".config", place.state, place.runtime / "brokerd", place.home / ".aws")
    texts |= {"log": broker.log.read_text(), "status": broker.ctl("status", "--json").stdout}
    assert marks_in(SECRETS, texts) == []
    broker.stop()
    place.settings(SSO + 'sso_cache = "shared"\n')
    broker.start()
    login(broker, center)
    path = place.home / ".aws/sso/cache" / OF_SESSION
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    kept = json.loads(path.read_text())
    assert kept["accessToken"] in center.access_tokens and kept["refreshToken"] in center.refresh_tokens
    # The AWS CLI takes it as its own.
    env = broker.client_environment(AWS_PROFILE="base", AWS_ENDPOINT_URL_SSO=center.url, AWS_CONFIG_FILE=place.home / ".aws/config")
    argv = [broker.programs.python, broker.programs.aws, "sts", "get-caller-identity"]
    assert place.person.run(argv, cwd="/", env=env).returncode == 0
    assert broker.sts.calls("GetCallerIdentity")[-1].access_key.startswith("ASIASSO")


def test_a_token_that_is_used_is_renewed_ahead(broker, shop, center):
    # Less than twice the margin of five minutes is left: it is renewed as soon as somebody used it.
    center.lifetime = 540
    login(broker, center)
    center.lifetime = 3600
    assert served(broker, shop).role == SHOP.name
    [renewal] = center.renewals(1)
    assert renewal["clientId"] in center.clients
    assert served(broker, shop, BROKERD_STAGE="prod").role == PROD.name


def test_a_token_that_ends_soon_is_renewed_once_for_all_who_need_it(broker, shop, person, sts, center):
    center.lifetime = 200
    login(broker, center)
    center.lifetime = 3600
    env = [broker.client_environment(BROKERD_STAGE=stage) for stage in ("dev", "prod")]
    started = [person.start(broker.python("imds.py"), cwd=shop, env=env[n % 2]) for n in range(10)]
    said = [json.loads(process.communicate(timeout=60)[0]) for process in started]
    assert {one["status"] for one in said} <= {200, 503}
    assert served(broker, shop).role == SHOP.name
    assert len(center.renewals(1)) == 1


def test_a_renewal_that_is_refused_asks_for_a_login(broker, shop, center):
    center.lifetime = 60
    login(broker, center)
    center.end_sessions()
    _, why = refusal(broker, shop)
    assert why["error"] == "needs-login" and "cannot be renewed any more (InvalidGrantException)" in why["why"]
    assert broker.status()["logins"] == []
    center.lifetime = 3600
    login(broker, center)
    assert served(broker, shop).role == SHOP.name


@pytest.mark.parametrize("fault", [500, "drop"])
def test_a_renewal_that_does_not_come_through_is_tried_again(broker, shop, center, fault):
    center.lifetime = 30
    login(broker, center)
    center.lifetime = 3600
    center.faults["token"] = [fault] * 3
    answer, why = refusal(broker, shop)
    assert (answer.status, why["error"]) == (503, "network")
    assert served(broker, shop).role == SHOP.name


def test_a_token_that_the_portal_refuses_is_dropped(broker, shop, center):
    login(broker, center)
    center.end_sessions()
    _, why = refusal(broker, shop)
    assert why["error"] == "needs-login" and "does not take the last login any more" in why["why"]


def test_a_role_that_is_not_assigned_is_said(broker, shop, place, center):
    login(broker, center)
    place.aws_config(SESSION + profile("base", "Forbidden"))
    _, why = refusal(broker, shop)
    assert why["error"] == "access-denied" and "Forbidden in account 999999999999" in why["role"]


def test_a_login_outlives_the_daemon_in_the_keychain(broker, shop, place, center, desktop):
    broker.stop()
    broker.environment |= desktop.environment()
    place.settings(keychain="secret-service")
    broker.start()
    said = login(broker, center)
    assert "in memory only" not in said and "note:" not in said
    assert served(broker, shop).role == SHOP.name
    broker.stop()
    broker.start()
    assert [row["what"] for row in broker.status()["logins"]] == ["sso-session corp"]
    assert served(broker, shop, BROKERD_STAGE="prod").role == PROD.name
    assert center.count("device") == 1
    texts = files(place.home / ".config", place.state, place.runtime / "brokerd", place.home / ".aws")
    assert marks_in(SECRETS, texts | {"log": broker.log.read_text()}) == []
    assert broker.ctl("login", "--remove").stdout.startswith("removed the login to sso-session corp")
    assert broker.status()["logins"] == []
    assert "no login to sso-session corp" in broker.ctl("login", "--remove", code=1).stderr


def test_what_needs_no_login_is_said(broker, place):
    place.catalog({"shop": {"*": SHOP}})
    broker.start()
    assert "no profile of the catalog signs with IAM Identity Center" in broker.ctl("login", code=1).stderr
    assert "needs no login" in broker.ctl("login", "work", code=1).stderr
    assert "there is no profile nothing" in broker.ctl("login", "nothing", code=1).stderr
    assert "[sso-session nothing]" in broker.ctl("login", "--sso-session", "nothing", code=1).stderr
    broker.ctl("login", "--keys", "--sso-session", "x", code=2)
