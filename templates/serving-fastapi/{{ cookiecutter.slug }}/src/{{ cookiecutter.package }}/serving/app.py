"""The HTTP application: what each route answers."""

from __future__ import annotations

import gc
import logging
import os
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic_core import from_json

from {{ cookiecutter.package }} import model, schema

from .limits import BodyLimits
from .metrics import Metrics, RequestMetrics
from .predictions import PredictionLog, Row
from .requests import (
    WIDEST,
    Answer,
    FieldProblem,
    Payload,
    Prediction,
    Problem,
    Record,
    frame_of,
    records_of,
    widest,
)
from .store import Loaded, ModelStore, Registry, StoreEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from .settings import Settings

LOGGER = logging.getLogger(__name__)
MAX_REPORTED_ERRORS = 20


class JsonRequest(Request):
    """A request whose JSON is parsed with a bound on its depth, and fast."""

    async def json(self) -> Any:
        """Return the parsed body.

        Raises:
            HTTPException: 400, it isn't JSON in UTF-8, or is too deep; 422, a record is far too wide.
        """
        try:
            value = from_json(await self.body())
        except ValueError as error:
            raise HTTPException(400, f"the body is not JSON: {error}") from None
        if (width := widest(value)) > WIDEST:
            expected = len(schema.FEATURES)
            raise HTTPException(422, f"a record has {width} columns, and the model takes {expected}")
        return value


class JsonRoute(APIRoute):
    """A route that takes JSON and says so when it is given something else."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler around FastAPI's own."""
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if self.body_field is not None and media_type != "application/json":
                raise HTTPException(415, "send JSON, with the header Content-Type: application/json")
            return await handle(JsonRequest(request.scope, request.receive))

        return handle_json


class Service:
    """Everything that lives as long as the application does."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self.settings = settings
        self.log = PredictionLog(
            settings.prediction_log,
            file_bytes=settings.log_file_bytes,
            files=settings.log_files,
            backlog_rows=settings.log_backlog_rows,
        )
        self.metrics = Metrics(lambda: self.log.counts)
        self.store = ModelStore(registry, settings.model_poll_seconds, self._model_event)

    @asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        """Run the threads from the first request to the last."""
        # More threads than processors would only wait for each other: prediction is computation.
        self.threads = anyio.CapacityLimiter(max(2, os.cpu_count() or 1))
        self.log.start()
        self.store.start()
        try:
            yield
        finally:
            await run_sync(self.store.stop)
            await run_sync(self.log.stop)

    def _model_event(self, event: StoreEvent) -> None:
        self.metrics.model_event(event)
        if event.loaded is not None:
            # The libraries and the model are hundreds of thousands of objects that stay. Unless they are put
            # aside, the garbage collector walks through all of them within a request that allocates much.
            gc.unfreeze()
            gc.collect()
            gc.freeze()

    async def predict(self, payload: Payload) -> Answer:
        """Predict the target for one record, or for several as {"records": [...]}."""
        records = records_of(payload)
        if len(records) > self.settings.max_rows:
            raise HTTPException(413, f"{len(records)} records; {self.settings.max_rows} are allowed at once")
        loaded = self.store.current
        if loaded is None:
            raise HTTPException(503, f"no model to predict with: {self.store.status}", {"Retry-After": "5"})
        predictions = await run_sync(_predict, loaded, records, limiter=self.threads)
        self.log.append(_log_rows(loaded, records, predictions))
        self.metrics.predicted(predictions)
        return Answer(model_version=loaded.version.version, predictions=predictions)

    def about(self) -> dict[str, Any]:
        """Say what this service is."""
        loaded = self.store.current
        return {
            "name": schema.PROJECT,
            "title": schema.TITLE,
            "description": schema.DESCRIPTION,
            "task": schema.TASK,
            "target": schema.TARGET,
            "features": schema.FEATURES,
            "model": loaded and {"name": loaded.version.name, "version": loaded.version.version},
            "status": self.store.status,
            "routes": ["POST /predict", "GET /healthz", "GET /readyz", "GET /metrics", "GET /docs"],
        }

    def healthy(self) -> dict[str, str]:
        """Say that the process answers; whether it has a model is /readyz's business."""
        return {"status": "ok"}

    def ready(self, response: Response) -> dict[str, str]:
        """Say whether predictions can be had: 200, or 503 until there is a model."""
        if self.store.current is None:
            response.status_code = 503
        return {"status": self.store.status}

    def exposition(self) -> Response:
        """Return the metrics for Prometheus."""
        return Response(self.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


def create_app(settings: Settings, registry: Registry) -> FastAPI:
    """Build the application.

    Args:
        settings: its bounds and places.
        registry: where its model comes from.
    """
    service = Service(settings, registry)
    router = APIRouter(route_class=JsonRoute)
    reasons = {
        400: "Not JSON",
        408: "The body took too long to arrive",
        413: "Too many bytes or records",
        415: "Not sent as JSON",
        422: "Records that do not fit the schema",
        503: "No model yet",
    }
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"description": reason, "model": Problem} for status, reason in reasons.items()
    }
    router.post("/predict", responses=refusals)(service.predict)
    router.get("/")(service.about)
    router.get("/healthz")(service.healthy)
    router.get("/readyz", responses={503: {"description": "No model yet"}})(service.ready)
    router.get("/metrics", response_class=Response)(service.exposition)
    app = FastAPI(
        title=schema.TITLE, description=schema.DESCRIPTION, lifespan=service.lifespan, redoc_url=None
    )
    app.include_router(router)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _failed)
    paths = frozenset({"/predict", "/", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"})
    app.add_middleware(
        BodyLimits, max_bytes=settings.max_body_bytes, timeout_seconds=settings.body_timeout_seconds
    )
    app.add_middleware(RequestMetrics, metrics=service.metrics, routes=paths)
    return app


def _predict(loaded: Loaded, records: list[Record]) -> list[Prediction]:
    result = model.predict(loaded.model, frame_of(records))
{%- if cookiecutter.task == "classification" %}
    rows = zip(result["prediction"].tolist(), result["probability"].tolist(), strict=True)
    return [Prediction(id=uuid4().hex, prediction=label, probability=share) for label, share in rows]
{%- else %}
    return [Prediction(id=uuid4().hex, prediction=value) for value in result["prediction"].tolist()]
{%- endif %}


def _log_rows(loaded: Loaded, records: list[Record], predictions: list[Prediction]) -> list[Row]:
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    return [
        {
            "id": prediction.id,
            "time": time,
            "model_version": loaded.version.version,
            "features": record,
            "prediction": prediction.prediction,
            "probability": {% if cookiecutter.task == "classification" %}prediction.probability{% else %}None{% endif %},
        }
        for record, prediction in zip(records, predictions, strict=True)
    ]


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Name what is wrong with a body, without giving it back: it may be large, or not fit for JSON at all."""
    assert isinstance(error, RequestValidationError)  # noqa: S101, registered for this type alone
    problems = error.errors()
    # A location is "body", the form of the request, then the place in it: the one thing clients can use.
    named = [
        FieldProblem(where=".".join(map(str, problem["loc"][2:])) or "body", message=problem["msg"])
        for problem in problems[:MAX_REPORTED_ERRORS]
    ]
    refusal = Problem(detail="the body does not fit the schema; see /docs", errors=named)
    return JSONResponse(refusal.model_dump(), 422)


async def _failed(request: Request, error: Exception) -> JSONResponse:
    LOGGER.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return JSONResponse({"detail": "the service failed on this request; its log says why"}, 500)
