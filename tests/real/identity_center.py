"""A stand-in of IAM Identity Center: SSO OIDC and the portal, in their real wire format (restJson1), with faults.

The person who logs in is the test: `approve` is the button on the page.
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

START_URL = "https://acme.awsapps.com/start"
REGION = "eu-west-1"
SESSION = f"""
[sso-session corp]
sso_start_url = {START_URL}
sso_region = {REGION}
sso_registration_scopes = sso:account:access
"""
SECRETS = ("clientSecretMarked", "accessTokenMarked", "refreshTokenMarked", "ssoKeyMarked", "ssoTokenMarked")


def profile(name, role="Deploy", session="corp"):
    """A profile of ~/.aws/config that signs with a role of the Identity Center."""
    return f"[profile {name}]\nsso_session = {session}\nsso_account_id = 999999999999\nsso_role_name = {role}\n"


def legacy(name, role="Deploy"):
    """The same in the form without a session."""
    where = f"sso_start_url = {START_URL}\nsso_region = {REGION}\n"
    return f"[profile {name}]\n{where}sso_account_id = 999999999999\nsso_role_name = {role}\n"


class IdentityCenter:
    """The servers of one Identity Center."""

    def __init__(self):
        self._lock = threading.Lock()
        self._numbers = iter(range(1, 1_000_000))
        self.calls = []
        self.clients, self.devices, self.codes = {}, {}, {}
        self.refresh_tokens, self.access_tokens = {}, {}
        # What a token lives, in seconds.
        self.lifetime = 3600
        # Answers that come before the ordinary ones, by operation: an error's name, 500, or "drop".
        self.faults = {}
        self.knows_browsers = True
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self):
        """Ends it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def environment(self):
        """What leads the SDK here."""
        return {"AWS_ENDPOINT_URL_SSO": self.url, "AWS_ENDPOINT_URL_SSO_OIDC": self.url}

    def approve(self, user_code):
        """A person types this code on the page and says yes."""
        with self._lock:
            [device] = [device for device in self.devices.values() if device["user_code"] == user_code]
            device["state"] = "approved"

    def count(self, operation):
        """How often an operation was asked for."""
        return len(self.of(operation))

    def of(self, operation):
        """The calls of an operation: what each sent."""
        with self._lock:
            return [sent for name, sent in self.calls if name == operation]

    def renewals(self, count):
        """The renewals of tokens, once there are so many."""
        deadline = time.monotonic() + 60
        while len(found := [sent for sent in self.of("token") if sent["grantType"] == "refresh_token"]) < count:
            assert time.monotonic() < deadline, f"there were {len(found)} renewals"
            time.sleep(0.02)
        return found

    def end_sessions(self):
        """An administrator ends everybody's sessions."""
        with self._lock:
            self.refresh_tokens.clear()
            self.access_tokens.clear()

    def _token(self, client, renewable):
        number = next(self._numbers)
        access = f"accessTokenMarked{number}"
        self.access_tokens[access] = time.time() + self.lifetime
        answer = {"accessToken": access, "tokenType": "Bearer", "expiresIn": self.lifetime}
        if renewable:
            refresh = f"refreshTokenMarked{number}"
            self.refresh_tokens[refresh] = client
            answer["refreshToken"] = refresh
        return 200, answer

    def _next_fault(self, operation):
        queue = self.faults.get(operation, [])
        return queue.pop(0) if queue else None

    # What each operation answers: status, body.

    def register(self, sent):
        """RegisterClient."""
        if "authorization_code" in sent.get("grantTypes", []) and not self.knows_browsers:
            return 400, "UnsupportedGrantTypeException"
        number = next(self._numbers)
        self.clients[f"client{number}"] = sent
        secret = f"clientSecretMarked{number}"
        ends = int(time.time()) + 90 * 86400
        return 200, {"clientId": f"client{number}", "clientSecret": secret, "clientIdIssuedAt": 1, "clientSecretExpiresAt": ends}

    def device(self, sent):
        """StartDeviceAuthorization."""
        if sent["clientId"] not in self.clients:
            return 401, "InvalidClientException"
        number = next(self._numbers)
        code, user_code = f"device{number}", f"ABCD-{number:04}"
        self.devices[code] = {"user_code": user_code, "state": "pending"}
        page = f"{self.url}/device"
        return 200, {
            "deviceCode": code, "userCode": user_code, "verificationUri": page,
            "verificationUriComplete": f"{page}?user_code={user_code}", "expiresIn": 600, "interval": 1,
        }

    def token(self, sent):
        """CreateToken."""
        client = self.clients.get(sent.get("clientId"))
        if client is None:
            return 401, "InvalidClientException"
        grant = sent["grantType"]
        if grant == "urn:ietf:params:oauth:grant-type:device_code":
            device = self.devices.get(sent.get("deviceCode"))
            if device is None:
                return 400, "InvalidGrantException"
            if device["state"] != "approved":
                return 400, "AuthorizationPendingException"
            return self._token(sent["clientId"], bool(client.get("scopes")))
        if grant == "authorization_code":
            page = self.codes.pop(sent.get("code"), None)
            proof = page and proves(page["code_challenge"], sent.get("codeVerifier", ""))
            if not proof or page["redirect_uri"] != sent.get("redirectUri"):
                return 400, "InvalidGrantException"
            return self._token(sent["clientId"], True)
        # A refresh token is good once.
        if self.refresh_tokens.pop(sent.get("refreshToken"), None) != sent["clientId"]:
            return 400, "InvalidGrantException"
        return self._token(sent["clientId"], True)

    def credentials(self, query, bearer):
        """GetRoleCredentials of the portal."""
        if self.access_tokens.get(bearer, 0) < time.time():
            return 401, "UnauthorizedException"
        if query["role_name"] == "Forbidden":
            return 403, "ForbiddenException"
        number = next(self._numbers)
        return 200, {
            "roleCredentials": {
                "accessKeyId": f"ASIASSO{number:09}", "secretAccessKey": f"ssoKeyMarked{number}",
                "sessionToken": f"ssoTokenMarked{number}", "expiration": int((time.time() + 3600) * 1000),
            }
        }

    def _handler(self):
        center = self

        class Handler(BaseHTTPRequestHandler):
            """Writes down, then fails or answers."""

            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                """The calls are for asserting, not for reading."""

            def do_POST(self):
                """OIDC."""
                sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                name = {"/client/register": "register", "/device_authorization": "device", "/token": "token"}[self.path]
                self._carry_out(name, sent, lambda: getattr(center, name)(sent))

            def do_GET(self):
                """The portal, and the page that a browser sees."""
                url = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(url.query).items()}
                if url.path == "/authorize":
                    return self._authorize(query)
                bearer = self.headers.get("x-amz-sso_bearer_token")
                return self._carry_out("credentials", query, lambda: center.credentials(query, bearer))

            def _carry_out(self, name, sent, answer):
                with center._lock:
                    center.calls.append((name, sent))
                    fault = center._next_fault(name)
                    status, body = (500, "InternalServerException") if fault == 500 else (400, fault) if fault else answer()
                if fault == "drop":
                    self.close_connection = True
                    self.connection.close()
                    return
                headers = {}
                if isinstance(body, str):
                    headers["x-amzn-ErrorType"] = body
                    body = {"error": body, "error_description": "as the test wants it", "message": "as the test wants it"}
                self._answer(status, json.dumps(body).encode(), headers)

            def _authorize(self, query):
                """The person is logged in already and agrees: the browser goes back at once."""
                with center._lock:
                    center.calls.append(("authorize", query))
                    code = f"code{next(center._numbers)}"
                    center.codes[code] = query
                    fault = center._next_fault("authorize")
                back = {"error": fault, "state": query["state"]} if fault else {"code": code, "state": query["state"]}
                self._answer(302, b"", {"Location": f"{query['redirect_uri']}?{urlencode(back)}"})

            def _answer(self, status, body, headers):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                for header, value in headers.items():
                    self.send_header(header, value)
                self.end_headers()
                self.wfile.write(body)

        return Handler


def proves(challenge, verifier):
    """RFC 7636, section 4.6."""
    import base64
    import hashlib

    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == challenge
