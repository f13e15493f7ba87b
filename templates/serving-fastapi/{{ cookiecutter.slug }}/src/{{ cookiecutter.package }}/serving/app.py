"""The HTTP routes, in FastAPI."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, get_type_hints

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from {{ cookiecutter.package }} import schema

from .feedback import FeedbackPayload, Received  # noqa: TC001, FastAPI reads the annotations
from .refusals import Problem, Refusal
from .requests import Answer, Payload, payload_of, require_json
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
    503: "No model yet, or too many requests at once",
}


def create_app(service: Service) -> FastAPI:
    """Return the application in front of a service."""
    app = FastAPI(title=schema.TITLE, description=schema.DESCRIPTION, redoc_url=None, redirect_slashes=False)
    app.include_router(_router(service))
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(Exception, _failed)
    return app


def _router(service: Service) -> APIRouter:
    router = APIRouter(route_class=_json_route(service.settings.max_rows))
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"description": reason, "model": Problem} for status, reason in REASONS.items()
    }

    @router.post("/predict", responses=refusals)
    def predict(payload: Payload) -> Answer:
        """Predict the target for one record, or for several as {"records": [...]}."""
        return service.predict(payload)

    @router.post("/feedback", responses=refusals, status_code=202)
    def feedback(payload: FeedbackPayload) -> Received:
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
    """Return a route that takes JSON only, parses it with bounds, and leaves all work to a few threads.

    FastAPI itself would parse a body and write an answer in the thread that health checks wait for.
    """
    threads = anyio.CapacityLimiter(THREADS)

    class JsonRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            if self.body_field is None:
                return super().get_route_handler()
            hints = get_type_hints(self.endpoint, include_extras=True)
            form: TypeAdapter[Any] = TypeAdapter(hints[self.body_field.name])

            def answer(body: bytes) -> Response:
                content = self.endpoint(payload_of(form, body, max_rows)).model_dump_json()
                return Response(content, self.status_code or 200, media_type="application/json")

            async def handle(request: Request) -> Response:
                require_json(request.headers.get("content-type", ""))
                return await run_sync(answer, await request.body(), limiter=threads)

            return handle

    return JsonRoute


async def _refused(_: Request, refusal: Exception) -> JSONResponse:
    assert isinstance(refusal, Refusal)  # noqa: S101, registered for this type alone
    return JSONResponse(refusal.problem.model_dump(), refusal.status, refusal.headers)


async def _failed(request: Request, error: Exception) -> JSONResponse:
    LOGGER.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return JSONResponse({"detail": "the service failed on this request; its log says why"}, 500)
