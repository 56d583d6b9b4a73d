"""AWS for the tests: moto, and a door in front of it that writes down who asked for what, and can fail.

STS above all; S3 for clients that speak nothing else. Each client may have a door of its own, so that every
request that comes through it is that client's.
"""

import enum
import http.client
import json
import re
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

CREDENTIAL = re.compile(r"Credential=([^/,]+)/")
# What a client reads from the headers of an object's answer.
OF_OBJECTS = ("ETag", "Last-Modified", "Content-Range", "Accept-Ranges", "x-amz-bucket-region")


EXPIRATION = re.compile(rb"<Expiration>([^<]+)</Expiration>")
TOO_SKEWED = (
    b'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
    b"<Code>SignatureDoesNotMatch</Code><Message>Signature expired: it is now earlier than the time minus 5 min.</Message>"
    b"</Error><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
)


class Failure(enum.Enum):
    """What STS says instead of giving a session: status, code, message."""

    ACCESS_DENIED = (403, "AccessDenied", "User is not authorized to perform: sts:AssumeRole")
    EXPIRED = (403, "ExpiredToken", "The security token included in the request is expired")
    THROTTLING = (400, "Throttling", "Rate exceeded")
    WRONG_CODE = (403, "AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code. ")
    TOO_LONG = (
        400,
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )
    CHAINED = (
        400,
        "ValidationError",
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
    )
    PACKED = (400, "PackedPolicyTooLarge", "Packed policy consumes 105% of allotted space, please use smaller policy.")
    SERVER_ERROR = (500, "InternalFailure", "The request processing has failed")
    DROPPED = (0, "", "")

    def body(self):
        """The error document of the query protocol."""
        _, code, message = self.value
        return (
            '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
            f"<Code>{code}</Code><Message>{message}</Message></Error>"
            "<RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
        ).encode()


@dataclass
class Call:
    """One request, as it came in."""

    method: str
    path: str
    action: str
    access_key: str
    role: str
    session_name: str = ""
    # When it was signed, and when it came by AWS's clock, in seconds.
    signed: float = 0.0
    aws: float = 0.0
    form: dict = field(default_factory=dict)


