"""brokerd never feeds on a metadata service or a container endpoint: it would ask itself."""

import http.server
import socket
import threading

import pytest

from place import Role

SHOP = Role("shop-deploy")


@pytest.fixture
def decoy():
    """A server that would give base credentials to whoever asks, and counts."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        """Gives anything to anybody."""

        def log_message(self, *_):
            """The count is enough."""

        def answer(self):
            """A document with keys, whatever was asked."""
            asked.append(f"{self.command} {self.path}")
            body = b'{"Code":"Success","AccessKeyId":"AKIADECOY","SecretAccessKey":"x","Token":"y",'
            body += b'"Expiration":"2099-01-01T00:00:00Z"}'
            self.send_response(200)
            self.send_header("X-aws-ec2-metadata-token-ttl-seconds", "21600")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = answer

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    server.asked = asked
    server.url = f"http://127.0.0.1:{server.server_address[1]}/"
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def free_port():
    """A port that was free a moment ago: the daemon must know its own before it starts."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


def gives_up(broker, project, sts):
    """A client of a broker without base credentials gets none, and is told why."""
    answer = broker.ask(project)
    assert (answer.list_status, answer.status, answer.access_key) == (200, 403, "")
    assert broker.refused(answer.pid)[-1]["why"]["error"] == "no-base-credentials"
    assert "no base credentials" in broker.sentences()
    assert sts.assumed() == []


def test_its_own_endpoint_in_its_environment(broker, place, sts):
    port = free_port()
    own = f"http://127.0.0.1:{port}/"
    place.settings(f'listen = ["127.0.0.1:{port}"]\n')
    broker.environment |= {
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": own,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{own}container/shop/dev",
    }
    (place.home / ".aws/credentials").unlink()
    place.catalog({"shop": {"*": SHOP}}, source=None)
    shop = place.serverless("shop", app="shop")
    broker.start()
    assert broker.endpoint == own
    broker.allow(shop)
    before = broker.status()
    gives_up(broker, shop, sts)
    after = broker.status()
    # One refusal: the client's. Had the daemon asked itself, it would have refused or counted itself too.
    assert after["refusals"] == before["refusals"] + 1
    assert after["imds_v1"]["requests"] == 0 and after["issues"] == 0
    assert all(record["caller"]["pid"] != after["pid"] for record in broker.refusals())


@pytest.mark.parametrize("origin", ["environment", "profile", "region"])
def test_a_metadata_service_that_would_give_keys_is_never_asked(broker, place, sts, decoy, origin):
    broker.environment |= {"AWS_EC2_METADATA_SERVICE_ENDPOINT": decoy.url}
    broker.environment.pop("AWS_REGION" if origin == "region" else "", None)
    (place.home / ".aws/credentials").unlink()
    if origin == "profile":
        text = "[work]\nrole_arn = arn:aws:iam::111111111111:role/x\ncredential_source = Ec2InstanceMetadata\n"
        place.write("home/.aws/credentials", text, mode=0o600)
    else:
        broker.environment |= {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{decoy.url}keys"}
    place.catalog({"shop": {"*": SHOP}}, source="work" if origin == "profile" else None)
    shop = place.serverless("shop", app="shop")
    broker.start()
    broker.allow(shop)
    gives_up(broker, shop, sts)
    assert decoy.asked == []
