"""The typed service of each served model: `dagrun.models.flights.Flights`.

Guarantee: an answer has the bits that `dagrun.v1.Prediction` gives for the same values, and is
encoded by the same code. The messages live in descriptor pools of their own, so no other generated
code in the process can clash with them. A field of any live version of a model is let in by all of
them. Where it ends: a bundle served from a file has no typed service, since field numbers are kept
by a registry; of two models whose names make one package, the first has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from types import MappingProxyType
from typing import Any

import grpc
from google.protobuf import timestamp_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from dagrun.server.protocols.typed_file import TypedFile, typed_file
from dagrun.server.protocols.typed_rows import TypedReader
from dagrun.server.serving.models import Models, ServedModel
from dagrun.server.serving.pool import TURN
from dagrun.server.serving.prediction import Prediction
from dagrun.server.serving.refusals import (
    DeadlinePassed,
    Method,
    ModelNotServed,
    ValuesRefused,
    parsed,
)
from dagrun.server.serving.router import Limited
from dagrun.server.serving.rows import NotAdmitted
from dagrun.server.traffic.arms import attempted, sticky_key


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedService:
    """The typed service of one model at one moment.

    Attributes:
        model: the served name that a request without one means: the model's own, where it is one.
        file: what it was made from.
        pool: has its descriptors.
        request: class of what `Predict` takes.
        live: the name of each field that rows may have, by number.
        readers: a reader for each served version.
    """

    model: str
    file: TypedFile
    pool: DescriptorPool
    request: Any
    live: Mapping[int, str]
    readers: Mapping[ServedModel, TypedReader]


class Typed:
    """The typed services of the models that are served at the moment."""

    def __init__(
        self, models: Models, prediction: Prediction, limited: Callable[[Method], Limited]
    ) -> None:
        """Answer for `models`; `limited` puts a method on its threads."""
        self._models, self._prediction, self._limited = models, prediction, limited
        self._made: tuple[object, Mapping[str, TypedService]] = (None, {})
        self._methods: dict[str, Limited] = {}

    @property
    def services(self) -> Mapping[str, TypedService]:
        """The services by their full names."""
        current = self._models.current
        made_for, services = self._made
        if made_for is not current:
            services = MappingProxyType(_services(self._models.live, services))
            self._made = current, services
        return services

    def method(self, method: str) -> Limited | None:
        """Return what answers `/package.Service/Predict`, None for other methods."""
        service, _, name = method.removeprefix("/").partition("/")
        if name != "Predict" or service not in self.services:
            return None
        if service not in self._methods:
            self._methods[service] = self._limited(self._answering(service))
        return self._methods[service]

    def _answering(self, service: str) -> Method:
        def predict(data: bytes, context: grpc.ServicerContext) -> bytes:
            started = perf_counter_ns()
            if context.time_remaining() == 0:
                raise DeadlinePassed
            return self._predict(service, data, context, started)

        return predict

    def _predict(
        self, name: str, data: bytes, context: grpc.ServicerContext, started: int
    ) -> bytes:
        service = self.services.get(name)
        if service is None:  # replaced since the call was routed
            raise ModelNotServed(name, sorted(self.services))
        request = parsed(service.request, data)
        model = self._models.get(request.model or service.model)
        if model.arms is not None:
            return model.arms.answer(
                sticky_key(context),
                lambda arm: attempted(self._scored(service, arm, request, len(data), started)),
            )
        return self._scored(service, model, request, len(data), started)

    def _scored(
        self,
        service: TypedService,
        model: ServedModel,
        request: Any,
        received: int,
        started: int,
    ) -> bytes:
        TURN.labels = model.labels
        reader = service.readers.get(model.whole)
        if reader is None:
            raise ModelNotServed(model.name, [served.name for served in service.readers])
        self._prediction.check_size(request.rows, "Use PredictTable of dagrun.v1.")
        read = reader.read
        try:
            rows = [read(row) for row in request.rows]
        except NotAdmitted:
            violations = reader.violations(request.rows, service.live)
            raise ValuesRefused(model.name, violations) from None
        return self._prediction.respond(
            model, rows, features=request.include_features, started=started, received=received
        )


def _services(
    models: Iterable[ServedModel], before: Mapping[str, TypedService]
) -> dict[str, TypedService]:
    """Return the services of these models; classes are kept where nothing changed."""
    services: dict[str, TypedService] = {}
    families: dict[str, list[ServedModel]] = {}
    for model in models:
        if model.fields:
            families.setdefault(model.family, []).append(model)
    for family, members in sorted(families.items()):
        service = _service(family, members, before)
        services.setdefault(service.file.service, service)
    return services


def _service(
    family: str, models: Sequence[ServedModel], before: Mapping[str, TypedService]
) -> TypedService:
    # The versions may have been loaded at different times; numbers are only ever added.
    fields = max((model.fields for model in models), key=len)
    names = [model.name for model in models]
    columns = [column for model in models for column in model.bundle.spec.inputs]
    file = typed_file(family, fields, columns)
    same = before.get(file.service)
    if same is None or same.file.proto != file.proto:
        pool = DescriptorPool()
        for needed in _needed(file.proto):
            pool.Add(needed)
        request = GetMessageClass(pool.FindMessageTypeByName(file.request))
    else:
        pool, request = same.pool, same.request
    return TypedService(
        model=family if family in names else names[0],
        file=file,
        pool=pool,
        request=request,
        live={field.number: field.name for field in file.proto.message_type[0].field},
        readers={model: TypedReader(model.bundle.spec.inputs, fields) for model in models},
    )


def _needed(file: FileDescriptorProto) -> Iterator[FileDescriptorProto]:
    if file.dependency:
        instant = FileDescriptorProto()
        timestamp_pb2.DESCRIPTOR.CopyToProto(instant)
        yield instant
    yield file
