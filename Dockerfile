# The image of web, worker, beat and the migrate step. Holds no secret and runs as a user without rights.

FROM python:3.12-slim AS dependencies
COPY requirements/run.txt /tmp/run.txt
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r /tmp/run.txt

FROM python:3.12-slim
# Reads scanned pages and pictures; more languages: tesseract-ocr-deu, tesseract-ocr-fra, ...
RUN apt-get update \
 && apt-get install --yes --no-install-recommends tesseract-ocr \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin parley \
 && install -d -m 0700 -o parley -g parley /data
COPY --from=dependencies /venv /venv
COPY manage.py pyproject.toml LICENSE /app/
COPY platform /app/platform
COPY apps /app/apps
COPY templates /app/templates
COPY static /app/static
COPY docs /app/docs
ENV PATH=/venv/bin:$PATH \
    PYTHONPATH=/app/platform:/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=parley.config.settings.production \
    PARLEY_DATA_DIR=/data
WORKDIR /app
USER parley
VOLUME /data
EXPOSE 8000
# The last proxy before us is the only one that can reach this port (see docker-compose.yml), so it is believed.
CMD ["uvicorn", "parley.config.asgi:application", "--host", "0.0.0.0", "--port", "8000", \
     "--proxy-headers", "--forwarded-allow-ips", "*", "--no-access-log", "--timeout-graceful-shutdown", "20"]
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://localhost:8000/healthz', timeout=4)"]
