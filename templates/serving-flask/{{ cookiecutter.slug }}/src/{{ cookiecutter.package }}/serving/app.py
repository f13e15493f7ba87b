"""The HTTP routes, in Flask.

Threads run a Flask application, and each slow client could hold one. So uvicorn stands in front, with the
limits of limits.py and protocol.py, and a thread is given complete requests only.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from a2wsgi import WSGIMiddleware
from flask import Flask, Response, jsonify, request
from pydantic import TypeAdapter
from werkzeug.exceptions import HTTPException

from .feedback import FeedbackPayload
from .refusals import Refusal
from .requests import Payload, payload_of, require_json
from .service import QUEUED, THREADS

if TYPE_CHECKING:
    from pydantic import BaseModel

    from .asgi import ASGIApp, Receive, Scope, Send
    from .service import Service

LOGGER = logging.getLogger(__name__)
PAGES: frozenset[str] = frozenset()
# For what is answered at once: health and metrics are asked for while all other threads predict.
QUICK_THREADS = 2

PREDICTIONS: TypeAdapter[Any] = TypeAdapter(Payload)
FEEDBACK: TypeAdapter[Any] = TypeAdapter(FeedbackPayload)


def create_app(service: Service) -> ASGIApp:
    """Return the application in front of a service, as the server takes it."""
    # The two describe the same interfaces in types that differ.
    flask = cast("Any", create_flask(service))
    working = cast("ASGIApp", WSGIMiddleware(flask, workers=THREADS))
    quick = cast("ASGIApp", WSGIMiddleware(flask, workers=QUICK_THREADS))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        chosen = working if scope.get("path") in QUEUED else quick
        await chosen(scope, receive, send)

    return app


def create_flask(service: Service) -> Flask:
    """Return the application in front of a service."""
    app = Flask(__name__, static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.register_error_handler(Refusal, _refused)
    app.register_error_handler(HTTPException, _not_here)
    app.register_error_handler(Exception, _failed)
    max_rows = service.settings.max_rows

    @app.post("/predict")
    def predict() -> Response:
        """Predict the target for one record, or for several as {"records": [...]}."""
        return _json(service.predict(_body(PREDICTIONS, max_rows)))

    @app.post("/feedback")
    def feedback() -> Response:
        """Take the true label of a prediction, or several as {"labels": [...]}."""
        return _json(service.feedback(_body(FEEDBACK, max_rows)), 202)

    @app.get("/")
    def about() -> Response:
        """Say what this service is."""
        return jsonify(service.about())

    @app.get("/healthz")
    def healthy() -> Response:
        """Say that the process answers; whether it has a model is /readyz's business."""
        return jsonify(status="ok")

    @app.get("/readyz")
    def ready() -> tuple[Response, int]:
        """Say whether predictions can be had: 200, or 503 until there is a model."""
        is_ready, status = service.ready()
        return jsonify(status=status), 200 if is_ready else 503

    @app.get("/metrics")
    def metrics() -> Response:
        """Return the metrics for Prometheus."""
        return Response(service.metrics.render(), content_type="text/plain; version=0.0.4; charset=utf-8")

    return app


def _body(form: TypeAdapter[Any], max_rows: int) -> Any:
    """Return the request's checked body.

    Raises:
        Refusal: it isn't sent as JSON, or doesn't fit.
    """
    require_json(request.content_type or "")
    return payload_of(form, request.get_data(cache=False), max_rows)


def _json(model: BaseModel, status: int = 200) -> Response:
    return Response(model.model_dump_json(), status, mimetype="application/json")


def _refused(refusal: Refusal) -> Response:
    response = _json(refusal.problem, refusal.status)
    response.headers.update(refusal.headers)
    return response


def _not_here(error: HTTPException) -> Response:
    response = jsonify(detail=error.name)
    response.status_code = error.code or 500
    # Such as the methods that a route has.
    response.headers.extend((name, value) for name, value in error.get_headers() if name == "Allow")
    return response


def _failed(error: Exception) -> tuple[Response, int]:
    LOGGER.error("%s %s failed", request.method, request.path, exc_info=error)
    return jsonify(detail="the service failed on this request; its log says why"), 500
