"""boto3 as a tool uses it: whatever credentials its own chain finds. Says who it is for AWS.

It waits for a line when everything is loaded, so that many of them ask in the same moment.
"""

import json
import sys

import boto3
from botocore.exceptions import NoCredentialsError

client = boto3.client("sts")
print("ready", flush=True)
sys.stdin.readline()
try:
    print(json.dumps({"arn": client.get_caller_identity()["Arn"]}), flush=True)
except NoCredentialsError:
    print(json.dumps({"arn": None}), flush=True)
