"""The embedded pipeline: real processes on loopback, no containers and no root needed.

services/    one file for each daemon: command line, ports, configuration, readiness, logs
processes/   start a process, find it again, stop it; ports, logs and supervision
data/        the two databases, statements for them, and whether all stores belong together
artifacts    what is fetched, pinned and verified         folders      where everything is kept
connectors   the two connectors                           state        what an instance remembers
environment  the contract for the checks                  passwords    made up once, kept in one file
lifecycle    up, down, restart, kill, heal, reset         evidence     the reports that go with it
"""
