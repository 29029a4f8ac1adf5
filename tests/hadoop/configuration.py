"""The configuration of the practice cluster: everything on loopback, small, and quick to notice a dead node.

Writes the XML files that Hadoop reads. It starts nothing (see `cluster.py`).
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

LOG4J = """log4j.rootLogger=${hadoop.root.logger}
hadoop.root.logger=INFO,console
log4j.logger.org.apache.hadoop.util.NativeCodeLoader=ERROR
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{yy/MM/dd HH:mm:ss} %p %c{2}: %m%n
"""


def properties(home: Path, port: int) -> dict[str, dict[str, object]]:
    """File name to properties. Ports `port` to `port` + 9 are used; all others are free ones."""
    classpath = f"{home}/conf,{home}/lib/*"
    anywhere = "127.0.0.1:0"
    return {
        "core-site.xml": {
            "fs.defaultFS": f"hdfs://127.0.0.1:{port}",
            "hadoop.tmp.dir": home / "data",
        },
        "hdfs-site.xml": {
            "dfs.replication": 2,  # one replica would not survive the death of its DataNode
            "dfs.permissions.enabled": "false",
            "dfs.namenode.name.dir": home / "data/name",
            "dfs.namenode.http-address": f"127.0.0.1:{port + 1}",
            "dfs.datanode.address": anywhere,
            "dfs.datanode.http.address": anywhere,
            "dfs.datanode.ipc.address": anywhere,
            "dfs.namenode.safemode.extension": 0,
            "dfs.heartbeat.interval": 1,
            "dfs.namenode.heartbeat.recheck-interval": 5000,  # a dead DataNode is noticed after 20 s, not 10 minutes
        },
        "yarn-site.xml": {
            "yarn.resourcemanager.hostname": "127.0.0.1",
            "yarn.resourcemanager.address": f"127.0.0.1:{port + 2}",
            "yarn.resourcemanager.scheduler.address": f"127.0.0.1:{port + 3}",
            "yarn.resourcemanager.resource-tracker.address": f"127.0.0.1:{port + 4}",
            "yarn.resourcemanager.admin.address": f"127.0.0.1:{port + 5}",
            "yarn.resourcemanager.webapp.address": f"127.0.0.1:{port + 6}",
            "yarn.resourcemanager.scheduler.class": "org.apache.hadoop.yarn.server.resourcemanager.scheduler"
            ".capacity.CapacityScheduler",
            "yarn.nodemanager.address": anywhere,
            "yarn.nodemanager.localizer.address": anywhere,
            "yarn.nodemanager.webapp.address": anywhere,
            "yarn.nodemanager.collector-service.address": anywhere,
            "yarn.nodemanager.aux-services": "mapreduce_shuffle",
            "yarn.nodemanager.aux-services.mapreduce_shuffle.class": "org.apache.hadoop.mapred.ShuffleHandler",
            "yarn.nodemanager.resource.memory-mb": 2560,
            "yarn.nodemanager.resource.cpu-vcores": 4,
            "yarn.nodemanager.vmem-check-enabled": "false",
            "yarn.nodemanager.resource.memory.enforced": "false",  # by cgroups, which are not there; by looking, then
            "yarn.nodemanager.disk-health-checker.enable": "false",
            "yarn.nodemanager.container-monitor.interval-ms": 500,
            "yarn.nodemanager.sleep-delay-before-sigkill.ms": 250,
            "yarn.nodemanager.delete.debug-delay-sec": 0,
            "yarn.scheduler.minimum-allocation-mb": 128,
            "yarn.nm.liveness-monitor.expiry-interval-ms": 30000,  # 10 minutes unless lowered
            "yarn.am.liveness-monitor.expiry-interval-ms": 120000,  # a busy machine starts one in half a minute
            "yarn.client.nodemanager-connect.max-wait-ms": 10000,  # a job's master waits 3 minutes for a dead node
            "yarn.client.nodemanager-connect.retry-interval-ms": 2000,
            "yarn.application.classpath": classpath,
            "yarn.log-aggregation-enable": "true",  # so that `yarn logs` shows a failed task's words
        },
        "mapred-site.xml": {
            "mapreduce.framework.name": "yarn",
            "mapreduce.application.classpath": classpath,
            "yarn.app.mapreduce.am.resource.mb": 512,
            "yarn.app.mapreduce.am.command-opts": "-Xmx384m -XX:+UseSerialGC",
            "mapreduce.map.memory.mb": 512,
            "mapreduce.reduce.memory.mb": 512,
            "mapreduce.map.java.opts": "-Xmx256m -XX:+UseSerialGC",
            "mapreduce.reduce.java.opts": "-Xmx256m -XX:+UseSerialGC",
            "mapreduce.task.io.sort.mb": 64,
            "mapreduce.shuffle.port": 0,
            "mapreduce.jobhistory.address": f"127.0.0.1:{port + 7}",
            "mapreduce.jobhistory.webapp.address": f"127.0.0.1:{port + 8}",
            "mapreduce.jobhistory.admin.address": f"127.0.0.1:{port + 9}",
        },
        "capacity-scheduler.xml": {
            "yarn.scheduler.capacity.root.queues": "default",
            "yarn.scheduler.capacity.root.default.capacity": 100,
            "yarn.scheduler.capacity.maximum-am-resource-percent": 1.0,
            "yarn.scheduler.capacity.node-locality-delay": 0,
        },
    }


def write(home: Path, port: int) -> None:
    """Writes `conf`, and the empty folders without which the HDFS daemons stop."""
    conf = home / "conf"
    for folder in ("webapps/hdfs", "webapps/datanode"):
        (conf / folder).mkdir(parents=True, exist_ok=True)
    for name, values in properties(home, port).items():
        lines = [f"<property><name>{k}</name><value>{escape(str(v))}</value></property>" for k, v in values.items()]
        (conf / name).write_text("<configuration>\n" + "\n".join(lines) + "\n</configuration>\n")
    (conf / "log4j.properties").write_text(LOG4J)
