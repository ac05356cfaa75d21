"""The embedded pipeline: real processes on loopback, no containers and no root needed.

services/    one file for each daemon: command line, ports, configuration, readiness, logs
artifacts    what is fetched, pinned and verified         folders      where everything is kept
processes    start, find again and stop a process         state        what an instance remembers
databases    accounts, tables, load                       psql         statements for them
connectors   the two connectors                           supervision  start and stop all services
replication  follow the rows                              lifecycle    up, down, restart, kill, heal, reset
environment  the contract for the checks                  log_writer   keeps a log from filling the disk
"""
