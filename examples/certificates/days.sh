#!/bin/sh
# Prints for how many more days the certificates of hosts are valid, as JSON. A
# host that does not answer ends it with an error. $CONNECT, if set, is asked for
# all of them, in place of port 443 of each.
set -eu
separator='['
for host; do
	if ! dates=$(timeout 10 openssl s_client -connect "${CONNECT:-$host:443}" -servername "$host" </dev/null 2>/dev/null |
		openssl x509 -noout -enddate 2>/dev/null); then
		echo "$host shows no certificate" >&2
		exit 1
	fi
	days=$((($(date -d "${dates#notAfter=}" +%s) - $(date +%s)) / 86400))
	printf '%s{"host":"%s","days":%d}' "$separator" "$host" "$days"
	separator=', '
done
echo ']'
