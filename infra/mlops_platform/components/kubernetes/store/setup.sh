#!/bin/sh
# Makes the store's buckets and, where it keeps them itself, its users. It may run any number of times: what is there
# already stays, and gets the settings of today.
#
# STORE_URL        the S3 API
# STORE_SECRETS    folder with the administrator's files `user` and `password`
# STORE_PLAN       folder with `buckets`, `lifecycle.json` and, for each user NAME, the policy `NAME.policy.json`
# STORE_USERS      folder with each user's password as a file of its name; not set: the store has a file of users
# STORE_AUTHORITY  file with the certificate authority of the store; not set: a public one, or no TLS
# STORE_SECONDS    how long to wait for the store
# MC_CONFIG_DIR    where the client may write
set -eu

fail() {
    echo "$1" >&2
    exit 1
}

command -v mc >/dev/null || fail "There is no program mc in this image: storeImage must bring MinIO's client too."
mkdir -p "$MC_CONFIG_DIR/certs/CAs"
if [ -n "${STORE_AUTHORITY:-}" ]; then
    cp "$STORE_AUTHORITY" "$MC_CONFIG_DIR/certs/CAs/store.crt"
fi
# By a variable: an argument would be seen in the list of processes.
MC_HOST_store="${STORE_URL%%://*}://$(cat "$STORE_SECRETS/user"):$(cat "$STORE_SECRETS/password")@${STORE_URL#*://}"
export MC_HOST_store

deadline=$(($(date +%s) + STORE_SECONDS))
until answer=$(mc ls store 2>&1); do
    [ "$(date +%s)" -lt "$deadline" ] || fail "$STORE_URL is not ready after $STORE_SECONDS s: $answer"
    sleep 2
done

while read -r bucket; do
    mc mb --ignore-existing "store/$bucket"
    mc version enable "store/$bucket"
    mc ilm rule import "store/$bucket" <"$STORE_PLAN/lifecycle.json"
done <"$STORE_PLAN/buckets"

[ -n "${STORE_USERS:-}" ] || exit 0
for file in "$STORE_PLAN"/*.policy.json; do
    name=${file##*/}
    name=${name%.policy.json}
    mc admin policy create store "$name" "$file"
    # It reads both from its input: an argument would be seen, as above.
    printf '%s\n%s\n' "$name" "$(cat "$STORE_USERS/$name")" | mc admin user add store
    mc admin policy attach store "$name" --user "$name"
done