class Sts:
    """A door to moto: a log of calls, and the sessions that were given.

    `within` makes the listening socket elsewhere, such as in a network namespace; moto stays where it is.
    """

    def __init__(self, moto, within=lambda make: make()):
        self._moto = moto
        self._lock = threading.Lock()
        self._calls = []
        self._sessions = {}
        self._given = []
        self._failures = {}
        self._gates = {}
        # By how many seconds AWS's clock is ahead of this machine's. Signatures that are five minutes off are refused then,
        # and what is given lives by it.
        self.clock_off = 0
        # For how many seconds sessions live, if not for as long as was asked.
        self.life = None
        self._server = within(lambda: ThreadingHTTPServer(("127.0.0.1", 0), self._handler()))
        self._server.daemon_threads = True
        # Twenty clients at once must not wait for a retransmitted SYN.
        self._server.socket.listen(256)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self):
        """Lets go of whoever is held, and ends."""
        for gate in self._gates.values():
            gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def fail(self, role, failure):
        """From now on AssumeRole of this role fails so; None mends it."""
        with self._lock:
            self._failures[role] = failure

    def hold(self, role):
        """Calls for this role wait until the event that this returns is set."""
        gate = threading.Event()
        with self._lock:
            self._gates[role] = gate
        return gate

    def calls(self, action, role=None):
        """The calls of this action so far."""
        with self._lock:
            return [call for call in self._calls if call.action == action and role in (None, call.role)]

    def requests(self):
        """Every request so far, of any action or none."""
        with self._lock:
            return list(self._calls)

    def assumed(self, role=None):
        """The AssumeRole calls so far, those that failed included."""
        return self.calls("AssumeRole", role)

    def now(self):
        """AWS's clock."""
        return time.time() + self.clock_off

    def signed_at(self, role):
        """Of each AssumeRole call of a role when it was signed, and when it was by AWS's clock."""
        return [(call.signed, call.aws) for call in self.assumed(role)]

    def role_of(self, access_key):
        """Which role's session an access key belongs to; None for one that was not given here."""
        with self._lock:
            session = self._sessions.get(access_key)
        return session and session["role"]

    def given(self, action):
        """The access keys that an action without a role gave."""
        with self._lock:
            return [key for name, key in self._given if name == action]

    def secrets(self):
        """Every secret key and session token that was given."""
        with self._lock:
            sessions = list(self._sessions.values())
        return [session[part] for session in sessions for part in ("secret", "token")]

    def _note(self, call):
        with self._lock:
            self._calls.append(call)
            return self._failures.get(call.role), self._gates.get(call.role)

    def _note_session(self, call, answer):
        def part(name):
            found = re.search(f"<{name}>([^<]+)</{name}>", answer) or re.search(f'"{name}": *"([^"]+)"', answer)
            return found and found[1]

        key = part("AccessKeyId")
        if key and not call.role:
            with self._lock:
                self._given.append((call.action, key))
        if call.role and key:
            session = {"role": call.role, "secret": part("SecretAccessKey"), "token": part("SessionToken")}
            with self._lock:
                self._sessions[key] = session

    def _moved(self, found):
        """An end by moto's clock, by AWS's."""
        if self.life is not None:
            return f"<Expiration>{datetime.fromtimestamp(self.now() + self.life, timezone.utc):%Y-%m-%dT%H:%M:%SZ}</Expiration>".encode()
        end = datetime.strptime(found[1].decode()[:19], "%Y-%m-%dT%H:%M:%S").timestamp() + self.clock_off
        return f"<Expiration>{datetime.fromtimestamp(end):%Y-%m-%dT%H:%M:%SZ}</Expiration>".encode()

    def _handler(self):
        sts = self

        class Handler(BaseHTTPRequestHandler):
            """Writes down, then fails or forwards."""

            protocol_version = "HTTP/1.1"

            def date_time_string(self, timestamp=None):
                """The `Date` of each answer."""
                return formatdate(sts.now() if timestamp is None else timestamp, usegmt=True)

            def log_message(self, *_):
                """The log is for asserting, not for reading."""

            def do_POST(self):
                """The query protocol has nothing but POST; S3 has the other methods."""
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                call = read(self.command, self.path, self.headers, body)
                call.aws = sts.now()
                failure, gate = sts._note(call)
                if gate:
                    gate.wait(60)
                if failure is Failure.DROPPED:
                    self.close_connection = True
                    self.connection.close()
                elif sts.clock_off and abs(call.signed - call.aws) > 300:
                    self._answer(403, "text/xml", TOO_SKEWED)
                elif failure:
                    self._answer(failure.value[0], "text/xml", failure.body())
                else:
                    self._forward(call, body)

            do_GET = do_HEAD = do_PUT = do_DELETE = do_POST

            def _forward(self, call, body):
                connection = http.client.HTTPConnection("127.0.0.1", sts._moto.port, timeout=30)
                # Werkzeug routes by the Host header, so it stays as the client sent it.
                connection.request(self.command, self.path, body, dict(self.headers.items()))
                answer = connection.getresponse()
                text = answer.read()
                connection.close()
                if call.action.startswith(("AssumeRole", "GetSessionToken")):
                    sts._note_session(call, text.decode())
                    text = EXPIRATION.sub(sts._moved, text)
                more = {name: value for name in OF_OBJECTS if (value := answer.getheader(name))}
                length = answer.getheader("Content-Length") if self.command == "HEAD" else None
                self._answer(answer.status, answer.getheader("Content-Type", "text/xml"), text, length, more)

            def _answer(self, status, kind, body, length=None, more=None):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", length or str(len(body)))
                for name, value in (more or {}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        return Handler


def signed_time(headers):
    """When a request was signed."""
    date = headers.get("X-Amz-Date")
    return date and datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc).timestamp() or 0.0


def read(method, path, headers, body):
    """A call from its request."""
    text = body.decode() if method == "POST" else urlsplit(path).query
    form = {name: values[0] for name, values in parse_qs(text).items()}
    signed = CREDENTIAL.search(headers.get("Authorization", ""))
    return Call(
        method=method,
        path=path,
        action=form.get("Action", ""),
        access_key=signed[1] if signed else "",
        role=form.get("RoleArn", "").rpartition("/")[2],
        session_name=form.get("RoleSessionName", ""),
        signed=signed_time(headers),
        form=form,
    )


class Moto:
    """moto's server in a process of its own; it says its port when it serves."""

    PROGRAM = """
import json, sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(json.dumps({"port": server.get_host_and_port()[1]}), flush=True)
sys.stdin.read()
"""

    def __init__(self, person, python, cwd, env):
        with open(cwd / "moto.log", "w") as log:
            self._process = person.start([python, "-c", self.PROGRAM], cwd=cwd, env=env, stderr=log)
        line = self._process.stdout.readline()
        assert line, f"moto does not start: see {cwd}/moto.log"
        self.port = json.loads(line)["port"]

    def put(self, path, body=b""):
        """Makes a bucket or an object, by an unsigned request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("PUT", path, body)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        assert answer.status == 200, text

    def close(self):
        """It ends when its standard input does."""
        self._process.communicate(timeout=20)
