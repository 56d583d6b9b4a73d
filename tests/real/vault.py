"""Parameter Store and Secrets Manager for the tests: moto, and a door in front of it that writes down what is asked, and
can fail as AWS does.
"""

import http.client
import json
import re
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3

from place import REGION

CREDENTIAL = re.compile(r"Credential=([^/,]+)/")
# What AWS says: status, code, message. `DROPPED` is a connection that ends.
KMS_DENIED = (400, "AccessDeniedException", "Access to KMS is not allowed")
THROTTLED = (400, "ThrottlingException", "Rate exceeded")
BROKEN = (500, "InternalServiceError", "An error occurred on the server side.")
DROPPED = (0, "", "")


@dataclass
class Call:
    """One request, as it came in."""

    action: str
    access_key: str
    asked: dict


class Vault:
    """A door to moto for these two services."""

    def __init__(self, moto, role):
        self._moto, self._lock = moto, threading.Lock()
        self._calls, self._faults = [], []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        direct = f"http://127.0.0.1:{moto.port}"
        base = {"region_name": REGION, "endpoint_url": direct}
        sts = boto3.client("sts", aws_access_key_id="a", aws_secret_access_key="b", **base)
        given = sts.assume_role(RoleArn=role.arn, RoleSessionName="tests")["Credentials"]
        keys = {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }
        # What the tests put there, they put into moto itself.
        self.ssm = boto3.client("ssm", **keys, **base)
        self.secrets = boto3.client("secretsmanager", **keys, **base)

    def environment(self):
        """What brokerd must know."""
        return {"AWS_ENDPOINT_URL_SSM": self.url, "AWS_ENDPOINT_URL_SECRETS_MANAGER": self.url}

    def close(self):
        """Ends."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def fail(self, what, fault):
        """From now on calls that name this fail so; an empty text is in every one. None mends it."""
        with self._lock:
            self._faults = [known for known in self._faults if known[0] != what]
            if fault:
                self._faults.append((what, fault))

    def calls(self, action=None):
        """The calls so far."""
        with self._lock:
            return [call for call in self._calls if action in (None, call.action)]

    def _fault(self, action, text):
        with self._lock:
            return next((fault for what, fault in self._faults if what in text or what == action), None)

    def _handler(self):
        vault = self

        class Handler(BaseHTTPRequestHandler):
            """Writes down, then fails or forwards."""

            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                """The log is for asserting, not for reading."""

            def do_POST(self):
                """Both speak JSON by POST."""
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                action = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
                signed = CREDENTIAL.search(self.headers.get("Authorization", ""))
                with vault._lock:
                    vault._calls.append(Call(action, signed[1] if signed else "", json.loads(body)))
                fault = vault._fault(action, body.decode())
                if fault is DROPPED:
                    self.close_connection = True
                    self.connection.close()
                elif fault:
                    status, code, message = fault
                    self._answer(status, json.dumps({"__type": code, "message": message}).encode())
                else:
                    connection = http.client.HTTPConnection("127.0.0.1", vault._moto.port, timeout=30)
                    connection.request("POST", self.path, body, dict(self.headers.items()))
                    answer = connection.getresponse()
                    self._answer(answer.status, answer.read())
                    connection.close()

            def _answer(self, status, body):
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler
