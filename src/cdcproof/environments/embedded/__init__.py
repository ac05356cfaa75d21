"""The embedded pipeline: real processes on loopback, no containers and no root needed.

artifacts    what is fetched, pinned and verified         folders    where everything is kept
processes    start, find again and stop a process         state      what an instance remembers
services/    which processes there are, and their flags   settings   their configuration files
databases    accounts, tables, load                       connectors the two connectors
supervision  start and stop them all                      concurrently    do things side by side
replication  follow the rows                              environment  the contract for the checks
lifecycle    up, down, restart, kill, heal, reset
"""
