#!/usr/bin/env bash
# Run a command with a container engine and the stand-in image at hand; stop and remove the engine afterwards.
#
#   scripts/ci/docker-engine.sh COMMAND [ARGUMENT…]
#
# An engine that already answers is used as it is. Otherwise, as root on Debian, Docker is installed from Debian and
# started for this command only: its data, socket and process id are in one temporary folder, it makes no firewall rule
# and no default bridge, and it is gone when the command ends. Where that cannot be done, the reason is printed, handed to
# the command in CDCPROOF_NO_ENGINE, and the command runs all the same: tests that need an engine then say why they skip.
# The exit status is the command's.
set -euo pipefail

IMAGE=cdcproof-stand-in:bookworm
BASE=cdcproof-debian:bookworm
here=$(cd "$(dirname "$0")" && pwd)
recipe=$here/../../images/stand-in
cache=${XDG_CACHE_HOME:-$HOME/.cache}/cdcproof
folder=$(mktemp -d /tmp/cdcproof-engine.XXXXXX)   # short: the path of a socket has at most 107 characters
daemon=

say() { printf 'docker-engine: %s\n' "$*" >&2; }

install_what_is_missing() {
  local packages=()
  command -v dockerd >/dev/null && command -v docker >/dev/null || packages+=(docker.io)
  command -v debootstrap >/dev/null || packages+=(debootstrap)
  docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null || packages+=(docker-compose)
  [ ${#packages[@]} -eq 0 ] && return
  [ "$(id -u)" = 0 ] || { say "missing: ${packages[*]}; installing them needs root"; return 1; }
  command -v apt-get >/dev/null || { say "missing: ${packages[*]}; they can be installed on Debian only"; return 1; }
  say "installing ${packages[*]}"
  # RUNLEVEL=1: the package must not start an engine of its own
  { apt-get -qq update && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
      -o DPkg::Lock::Timeout=120 install "${packages[@]}"; } >"$folder/apt.log" 2>&1 ||
    { say "they could not be installed:"; tail -5 "$folder/apt.log" >&2; return 1; }
}

start_engine() {
  [ "$(id -u)" = 0 ] || { say "an engine of our own needs root"; return 1; }
  # No firewall rules and no default bridge: ports are published by Docker's own proxy, and a build uses the host's network.
  # Its own session, so that Ctrl-C reaches the command and leaves the stopping to us.
  setsid dockerd --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/pid" \
    --host "unix://$folder/docker.sock" --bridge none --iptables=false --ip6tables=false --ip-forward=false \
    --ip-masq=false >"$folder/dockerd.log" 2>&1 &
  daemon=$!
  export DOCKER_HOST=unix://$folder/docker.sock
  for _ in $(seq 100); do
    docker info >/dev/null 2>&1 && { say "engine $(docker version --format '{{.Server.Version}}') is up"; return; }
    kill -0 "$daemon" 2>/dev/null || break
    sleep 0.2
  done
  say "dockerd did not start:"
  tail -5 "$folder/dockerd.log" >&2
  return 1
}

wrap_compose_1() {
  # Debian 12 has Compose 1 only; as a plug-in of the command line it answers to "docker compose"
  docker compose version >/dev/null 2>&1 && return
  export DOCKER_CONFIG=$folder/config
  mkdir -p "$DOCKER_CONFIG/cli-plugins"
  cat >"$DOCKER_CONFIG/cli-plugins/docker-compose" <<'PLUGIN'
#!/bin/sh
if [ "$1" = docker-cli-plugin-metadata ]; then
  echo '{"SchemaVersion": "0.1.0", "Vendor": "Debian", "Version": "1", "ShortDescription": "Compose 1"}'
  exit
fi
shift
exec docker-compose "$@"
PLUGIN
  chmod +x "$DOCKER_CONFIG/cli-plugins/docker-compose"
  docker compose version >/dev/null
}

provide_image() {
  docker image inspect "$IMAGE" >/dev/null 2>&1 && return
  local saved
  saved=$cache/stand-in-$(sha256sum <"$recipe/Dockerfile" | cut -c1-12).tar
  if [ -f "$saved" ]; then
    say "loading $IMAGE from $saved"
    docker load -q -i "$saved" >/dev/null
    return
  fi
  [ "$(id -u)" = 0 ] || { say "building $IMAGE needs root (debootstrap)"; return 1; }
  local suite=bookworm repository
  repository=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $suite" | head -1)
  say "making a base image by debootstrap"
  debootstrap --variant=minbase "$suite" "$folder/root" ${repository:+"$repository"} >"$folder/debootstrap.log" 2>&1 ||
    { tail -5 "$folder/debootstrap.log" >&2; return 1; }
  cp -r /etc/apt/apt.conf.d/. "$folder/root/etc/apt/apt.conf.d/"   # how this machine reaches its packages
  tar -C "$folder/root" -c . | docker import - "$BASE" >/dev/null || return 1
  rm -rf --one-file-system "$folder/root"
  say "building $IMAGE"
  DOCKER_BUILDKIT=0 docker build --network host -t "$IMAGE" --build-arg "BASE=$BASE" "$recipe" >"$folder/build.log" 2>&1 ||
    { tail -15 "$folder/build.log" >&2; return 1; }
  mkdir -p "$cache"
  docker save -o "$saved.part" "$IMAGE" && mv "$saved.part" "$saved"
}

stop_engine() {
  trap - EXIT
  if [ -n "$daemon" ]; then
    docker ps -aq 2>/dev/null | xargs -r docker rm -f >/dev/null 2>&1 || true
    docker network prune -f >/dev/null 2>&1 || true
    kill "$daemon" 2>/dev/null || true
    wait "$daemon" 2>/dev/null || true
  fi
  # dockerd leaves its network namespaces mounted; anything else that is mounted is not ours to delete through
  umount "$folder"/exec/netns/* 2>/dev/null || true
  rm -rf --one-file-system "$folder" 2>/dev/null || say "$folder could not be removed entirely"
}

trap stop_engine EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

[ $# -gt 0 ] || { say "usage: docker-engine.sh COMMAND [ARGUMENT…]"; exit 2; }
prepare() {
  install_what_is_missing && { docker info >/dev/null 2>&1 || start_engine; } && wrap_compose_1 && provide_image
}
if ! prepare 2> >(tee "$folder/why" >&2); then
  CDCPROOF_NO_ENGINE=$(tail -3 "$folder/why" | tr '\n' ' ')
  export CDCPROOF_NO_ENGINE
fi
"$@"
