"""Does what it is told, a line of JSON each, and says what came of it: a process that a test moves about.

`{"go": DIRECTORY}` changes the directory, `{"method": …, "path": …, "headers": {…}}` asks the endpoint.
"""

import http.client
import json
import os
import sys
from urllib.parse import urlsplit


def main():
    """Until its standard input ends."""
    address = urlsplit(os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"])
    print(json.dumps({"pid": os.getpid()}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        if "go" in order:
            os.chdir(order["go"])
            print(json.dumps({}), flush=True)
            continue
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
        try:
            connection.request(order["method"], order["path"], headers=order["headers"])
            answer = connection.getresponse()
            said = {"status": answer.status, "body": answer.read().decode(), "headers": dict(answer.getheaders())}
        except (OSError, http.client.HTTPException) as error:
            said = {"status": 0, "body": "", "error": repr(error)}
        finally:
            connection.close()
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
