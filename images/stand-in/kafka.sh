#!/usr/bin/env bash
set -euo pipefail
. /stand-in/properties.sh

{
  properties KAFKA
  echo log.dirs=/var/lib/kafka/data
  echo offsets.topic.num.partitions=1
  echo log.cleaner.dedupe.buffer.size=2097152
  echo zookeeper.session.timeout.ms=2000   # a killed broker can come back after this
} >/tmp/server.properties
exec java "${java_flags[@]}" -Xmx256m -cp '/jars/*' kafka.Kafka /tmp/server.properties
