# syntax=docker/dockerfile:1
# The whole product on one host: `nexus run` serves REST, console and callers' sockets. compose.yaml builds it.
# Rules and pins as in Dockerfile.media. This image is for your own machine: it takes PyAV's wheel, which carries GPL codecs.

FROM python:3.11-slim-trixie AS build
COPY requirements/run.txt /build/requirements/run.txt
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /build/requirements/run.txt
COPY pyproject.toml README.md LICENSE /build/
COPY nexus /build/nexus
COPY media_plane /build/media_plane
COPY control_plane /build/control_plane
COPY local /build/local
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation /build \
    && /opt/venv/bin/python -m compileall -q /opt/venv/lib \
    && /opt/venv/bin/pip uninstall --yes --quiet pip

FROM python:3.11-slim-trixie AS host
RUN groupadd --system --gid 10001 nexus \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin nexus \
    && install --directory --owner=10001 --group=10001 --mode=700 /data
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY tenants /app/tenants
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    DATA_DIR=/data \
    TENANTS_DIR=/app/tenants \
    LOG_FORMAT=JSON \
    HF_HUB_OFFLINE=1
VOLUME ["/data", "/tmp"]
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=6 \
    CMD ["python", "-c", "import http.client as h, sys; c = h.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/health/live'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["nexus"]
CMD ["run"]
