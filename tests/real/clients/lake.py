"""What data people use: one program for all the libraries of Python that read from S3, each by its own chain.

`lake.py LIBRARY BUCKET` reads the object `data.csv`, or what the library reads instead. Whoever started it looks at
the key that the request was signed with, so that an error here only matters to people.
"""

import os
import sys
from urllib.parse import urlsplit

SERVICE = os.environ["AWS_ENDPOINT_URL"]
REGION = os.environ["AWS_DEFAULT_REGION"]
# Where a library takes the metadata endpoint from its caller only.
METADATA = os.environ.get("METADATA") or None


def s3fs(bucket):
    """aiobotocore."""
    import s3fs

    print(s3fs.S3FileSystem(endpoint_url=SERVICE).cat(f"{bucket}/data.csv"))


def pyarrow(bucket):
    """The SDK for C++. Without credentials it sends unsigned requests, and says nothing."""
    from pyarrow import fs

    here = urlsplit(SERVICE)
    store = fs.S3FileSystem(endpoint_override=here.netloc, scheme=here.scheme, region=REGION)
    print(store.open_input_file(f"{bucket}/data.csv").read())


def polars(bucket):
    """Its own chain, which is botocore's where boto3 is installed."""
    import polars

    print(polars.scan_csv(f"s3://{bucket}/data.csv").collect())


def polars_options(bucket):
    """The chain of object_store, which it takes when it is given options."""
    import polars

    options = {"aws_endpoint_url": SERVICE, "aws_region": REGION, "aws_allow_http": "true"}
    if METADATA:
        options["aws_metadata_endpoint"] = METADATA
    print(polars.scan_csv(f"s3://{bucket}/data.csv", storage_options=options, credential_provider=None).collect())


def deltalake(bucket):
    """object_store in delta-rs."""
    import deltalake

    print(deltalake.DeltaTable.is_deltatable(f"s3://{bucket}/table"))


def obstore(bucket):
    """object_store by itself."""
    from obstore.store import S3Store

    store = S3Store(bucket, endpoint=SERVICE, region=REGION, client_options={"allow_http": True})
    print(bytes(store.get("data.csv").bytes()))


def opendal(bucket):
    """reqsign."""
    import opendal

    print(opendal.Operator("s3", bucket=bucket, region=REGION, endpoint=SERVICE).read("data.csv"))


def gdal(bucket):
    """The virtual file system of GDAL, which pyogrio brings along."""
    import pyogrio

    print(pyogrio.list_layers(f"/vsis3/{bucket}/data.csv"))


def minio(bucket):
    """minio-py."""
    from minio import Minio
    from minio.credentials import IamAwsProvider

    here = urlsplit(SERVICE)
    provider = IamAwsProvider(custom_endpoint=METADATA)
    client = Minio(here.netloc, secure=here.scheme == "https", region=REGION, credentials=provider)
    print(client.get_object(bucket, "data.csv").read())


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
