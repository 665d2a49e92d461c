"""One line per event, JSON for machines or aligned text for people."""

from __future__ import annotations

import logging.config
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# Field names whose values never belong in a log, whoever passes them.
_SECRET_FIELDS = frozenset(
    {
        "password",
        "token",
        "api_key",
        "key",
        "secret",
        "authorization",
        "cookie",
        "text",
        "content",
        "prompt",
        "question",
    }
)


def drop_secrets(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Replace values of fields that hold secrets or what people wrote."""
    for field in _SECRET_FIELDS.intersection(event):
        event[field] = "[not logged]"
    return event


def _processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        drop_secrets,
    ]


def configure_logging(config: dict[str, Any]) -> None:
    """Django's `LOGGING_CONFIG` callable; `config` is `{"format": "json" | "text", "level": name}`."""
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if config.get("format") == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "structured": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        structlog.processors.format_exc_info,
                        renderer,
                    ],
                    "foreign_pre_chain": _processors(),
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
            "root": {"handlers": ["stderr"], "level": config.get("level", "INFO")},
            "loggers": {
                "httpx": {"level": "WARNING"},
                "httpcore": {"level": "WARNING"},
                "LiteLLM": {"level": "WARNING"},
                # A line for every task that is due and for every one that ends; failures stay visible.
                "celery.beat": {"level": "WARNING"},
                "celery.app.trace": {"level": "WARNING"},
                "uvicorn.access": {"level": "WARNING"},
                # The request log line of `requests.py` says the same with tenant and request id.
                "django.request": {"level": "ERROR"},
                "django.server": {"level": "WARNING"},
            },
        }
    )
    structlog.configure(
        processors=[*_processors(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
