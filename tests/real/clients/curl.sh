#!/bin/sh
# The protocol by hand, as the documentation of EC2 shows it: a token, the role's name, its credentials; or the
# document of a container. Then a request signed with them.
set -eu
endpoint=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254/}
fetch() { curl --silent --show-error --fail --max-time 20 "$@"; }
if [ -n "${AWS_CONTAINER_CREDENTIALS_FULL_URI:-}" ]; then
    document=$(fetch --header "Authorization: $AWS_CONTAINER_AUTHORIZATION_TOKEN" "$AWS_CONTAINER_CREDENTIALS_FULL_URI")
else
    token=$(fetch --request PUT --header 'X-aws-ec2-metadata-token-ttl-seconds: 60' "${endpoint}latest/api/token")
    get() { fetch --header "X-aws-ec2-metadata-token: $token" "${endpoint}latest/meta-data/iam/security-credentials/$1"; }
    name=$(get '')
    document=$(get "$name")
fi
field() { printf '%s' "$document" | tr ',{}' '\n\n\n' | sed -n "s/^ *\"$1\" *: *\"\([^\"]*\)\".*/\1/p"; }
fetch --aws-sigv4 "aws:amz:$AWS_DEFAULT_REGION:sts" --user "$(field AccessKeyId):$(field SecretAccessKey)" \
    --header "X-Amz-Security-Token: $(field Token)" --data 'Action=GetCallerIdentity&Version=2011-06-15' "$AWS_ENDPOINT_URL/"
