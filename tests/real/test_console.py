"""`brokerctl console`: the AWS sign-in, which a stand-in plays, and a browser, which a script plays."""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from place import Role

SHOP = Role("shop-deploy")
PROD = Role("shop-prod", "222222222222")
TOKEN = "signInTokenMarked0123456789+/="
# Opens what it is given as a browser does, and writes down where it was sent.
BROWSER = """#!/bin/sh
exec {python} - "$1" {seen} <<'END'
import http.client, json, sys
from urllib.parse import urlsplit
found = []
url = urlsplit(sys.argv[1])
for path in ("/favicon.ico", url.path, url.path):
    connection = http.client.HTTPConnection(url.netloc, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        found.append([answer.status, answer.getheader("Location")])
    except OSError:
        found.append([0, None])
with open(sys.argv[2], "w") as file:
    json.dump({{"argument": sys.argv[1], "found": found}}, file)
END
"""


class SignIn:
    """AWS's sign-in: gives a token for a session, and writes down what it was told."""

    def __init__(self):
        self.calls, self.status = [], 200
        sign_in = self

        class Handler(BaseHTTPRequestHandler):
            """One kind of answer."""

            def log_message(self, *_):
                """The calls are for asserting."""

            def do_GET(self):
                """Action=getSigninToken."""
                sign_in.calls.append({name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})
                body = json.dumps({"SigninToken": TOKEN}).encode() if sign_in.status == 200 else b"<html>no</html>"
                self.send_response(sign_in.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/federation"

    def close(self):
        """Ends it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def sign_in():
    """The stand-in."""
    made = SignIn()
    yield made
    made.close()


@pytest.fixture
def shop(broker, place, sign_in):
    """An allowed project."""
    place.catalog({"shop": {"dev": SHOP, "prod": PROD}})
    project = place.serverless("shop", app="shop")
    broker.environment |= {"BROKERD_FEDERATION_ENDPOINT": sign_in.url, "RUST_LOG": "trace"}
    broker.start()
    broker.allow(project)
    return project


def test_the_printed_url_signs_in_with_the_stages_session(broker, shop, sts, sign_in):
    url = broker.ctl("console", "--print", "--service", "s3", "--stage", "prod", "--for", "12h", cwd=shop).stdout
    [call] = sign_in.calls
    assert (call["Action"], call["SessionDuration"]) == ("getSigninToken", "43200")
    session = json.loads(call["Session"])
    assert sts.role_of(session["sessionId"]) == PROD.name and session["sessionKey"] and session["sessionToken"]
    assert url.startswith(f"{sign_in.url}?Action=login&")
    asked = parse_qs(urlsplit(url).query)
    assert asked["SigninToken"] == [TOKEN]
    assert asked["Destination"] == ["https://console.aws.amazon.com/s3/home?region=eu-west-1"]
    assert "SessionDuration" not in (broker.ctl("console", "--print", cwd=shop), sign_in.calls[-1])[1]
    for words in (["--for", "13h"], ["--service", "../x"], ["--stage", "prod", "--profile", "x"]):
        broker.ctl("console", *words, cwd=shop, code=2)


def test_a_browser_is_sent_there_and_no_command_line_has_the_url(broker, shop, sign_in, place):
    programs = place.directory("programs")
    # What it writes to waits for who reads it.
    seen = programs / "seen"
    os.mkfifo(seen)
    place.person.own(seen)
    browser = BROWSER.format(python=broker.programs.python, seen=seen)
    place.write(programs / "xdg-open", browser, mode=0o755)
    path = f"{programs}:/usr/bin:/bin"
    environment = broker.client_environment() | {"PATH": path}
    broker.ctl("console", cwd=shop, env=environment)
    said = json.loads(seen.read_text())
    assert TOKEN not in said["argument"] and said["argument"].startswith("http://127.0.0.1:")
    assert said["found"][0][0] == 404
    assert said["found"][1][0] == 302 and said["found"][1][1].startswith(f"{sign_in.url}?Action=login&")


def test_refusals_are_said_without_the_url(broker, shop, sign_in, sts):
    sign_in.status = 400
    done = broker.ctl("console", "--print", cwd=shop, code=1)
    assert done.stderr.startswith("error: the AWS sign-in refuses these credentials (status 400)\n")
    assert "hint: leave out --for" in done.stderr and done.stdout == ""
    assert "/ is in no project" in broker.ctl("console", "--print", cwd="/", code=1).stderr
    environment = broker.client_environment() | {"PATH": "/nonexistent"}
    sign_in.status = 200
    done = broker.ctl("console", cwd=shop, env=environment, code=1)
    assert "no program to open a browser" in done.stderr and "hint: brokerctl console --print" in done.stderr
    log = broker.log.read_text()
    for secret in [TOKEN, TOKEN.rstrip("=+/"), *sts.secrets()]:
        assert secret not in log and secret[:30] not in log
    ways = [record["way"] for record in broker.audit() if record["event"] == "issue"]
    assert set(ways) == {"console"}


def test_keys_go_to_no_endpoint_in_clear(broker, place):
    place.catalog({"shop": {"dev": SHOP}})
    project = place.serverless("shop", app="shop")
    broker.environment |= {"BROKERD_FEDERATION_ENDPOINT": "http://signin.example/federation"}
    broker.start()
    broker.allow(project)
    done = broker.ctl("console", "--print", cwd=project, code=1)
    assert "BROKERD_FEDERATION_ENDPOINT must be an https URL" in done.stderr
