FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY relay relay
COPY simulator simulator
RUN python -m venv /opt/relay && /opt/relay/bin/pip install --no-cache-dir -c constraints.txt '.[simulator]'

FROM python:3.11-slim
COPY --from=build /opt/relay /opt/relay
RUN useradd --system --uid 10001 --home-dir /data --create-home relay
ENV PATH=/opt/relay/bin:$PATH PYTHONUNBUFFERED=1 RELAY_HOST=0.0.0.0 DATABASE_URL=sqlite:///data/relay.sqlite3
USER relay
WORKDIR /data
VOLUME /data
EXPOSE 8787
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ.get(\"PORT\", \"8787\")}/health', timeout=2)"]
CMD ["relay", "serve"]
