#!/usr/bin/env bash
set -euo pipefail
. /stand-in/properties.sh

{
  properties CONNECT
  echo "bootstrap.servers=$BOOTSTRAP_SERVERS"
  echo "group.id=$GROUP_ID"
  for kind in config offset status; do
    name=${kind^^}_STORAGE_TOPIC
    printf '%s.storage.topic=%s\n%s.storage.replication.factor=1\n' "$kind" "${!name}" "$kind"
  done
  echo offset.storage.partitions=1
  echo status.storage.partitions=1
  echo "key.converter=$KEY_CONVERTER"
  echo "value.converter=$VALUE_CONVERTER"
  echo listeners=http://0.0.0.0:8083
  echo "rest.advertised.host.name=$(hostname)"
  echo plugin.path=/plugins
  echo plugin.discovery=service_load
  echo scheduled.rebalance.max.delay.ms=0
} >/tmp/connect.properties
exec java "${java_flags[@]}" -Xmx384m -cp '/jars/*' org.apache.kafka.connect.cli.ConnectDistributed /tmp/connect.properties
