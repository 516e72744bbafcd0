#!/usr/bin/env bash
# What people run from cron today, without rotatord: rotate one token, bring it to
# every place, stop at the first trouble. It journals nothing and retries nothing.
#
#   cron-rotate.sh PLACE…     PLACE is file, vault or aws
#
# API, API_TOKEN, ACCOUNT, RELAY and TYPE say what is rotated; FILE, VAULT_ADDR,
# VAULT_TOKEN and AWS_ENDPOINT (with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
# AWS_REGION) where it goes. On success the blackout is printed in microseconds.
set -euo pipefail

micros() { local t=$EPOCHREALTIME; echo "${t/[.,]/}"; }

to_file() {
	local temp
	temp=$(mktemp "$FILE.XXXXXX")
	printf %s "$1" >"$temp"
	chmod 0640 "$temp"
	sync "$temp"
	mv "$temp" "$FILE"
}

to_vault() {
	jq -n --arg token "$1" '{data: {token: $token}}' |
		curl -fsS -o /dev/null -X POST -H "X-Vault-Token: $VAULT_TOKEN" -d @- \
			"$VAULT_ADDR/v1/secret/data/moq/$RELAY/$TYPE"
}

to_aws() {
	jq -n --arg id "moq/$RELAY/$TYPE" --arg token "$1" --arg once "$(cat /proc/sys/kernel/random/uuid)" \
		'{SecretId: $id, SecretString: $token, ClientRequestToken: $once}' |
		curl -fsS -o /dev/null --aws-sigv4 "aws:amz:$AWS_REGION:secretsmanager" \
			--user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
			-H 'Content-Type: application/x-amz-json-1.1' -H 'X-Amz-Target: secretsmanager.PutSecretValue' \
			-d @- "$AWS_ENDPOINT"
}

began=$(micros)
token=$(curl -fsS -X POST -H "Authorization: Bearer $API_TOKEN" -H 'Content-Type: application/json' \
	-d "{\"type\": \"$TYPE\"}" "$API/accounts/$ACCOUNT/moq/relays/$RELAY/tokens/rotate" |
	jq -er 'if .success then .result.token else error(.errors | tostring) end')
for place in "$@"; do
	"to_$place" "$token"
done
echo $(($(micros) - began))
