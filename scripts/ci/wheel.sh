#!/usr/bin/env bash
# What somebody does who has no checkout: builds the wheel from the sdist, installs it for an account of its own whose home has a blank
# in its name, makes a project in an empty directory, and runs the morning checks there on the embedded pipeline. As root, on Linux.
#
#   scripts/ci/wheel.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() { echo "wheel.sh: $1" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "an account of its own needs root"
place=$(mktemp -d)
account=cdcproof-$$
home="$place/home of $account"

as_account() { setpriv --reuid "$account" --regid "$account" --clear-groups env -i "${environment[@]}" "$@"; }
end() {
    [ ! -x "$home/venv/bin/cdcproof" ] || as_account cdcproof down --remove >/dev/null || true
    userdel "$account" 2>/dev/null || true
    rm -rf "$place"
}
trap end EXIT

chmod 711 "$place"
useradd --no-create-home --home-dir "$home" --shell /bin/bash "$account"
mkdir -p "$home/.cache" "$home/project" "$place/wheels" "$place/source"
cached=${XDG_CACHE_HOME:-$HOME/.cache}/cdcproof
[ ! -d "$cached/artifacts" ] || cp -r --reflink=auto "$cached" "$home/.cache/"   # fetched once for all jobs
chown -R "$account:" "$home"

echo "the wheel, of the source without git"
.venv/bin/python -m build --sdist --no-isolation --outdir "$place/wheels" . >/dev/null
tar -C "$place/source" --strip-components 1 -xzf "$place"/wheels/*.tar.gz
.venv/bin/pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir "$place/wheels" "$place/source"
chmod -R a+rX "$place/wheels"

# how this machine reaches its package index, and nothing else of ours
environment=("HOME=$home" "USER=$account" "LANG=C.UTF-8" "COLUMNS=80" "PATH=$home/venv/bin:/usr/local/bin:/usr/bin:/bin")
while IFS= read -r setting; do environment+=("$setting"); done < <(env | grep -iE '^(PIP_|(HTTPS?|NO)_PROXY=|SSL_CERT_FILE=|REQUESTS_CA_BUNDLE=)' || true)

cd "$home/project"
echo "installed for $account"
as_account python3 -m venv "$home/venv"
as_account pip install --quiet --disable-pip-version-check "$(echo "$place"/wheels/*.whl)[embedded]"
for module in duckdb pyarrow pyodbc mssql_python boto3; do
    ! as_account python -c "import $module" 2>/dev/null || fail "$module is there, which only some need"
done

echo "a project, and its checks: ours and its own"
as_account cdcproof new .
environment+=("CDCPROOF_PIPELINE=embedded")
collected=$(as_account pytest -m morning --collect-only -q)
[ "$(grep -c '^morning/' <<<"$collected")" -gt 20 ] || fail "our checks are not there"
grep -q '^checks/test_own.py::' <<<"$collected" || fail "its own check is not there"
as_account cdcproof up
as_account cdcproof load
as_account cdcproof reconcile --validate-checksums
as_account pytest -m morning
