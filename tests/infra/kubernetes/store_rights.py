"""What each of the store's consumers may do, and what not: a row is who, the call, the bucket, the key, the answer."""

RIGHTS = [
    row.split()
    for row in """
project     get      data       seen                yes
project     put      data       new                 yes
project     delete   data       new                 yes
project     list     data       -                   yes
project     upload   data       big                 yes
project     put      artifacts  other/new           yes
project     get      artifacts  images/seen         yes
project     put      artifacts  images/new          no
project     delete   artifacts  images/seen         no
project     erase    data       seen                no
project     suspend  data       -                   no
project     open     data       -                   no
project     keep     data       -                   no
project     unmake   data       -                   no
project     make     another    -                   no
pipelines   get      data       seen                yes
pipelines   list     data       -                   yes
pipelines   put      data       new                 no
pipelines   delete   data       seen                no
pipelines   head     artifacts  -                   yes
pipelines   put      artifacts  v2/artifacts/new    yes
pipelines   delete   artifacts  v2/artifacts/new    yes
pipelines   put      artifacts  registry/new        yes
pipelines   put      artifacts  images/new          no
pipelines   erase    artifacts  other/seen          no
tracking    put      artifacts  mlflow/1/new        yes
tracking    upload   artifacts  mlflow/1/big        yes
tracking    get      artifacts  mlflow/seen         yes
tracking    delete   artifacts  mlflow/1/new        yes
tracking    list     artifacts  mlflow/             yes
tracking    list     artifacts  mlflow              yes
tracking    list     artifacts  -                   no
tracking    list     artifacts  predictions/        no
tracking    get      artifacts  predictions/seen    no
tracking    put      artifacts  mlflow-2/new        no
tracking    get      data       seen                no
tracking    list     data       -                   no
service     get      artifacts  registry/seen       yes
service     list     artifacts  registry/           yes
service     put      artifacts  registry/new        no
service     put      artifacts  predictions/new     yes
service     upload   artifacts  predictions/big     yes
service     get      artifacts  predictions/seen    no
service     delete   artifacts  predictions/seen    no
service     list     artifacts  predictions/        no
service     get      artifacts  mlflow/seen         no
service     get      data       seen                no
monitoring  get      artifacts  predictions/seen    yes
monitoring  list     artifacts  predictions/        yes
monitoring  put      artifacts  predictions/new     no
monitoring  get      artifacts  registry/seen       yes
monitoring  put      artifacts  registry/new        no
monitoring  put      artifacts  monitoring/new      yes
monitoring  get      artifacts  monitoring/seen     yes
monitoring  delete   artifacts  monitoring/seen     no
monitoring  get      data       seen                no
registry    put      artifacts  images/new          yes
registry    get      artifacts  images/seen         yes
registry    list     artifacts  images/             yes
registry    delete   artifacts  images/new          yes
registry    get      artifacts  other/seen          no
registry    put      artifacts  other/new           no
registry    list     artifacts  -                   no
nobody      get      data       seen                no
nobody      list     data       -                   no
impostor    get      data       seen                no
""".strip().splitlines()
]
# What is there before, put by the administrator.
SEEN = {
    "data": ["seen"],
    "artifacts": [
        f"{folder}/seen" for folder in ("other", "images", "registry", "mlflow", "predictions", "monitoring")
    ],
}


def ask(client, call, bucket, key):
    """Make the call; a key of `-` is none."""
    key = "" if key == "-" else key
    if call == "get":
        client.get_object(Bucket=bucket, Key=key)
    elif call == "put":
        client.put_object(Bucket=bucket, Key=key, Body=b"new")
    elif call == "delete":
        client.delete_object(Bucket=bucket, Key=key)
    elif call == "list":
        client.list_objects_v2(Bucket=bucket, **({"Prefix": key} if key else {}))
    elif call == "head":
        client.head_bucket(Bucket=bucket)
    elif call == "upload":
        _upload(client, bucket, key)
    else:
        _administrate(client, call, bucket, key)


def _upload(client, bucket, key):
    """In parts, as large files are sent, after a first try that is given up."""
    given_up = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=given_up)
    upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    part = client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"part")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    client.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload=parts)


def _administrate(client, call, bucket, key):
    if call == "erase":  # an old version: what a thief would do after `delete`
        versions = client.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
        client.delete_object(Bucket=bucket, Key=key, VersionId=versions[0]["VersionId"])
    elif call == "suspend":
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    elif call == "open":
        everyone = f'{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::{bucket}/*"}}'
        client.put_bucket_policy(Bucket=bucket, Policy=f'{{"Version":"2012-10-17","Statement":[{everyone}]}}')
    elif call == "keep":
        client.delete_bucket_lifecycle(Bucket=bucket)
    elif call == "unmake":
        client.delete_bucket(Bucket=bucket)
    elif call == "make":
        client.create_bucket(Bucket=bucket)
    else:
        raise ValueError(call)
