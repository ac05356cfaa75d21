# Confluent's and Debezium's images turn a variable into a setting: PREFIX_ZOOKEEPER_CONNECT is zookeeper.connect.
properties() {   # properties PREFIX
  env | sed -n "s/^$1_//p" | while IFS='=' read -r name value; do
    name=${name,,}
    printf '%s=%s\n' "${name//_/.}" "$value"
  done
}

java_flags=(-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Duser.timezone=UTC "-Dlog4j.configuration=file:/stand-in/log4j.properties")
