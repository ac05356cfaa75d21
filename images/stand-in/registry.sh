#!/usr/bin/env bash
# Apicurio Registry: Confluent's API is under /apis/ccompat/v7.
set -euo pipefail
jar=$(find /registry -maxdepth 2 -name 'apicurio-registry-app-*-runner.jar' -print -quit)
exec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx192m -Dquarkus.http.host=0.0.0.0 -Dquarkus.http.port=8081 \
  -Dquarkus.banner.enabled=false -jar "$jar"
