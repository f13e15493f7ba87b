"""The HTTP routes, in FastAPI."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from {{ cookiecutter.package }} import schema

from .feedback import FeedbackPayload, Received  # noqa: TC001, FastAPI reads the annotations
from .refusals import Problem, Refusal, misfit
from .requests import Answer, Payload, parse_json
from .service import THREADS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .service import Service

LOGGER = logging.getLogger(__name__)
PAGES = frozenset({"/docs", "/openapi.json"})
REASONS = {
    400: "Not JSON",
    408: "The body took too long to arrive",
    413: "Too many bytes or records",
    415: "Not sent as JSON",
    422: "Values that do not fit the schema",
    503: "No model yet",
}


def create_app(service: Service) -> FastAPI:
    """Return the application in front of a service."""
    app = FastAPI(title=schema.TITLE, description=schema.DESCRIPTION, redoc_url=None)
    app.include_router(_router(service))
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _failed)
    return app


def _router(service: Service) -> APIRouter:
    router = APIRouter(route_class=_json_route(service.settings.max_rows))
    threads = anyio.CapacityLimiter(THREADS)
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"description": reason, "model": Problem} for status, reason in REASONS.items()
    }

    @router.post("/predict", responses=refusals)
    async def predict(payload: Payload) -> Answer:
        """Predict the target for one record, or for several as {"records": [...]}."""
        return await run_sync(service.predict, payload, limiter=threads)

    @router.post("/feedback", responses=refusals, status_code=202)
    async def feedback(payload: FeedbackPayload) -> Received:
        """Take the true label of a prediction, or several as {"labels": [...]}."""
        return service.feedback(payload)

    @router.get("/")
    async def about() -> dict[str, Any]:
        """Say what this service is."""
        return service.about()

    @router.get("/healthz")
    async def healthy() -> dict[str, str]:
        """Say that the process answers; whether it has a model is /readyz's business."""
        return {"status": "ok"}

    @router.get("/readyz", responses={503: {"description": "No model yet"}})
    async def ready(response: Response) -> dict[str, str]:
        """Say whether predictions can be had: 200, or 503 until there is a model."""
        is_ready, status = service.ready()
        response.status_code = 200 if is_ready else 503
        return {"status": status}

    @router.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Return the metrics for Prometheus."""
        return Response(service.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def _json_route(max_rows: int) -> type[APIRoute]:
    """Return a route that takes JSON only, and parses it with bounds."""

    class JsonRequest(Request):
        parsed: Any = None

        async def json(self) -> Any:
            return self.parsed

    class JsonRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def handle_json(request: Request) -> Response:
                parsed = JsonRequest(request.scope, request.receive)
                if self.body_field is not None:
                    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
                    if media_type != "application/json":
                        raise Refusal(415, "send JSON, with the header Content-Type: application/json")
                    parsed.parsed = parse_json(await parsed.body(), max_rows)
                return await handle(parsed)

            return handle_json

    return JsonRoute


async def _refused(_: Request, refusal: Exception) -> JSONResponse:
    assert isinstance(refusal, Refusal)  # noqa: S101, registered for this type alone
    return JSONResponse(refusal.problem.model_dump(), refusal.status, refusal.headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101, registered for this type alone
    # An error's place is "body", the form of the request, then what clients know.
    return await _refused(request, misfit(error.errors(), skip=2))


async def _failed(request: Request, error: Exception) -> JSONResponse:
    LOGGER.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return JSONResponse({"detail": "the service failed on this request; its log says why"}, 500)
