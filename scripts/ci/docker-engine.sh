#!/usr/bin/env bash
# A container engine of our own with the stand-in image, for one run of the tests. As root, on Debian.
#
#   scripts/ci/docker-engine.sh start FOLDER     then: export DOCKER_HOST=unix://FOLDER/docker.sock DOCKER_CONFIG=FOLDER/config
#   scripts/ci/docker-engine.sh stop FOLDER
#
# `start` installs Docker from Debian where it is missing, and starts it with its data, socket and process id in FOLDER
# (a short path: a socket's has at most 107 characters). It makes no firewall rule and no default bridge, and nothing of
# it is left after `stop`, which removes FOLDER. The image is made once and kept in the user's cache, and so is Compose 2, which
# bookworm does not have: it is taken from the next Debian, and is found by DOCKER_CONFIG alone. Where no engine can
# run, `start` says why and ends with status 1; the tests that need one then skip and say so.
set -euo pipefail

IMAGE=cdcproof-stand-in:bookworm
BASE=cdcproof-debian:bookworm
SUITE=bookworm
COMPOSE_SUITE=trixie
RECIPE=$(cd "$(dirname "$0")/../../images/stand-in" && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/cdcproof

say() { printf 'docker-engine: %s\n' "$*" >&2; }

give_up() {   # give_up REASON [LOG]
  say "$1"
  [ $# -lt 2 ] || tail -5 "$2" >&2
  exit 1
}

install_what_is_missing() {
  local packages=()
  command -v dockerd >/dev/null && command -v docker >/dev/null || packages+=(docker.io)
  command -v debootstrap >/dev/null || packages+=(debootstrap)
  docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null || packages+=(docker-compose)
  [ ${#packages[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || give_up "${packages[*]} missing, and only on Debian can this script install them"
  say "installing ${packages[*]}"
  # RUNLEVEL=1: the package must not start an engine of its own
  { apt-get -qq update && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
      -o DPkg::Lock::Timeout=120 install "${packages[@]}"; } >"$folder/apt.log" 2>&1 ||
    give_up "${packages[*]} could not be installed:" "$folder/apt.log"
}

provide_compose() {
  # One program that needs nothing but libc. Where it cannot be had, Compose 1 is what there is, and tests of Compose 2 say so.
  local kept=$CACHE/docker-compose-$COMPOSE_SUITE apt=$folder/apt repository
  mkdir -p "$DOCKER_CONFIG/cli-plugins"
  docker compose version >/dev/null 2>&1 && return
  if [ ! -x "$kept" ]; then
    say "taking Compose 2 from $COMPOSE_SUITE"
    repository=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $SUITE" | head -1)
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/parts" "$CACHE"
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' \
      "$repository" "$COMPOSE_SUITE" >"$apt/parts/debian.sources"
    local own=(-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$apt/parts" -o Dir::State::lists="$apt/lists"
      -o Dir::Cache="$apt/cache" -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o APT::Sandbox::User=root)
    { apt-get -qq "${own[@]}" update && (cd "$apt" && apt-get -qq "${own[@]}" download docker-compose) &&
        dpkg -x "$apt"/docker-compose_*.deb "$apt/unpacked" &&
        cp "$apt/unpacked/usr/libexec/docker/cli-plugins/docker-compose" "$kept.part" && mv "$kept.part" "$kept"; } >"$folder/compose.log" 2>&1 ||
      { say "Compose 2 could not be had, so Compose 1 it is:"; tail -3 "$folder/compose.log" >&2; return 0; }
  fi
  cp "$kept" "$DOCKER_CONFIG/cli-plugins/docker-compose"
}

start_engine() {
  # Ports are published by Docker's own proxy, and a build uses the host's network: neither needs a firewall rule.
  # A session of its own, so that Ctrl-C reaches the tests and leaves the stopping to us.
  setsid dockerd --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/pid" \
    --host "$DOCKER_HOST" --bridge none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
    </dev/null >"$folder/dockerd.log" 2>&1 &
  for _ in $(seq 150); do
    docker version >/dev/null 2>&1 && { say "engine $(docker version --format '{{.Server.Version}}') is up"; return; }
    kill -0 $! 2>/dev/null || break
    sleep 0.2
  done
  give_up "dockerd did not start:" "$folder/dockerd.log"
}

provide_image() {
  local saved repository
  saved=$CACHE/stand-in-$(sha256sum <"$RECIPE/Dockerfile" | cut -c1-12).tar
  if [ -f "$saved" ]; then
    say "loading $IMAGE from $saved"
    docker load -q -i "$saved" >/dev/null && return
    say "it cannot be loaded and is made again"
  fi
  repository=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $SUITE" | head -1)
  say "making a base image by debootstrap"
  mkdir "$folder/root"
  mount -t tmpfs -o size=1g tmpfs "$folder/root" || true   # in memory: dpkg waits for the disk after every file
  debootstrap --variant=minbase "$SUITE" "$folder/root" ${repository:+"$repository"} >"$folder/debootstrap.log" 2>&1 ||
    give_up "debootstrap failed:" "$folder/debootstrap.log"
  cp -r /etc/apt/apt.conf.d/. "$folder/root/etc/apt/apt.conf.d/"   # how this machine reaches its packages
  echo force-unsafe-io >"$folder/root/etc/dpkg/dpkg.cfg.d/unsafe-io"   # the same for the build
  tar -C "$folder/root" -c . | docker import - "$BASE" >/dev/null
  umount "$folder/root" 2>/dev/null || rm -rf --one-file-system "$folder/root"
  say "building $IMAGE"
  DOCKER_BUILDKIT=0 docker build --network host -t "$IMAGE" --build-arg "BASE=$BASE" "$RECIPE" >"$folder/build.log" 2>&1 ||
    give_up "the image could not be built:" "$folder/build.log"
  mkdir -p "$CACHE"
  docker save -o "$saved.part" "$IMAGE" && mv "$saved.part" "$saved"
}

start() {
  [ "$(id -u)" = 0 ] || { say "an engine of our own needs root"; exit 1; }
  mkdir -p "$folder"
  [ ! -e "$folder/pid" ] || { say "there is an engine in $folder already; stop it first"; exit 1; }
  trap '[ $? = 0 ] || stop' EXIT   # whatever ends it early leaves nothing behind
  trap 'exit 130' INT
  trap 'exit 143' TERM
  install_what_is_missing
  provide_compose
  start_engine
  provide_image
}

stop() {
  local pid
  pid=$(cat "$folder/pid" 2>/dev/null || true)
  if [ -n "$pid" ] && grep -qs "$folder" "/proc/$pid/cmdline"; then   # a pid may be somebody else's by now
    docker ps -aq 2>/dev/null | xargs -r docker rm -f >/dev/null 2>&1 || true
    docker network prune -f >/dev/null 2>&1 || true
    kill "$pid"
    for _ in $(seq 150); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.2
    done
  fi
  # dockerd leaves its network namespaces mounted; anything else that is mounted is not ours to delete through
  umount "$folder"/exec/netns/* "$folder/root" 2>/dev/null || true
  rm -rf --one-file-system "$folder" || { say "$folder could not be removed entirely"; return 1; }
}

[ $# = 2 ] && [[ $1 =~ ^(start|stop)$ ]] || { say "usage: docker-engine.sh start|stop FOLDER"; exit 2; }
folder=$(realpath -m "$2")
export DOCKER_HOST=unix://$folder/docker.sock DOCKER_CONFIG=$folder/config
"$1"
