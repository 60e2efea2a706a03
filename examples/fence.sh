#!/bin/sh
# fence.sh FILE COMMAND ARG... runs a command under a lock, unless a run with a
# greater fence was there before. FILE, beside what the command changes, holds the
# greatest fence so far. So a run that was frozen past its claim, while another
# agent took its tick over, is refused when it wakes.
set -eu
file=$1
shift
if [ -z "${SOLOTICK_FENCE:-}" ]; then
	echo "fence.sh: this run has no fence: nobody has granted it" >&2
	exit 1
fi
exec 9>>"$file.lock"
flock 9
greatest=$(cat "$file" 2>/dev/null || echo 0)
if [ "$SOLOTICK_FENCE" -lt "$greatest" ]; then
	echo "fence.sh: fence $SOLOTICK_FENCE is stale: $greatest was here" >&2
	exit 1
fi
echo "$SOLOTICK_FENCE" >"$file.new"
mv "$file.new" "$file"
"$@"
