#!/bin/sh
# Sets the number of workers. To set the same number again changes nothing, so it
# does not matter that a tick may be run twice. This one writes a file: in its place,
# kubectl scale deployment/worker --replicas="$WORKERS", or what you have.
set -eu
echo "$WORKERS" >"${WORKERS_FILE:-${TMPDIR:-/tmp}/workers}"
echo "$WORKERS workers"
