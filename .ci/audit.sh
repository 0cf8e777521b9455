#!/usr/bin/env bash
# Looks up what is pinned among the known holes (OSV). Ends with 0 where none is known, and where the database cannot be
# reached, which it says; with another code where there is a hole, or where the audit itself failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
url="${AUDIT_URL:-https://api.osv.dev}"
bin="${BIN:-.venv/bin}"

reachable='
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(sys.argv[1], timeout=10).close()
except urllib.error.HTTPError:
    pass  # an answer, whatever it says
except OSError as error:
    sys.exit(str(error))
'
if ! why=$(timeout 30 "$bin/python" -c "$reachable" "$url" 2>&1); then
    echo "the database of known holes cannot be reached; NOT AUDITED ($url: ${why:-no answer within 30 s})"
    exit 0
fi
timeout 600 "$bin/pip-audit" --requirement constraints.txt --require-hashes --disable-pip \
    --vulnerability-service osv --osv-url "$url/v1/query" --progress-spinner off --timeout 20
