# cdcproof itself, for a project in /project:
#   docker build -t cdcproof --build-arg VERSION="$(git describe --tags)" .
#   docker run --rm -v "$PWD:/project" -e SQLSERVER_PASSWORD -e POSTGRES_PASSWORD cdcproof pytest -m morning
# The account in it is 10001: let it write to reports/ and reconciliation_reports/ of the project, or add --user "$(id -u)".
ARG BASE=python:3.12.11-slim-bookworm

FROM ${BASE} AS build
ARG EXTRAS=sqlserver,stream,s3,notify
ARG PIP_INDEX_URL
# there is no git in here to ask
ARG VERSION=0.0.0
ENV SETUPTOOLS_SCM_PRETEND_VERSION=${VERSION}
WORKDIR /source
COPY . .
RUN sed -nE 's/^([A-Za-z0-9._-]+==[^ ;]+).*/\1/p' requirements.lock > versions.txt \
 && python3 -m venv /opt/cdcproof \
 && /opt/cdcproof/bin/pip install --no-cache-dir --constraint versions.txt ".${EXTRAS:+[$EXTRAS]}"

FROM ${BASE}
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends unixodbc \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 cdcproof \
 && install -d -o cdcproof /project /state
COPY --from=build /opt/cdcproof /opt/cdcproof
ENV PATH=/opt/cdcproof/bin:$PATH PYTHONDONTWRITEBYTECODE=1
WORKDIR /project
USER cdcproof
CMD ["cdcproof", "--help"]
