# The server with its embedded nats-server. Built from sources; the running image holds Python and the installed wheel.
FROM rust:1.95-slim-bookworm AS build
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY requirements.lock ./
RUN python3 -m venv /build \
 && /build/bin/pip install --no-cache-dir --constraint requirements.lock maturin
COPY Cargo.toml Cargo.lock clippy.toml pyproject.toml README.md LICENSE ./
COPY bench/load bench/load
COPY spec spec
COPY rust_core rust_core
COPY python python
RUN /build/bin/maturin build --release --locked --out /wheels --interpreter python3

FROM python:3.11-slim-bookworm
COPY requirements.lock /wheels/
COPY --from=build /wheels/*.whl /wheels/
RUN pip install --no-cache-dir --constraint /wheels/requirements.lock /wheels/*.whl \
 && rm -r /wheels \
 && useradd --system --uid 10001 --create-home hanzo \
 && install -d -o hanzo -g hanzo /data
USER 10001
ENV HOST=0.0.0.0 PORT=8080 HANZO_DATA_DIR=/data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/health/ready', timeout=4)"]
ENTRYPOINT ["hanzo-queues"]
CMD ["serve"]
