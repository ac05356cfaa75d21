"""The embedded pipeline: real processes on loopback, no containers and no root needed.

services/    one file for each daemon: command line, ports, configuration, readiness, logs
artifacts    what is fetched, pinned and verified         folders      where everything is kept
processes    start, find again and stop a process         state        what an instance remembers
databases    accounts, tables, load                       psql         statements for them
connectors   the two connectors                           replication  see that rows arrive
supervision  start and stop all services                  lifecycle    up, down, restart, kill, heal, reset
stores       what services keep, and that it fits         environment  the contract for the checks
log_writer   keeps a log from filling the disk            logs         read one, follow one
"""
