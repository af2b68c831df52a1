#!/usr/bin/env bash
# Run once, by the image, after it has set Greenplum up. It trusts the superuser, and on segments everybody, at the
# address that the container had then, and another container may have it next time. What is meant is the container
# itself, whatever its address.
set -euo pipefail

mapfile -t files < <(find "${GREENPLUM_DATA_DIRECTORY:-/data}" -name pg_hba.conf)
sed -i -E '/^host[a-z]*[[:space:]].*[[:space:]]trust[[:space:]]*$/{
/[[:space:]](127\.0\.0\.1|::1)\//!s#[[:space:]][0-9a-fA-F.:]+/[0-9]+([[:space:]]+trust)#	samehost\1#
}' "${files[@]}"
if command -v gpstop >/dev/null; then gpstop -u; fi
