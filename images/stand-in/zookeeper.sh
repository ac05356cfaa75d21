#!/usr/bin/env bash
set -euo pipefail
. /stand-in/properties.sh

mkdir -p /var/lib/zookeeper/data
cat >/tmp/zoo.cfg <<CONF
dataDir=/var/lib/zookeeper/data
dataLogDir=/var/lib/zookeeper/log
clientPort=$ZOOKEEPER_CLIENT_PORT
tickTime=500
admin.enableServer=false
4lw.commands.whitelist=srvr
CONF
exec java "${java_flags[@]}" -Xmx64m -cp '/jars/*' org.apache.zookeeper.server.quorum.QuorumPeerMain /tmp/zoo.cfg
