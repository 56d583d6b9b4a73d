"""One table of what EC2's metadata service answers, run against brokerd and against moto's imitation of it.

Where the two differ from the table is written down here and in docs/endpoint.md: what is not, is a failure.
"""

import http.client
import re
from dataclasses import dataclass, field

import pytest

from place import REGION, Role
from puppet import ROLES, TOKEN, TTL, Puppet

SHOP = Role("shop-deploy")
META = "/latest/meta-data"
DOCUMENT = r"""\{
  "Code" : "Success",
  "LastUpdated" : "TIME",
  "Type" : "AWS-HMAC",
  "AccessKeyId" : "A[A-Z0-9]+",
  "SecretAccessKey" : "[^"]+",
  "Token" : "[^"]+",
  "Expiration" : "TIME"
\}""".replace("TIME", r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
INFO = r"""\{
  "Code" : "Success",
  "LastUpdated" : "[0-9T:-]+Z",
  "InstanceProfileArn" : "arn:aws:iam::[0-9]{12}:instance-profile/[^"]+",
  "InstanceProfileId" : "[^"]+"
\}"""
PAGE = r"(?s)<\?xml .*<html xmlns=.*<h1>STATUS - [A-Za-z ]+</h1>.*</html>\n"


@dataclass(frozen=True)
class Row:
    """A request, and what EC2 answers (EC2 user guide, "Use the Instance Metadata Service"; its answers as recorded)."""

    name: str
    method: str
    path: str
    status: int
    body: str = ".*"
    sends: dict = field(default_factory=dict)
    has: dict = field(default_factory=dict)


WITH = {TOKEN: "{token}"}


def rows():
    """The table. `{role}` is the name that the role list gave."""
    plain = {"content-type": "text/plain.*"}
    good = {
        "the role list": (ROLES, "[A-Za-z0-9_.-]+"),
        "the role list without its slash": (ROLES.rstrip("/"), "[A-Za-z0-9_.-]+"),
        "the credentials": (f"{ROLES}{{role}}", DOCUMENT),
        "iam/info": (f"{META}/iam/info", INFO),
        "the region": (f"{META}/placement/region", "[a-z]+-[a-z]+-[0-9]"),
        "the zone": (f"{META}/placement/availability-zone", "[a-z]+-[a-z]+-[0-9][a-z]"),
        "the zone with a slash": (f"{META}/placement/availability-zone/", "[a-z]+-[a-z]+-[0-9][a-z]"),
        "instance-id": (f"{META}/instance-id", "i-[A-Za-z0-9-]+"),
        "services/domain": (f"{META}/services/domain", "amazonaws[.]com"),
        "services/partition": (f"{META}/services/partition", "aws"),
        "the identity document": ("/latest/dynamic/instance-identity/document", r"(?s)\{\n.*  \"region\" : \".*\n\}"),
        "the versions": ("/", "(?s)1[.]0\n.*\nlatest"),
        "the top of a version": ("/latest/", "dynamic\nmeta-data(\nuser-data)?"),
        "the categories": (f"{META}/", "(?s).*iam/\n(.*\n)?placement/.*"),
        "the listing of iam": (f"{META}/iam/", "info\nsecurity-credentials/(\n.+)*"),
        "a dated version": ("/2021-07-15/meta-data/instance-id", "i-[A-Za-z0-9-]+"),
    }
    for name, (path, body) in good.items():
        yield Row(name, "GET", path, 200, body, WITH, plain)
    yield Row("HEAD", "HEAD", ROLES, 200, "", WITH, plain | {"content-length": "[1-9][0-9]*"})
    token = "/latest/api/token"
    yield Row("a token", "PUT", token, 200, "[!-~]{20,}", {TTL: "60"}, plain | {TTL.lower(): "60"})
    yield Row("the longest token", "PUT", token, 200, "[!-~]{20,}", {TTL: "21600"}, {TTL.lower(): "21600"})
    page = {"content-type": "text/html.*"}
    for name, sends in {
        "a token without a time": {},
        "a token for no time": {TTL: "0"},
        "a token for too long": {TTL: "21601"},
        "a token for a word": {TTL: "long"},
    }.items():
        yield Row(name, "PUT", token, 400, PAGE, sends, page)
    for method in ("GET", "POST", "DELETE"):
        yield Row(f"a token by {method}", method, token, 405, PAGE, {TTL: "60"} | WITH, {"allow": ".*PUT.*"})
    for name, sends in {"no token": {}, "an empty token": {TOKEN: ""}, "a made-up token": {TOKEN: "x" * 56}}.items():
        yield Row(name, "GET", ROLES, 401, PAGE, sends, page)
        yield Row(f"{name}, for the categories", "GET", f"{META}/", 401, PAGE, sends, page)
    yield Row("another role", "GET", f"{ROLES}another-role", 404, PAGE, WITH, page)
    yield Row("no such category", "GET", f"{META}/nothing", 404, PAGE, WITH, page)
    yield Row("another method", "POST", ROLES, 405, PAGE, WITH, {"allow": ".*GET.*"})


def differences(row, answer):
    """How an answer differs from the table's, in words."""
    found = []
    if answer["status"] != row.status:
        found.append(f"status {answer['status']}, not {row.status}")
    headers = {name.lower(): value for name, value in answer["headers"].items()}
    for name, form in (row.has | {"server": "EC2ws"}).items():
        if not re.fullmatch(form, headers.get(name, "")):
            found.append(f"header {name}")
    body = row.body.replace("STATUS", str(row.status))
    if answer["status"] == row.status and not re.fullmatch(body, answer["body"]):
        found.append("body")
    return found


def run(ask):
    """The table against a server: the rows that differ, each with how."""
    token = ask("PUT", "/latest/api/token", {TTL: "21600"})["body"]
    role = ask("GET", ROLES, {TOKEN: token})["body"]
    found = {}
    for row in rows():
        sends = {name: value.replace("{token}", token) for name, value in row.sends.items()}
        differs = differences(row, ask(row.method, row.path.replace("{role}", role), sends))
        if differs:
            found[row.name] = differs
    return found


def test_brokerd_answers_as_the_table_says(broker, place):
    place.catalog({"shop": {"*": SHOP}})
    shop = place.serverless("shop", app="shop")
    broker.start()
    broker.allow(shop)
    assert broker.ask(shop).role == SHOP.name
    with Puppet.of(broker, shop) as puppet:
        assert run(puppet.answer) == {}
        token = puppet.token()
        assert puppet.get(f"{META}/placement/region", token) == (200, REGION)
        # Extended credentials are of no version that EC2 documents, so they are no row.
        status, body = puppet.get(f"{META}/iam/security-credentials-extended/shop.dev", token)
        assert status == 200 and f'"AccountId" : "{SHOP.account}"' in body


def test_status_says_who_asks_without_a_token(broker, place):
    place.catalog({"shop": {"*": SHOP}})
    broker.start()
    with Puppet.of(broker, place.serverless("shop", app="shop")) as puppet:
        program = puppet.program()
        assert [puppet.ask("GET", ROLES)[0] for _ in range(2)] == [401, 401]
    assert broker.status()["imds_v1"]["clients"] == [{"program": program, "requests": 2}]
    assert f"IMDSv1 is off; requests without a token: 2 ({program} 2)" in broker.ctl("status").stdout


def test_moto_differs_from_the_table_where_it_is_known_to(moto):
    def ask(method, path, headers):
        connection = http.client.HTTPConnection("127.0.0.1", moto.port, timeout=30)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return {"status": answer.status, "body": answer.read().decode(), "headers": dict(answer.getheaders())}
        finally:
            connection.close()

    found = run(ask)
    assert all("header server" in differs for differs in found.values()) and len(found) == len(list(rows()))
    bodies = {name: [one for one in differs if not one.startswith("header")] for name, differs in found.items()}
    assert {name: differs for name, differs in bodies.items() if differs} == MOTO


# What moto is not: it checks no token and no time, has no identity document, no iam/info, no listings, no 401 and 404.
MOTO = {
    "the role list without its slash": ["status 500, not 200"],
    "the credentials": ["body"],
    "iam/info": ["status 500, not 200"],
    "the zone with a slash": ["status 500, not 200"],
    "services/domain": ["status 500, not 200"],
    "services/partition": ["status 500, not 200"],
    "the identity document": ["status 404, not 200"],
    "the versions": ["body"],
    "the top of a version": ["status 404, not 200"],
    "the categories": ["body"],
    "the listing of iam": ["status 500, not 200"],
    "a dated version": ["status 404, not 200"],
    "a token": ["body"],
    "the longest token": ["body"],
    "a token without a time": ["status 200, not 400"],
    "a token for no time": ["status 200, not 400"],
    "a token for too long": ["status 200, not 400"],
    "a token for a word": ["status 200, not 400"],
    "a token by GET": ["status 200, not 405"],
    "a token by POST": ["status 200, not 405"],
    "a token by DELETE": ["status 200, not 405"],
    "no token": ["status 200, not 401"],
    "no token, for the categories": ["status 200, not 401"],
    "an empty token": ["status 200, not 401"],
    "an empty token, for the categories": ["status 200, not 401"],
    "a made-up token": ["status 200, not 401"],
    "a made-up token, for the categories": ["status 200, not 401"],
    "another role": ["status 500, not 404"],
    "no such category": ["status 500, not 404"],
    "another method": ["status 200, not 405"],
}
