#!/bin/sh
# `hadoop`, `hdfs` and `yarn` of the practice cluster in a few lines: a verb, or the name of a class, and its arguments.
# A real installation has its own, with the same verbs. HADOOP_CONF_DIR names another configuration.
HADOOP_HOME=$(cd "$(dirname "$0")/.." && pwd)
CONF=${HADOOP_CONF_DIR:-$HADOOP_HOME/conf}
JAVA=${JAVA_HOME:+$JAVA_HOME/bin/}java
CLASSPATH=$CONF:$HADOOP_HOME/lib/*
export HADOOP_HOME CLASSPATH

verb=$1
[ $# -gt 0 ] && shift
case $verb in
  classpath) printf '%s\n' "$CLASSPATH"; exit ;;
  version) class=org.apache.hadoop.util.VersionInfo ;;
  fs | dfs) class=org.apache.hadoop.fs.FsShell ;;
  jar) class=org.apache.hadoop.util.RunJar ;;
  dfsadmin) class=org.apache.hadoop.hdfs.tools.DFSAdmin ;;
  logs) class=org.apache.hadoop.yarn.client.cli.LogsCLI ;;
  namenode) class=org.apache.hadoop.hdfs.server.namenode.NameNode ;;
  datanode) class=org.apache.hadoop.hdfs.server.datanode.DataNode ;;
  resourcemanager) class=org.apache.hadoop.yarn.server.resourcemanager.ResourceManager ;;
  nodemanager) class=org.apache.hadoop.yarn.server.nodemanager.NodeManager ;;
  *.*) class=$verb ;;
  *) echo "hadoop: version, classpath, fs, jar, dfsadmin, logs, or the name of a class. Received: $verb" >&2; exit 2 ;;
esac

# The compiler's first stage alone and the plain collector make a client start in two thirds of the time. Java 17 opens
# java.lang to the NodeManager on request only, and Java 8 does not know the request.
# shellcheck disable=SC2086
exec "$JAVA" -XX:+IgnoreUnrecognizedVMOptions --add-opens=java.base/java.lang=ALL-UNNAMED \
  ${HADOOP_OPTS:--Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1} "$class" "$@"
