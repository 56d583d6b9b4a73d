"""boto3 by its own chain: which key it signs with, and where it found that. With --stay once for each line that it reads.

Each time in a new session, as a program that starts then would find it.
"""

import json
import os
import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError


def look():
    """One new session: what it found, and who AWS says it is."""
    said = {"pid": os.getpid(), "key": "", "method": "", "arn": "", "region": "", "error": ""}
    try:
        session = boto3.Session()
        said["region"] = session.region_name
        found = session.get_credentials()
        if found:
            said |= {"key": found.get_frozen_credentials().access_key, "method": found.method}
            said["arn"] = session.client("sts").get_caller_identity()["Arn"]
    except (BotoCoreError, ClientError) as error:
        said["error"] = str(error)
    return json.dumps(said)


if "--stay" in sys.argv:
    for _ in sys.stdin:
        print(look(), flush=True)
else:
    print(look(), flush=True)
