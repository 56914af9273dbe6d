# The packages of the lock, without the tools of development. Nothing is installed whose hash the lock does not have,
# the installer included.
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml requirements.lock ./
RUN sed -n '/^uv==/,/# via/p' requirements.lock > installer.lock \
    && pip install --no-cache-dir --require-hashes --requirement installer.lock
RUN uv venv /opt/duelist && uv pip install --no-cache --python /opt/duelist --require-hashes \
    --requirements pyproject.toml --constraints requirements.lock
COPY app app
COPY dsl dsl
COPY migrations migrations
RUN uv pip install --no-cache --python /opt/duelist --no-deps \
    --build-constraints requirements.lock --require-build-hashes .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/duelist --create-home duelist
COPY --from=build /opt/duelist /opt/duelist
ENV PATH=/opt/duelist/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DUELIST_HOST=0.0.0.0 \
    DUELIST_DATA_DIR=/var/lib/duelist
USER duelist
WORKDIR /var/lib/duelist
VOLUME /var/lib/duelist
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD \
    ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/live', timeout=2)"]
ENTRYPOINT ["duelist"]
CMD ["serve"]
