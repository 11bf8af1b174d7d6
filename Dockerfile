# Two images: the relay (`docker build .`), and the APNs sandbox with the rest of the simulator (`docker build --target simulator .`).
# Both run as user 10001 and need no root file system that can be written: what they keep is in /data.
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY relay relay
COPY simulator simulator
RUN python -m venv /opt/push && /opt/push/bin/pip install --no-cache-dir -c constraints.txt '.[server,otel]'

FROM build AS build-simulator
RUN /opt/push/bin/pip install --no-cache-dir -c constraints.txt '.[simulator]'

FROM python:3.11-slim AS base
RUN groupadd --gid 10001 push && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data push \
    && install --directory --owner 10001 --group 10001 --mode 700 /data /apns
ENV PATH=/opt/push/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /data
VOLUME /data

FROM base AS simulator
COPY --from=build-simulator /opt/push /opt/push
EXPOSE 2197 2198
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8901/control', timeout=2)"]
CMD ["simulator", "apns", "--host", "0.0.0.0", "--folder", "/data", "--state", "/data/sandbox.json"]

FROM base AS relay
COPY --from=build /opt/push /opt/push
ENV RELAY_HOST=0.0.0.0 DATABASE_URL=sqlite:///data/relay.sqlite3
EXPOSE 8787
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ.get(\"PORT\", \"8787\")}/health', timeout=2)"]
CMD ["relay", "serve"]
