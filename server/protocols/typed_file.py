"""A model as a .proto file of its own: a message with its columns, and a service.

Guarantee: the descriptor and the text are one thing in two forms; whatever `protoc` makes of the
text talks to the service that serves the descriptor. Request and response have the field numbers
and types of `dagrun.v1`, with real fields in place of the map of values, and the keys of all rows
beside them. Where it ends: a date is its days since 1970 and a time without a zone its
microseconds, as protobuf itself has no type for them; an instant is a `google.protobuf.Timestamp`,
of which only whole microseconds are let in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import timestamp_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.protocols.proto_text import proto_text
from dagrun.stages.bundle import Field
from dagrun.stages.features import Column

_INSTANT = f".{timestamp_pb2.Timestamp.DESCRIPTOR.full_name}"
_TYPES: Final[Mapping[str, FieldDescriptorProto.Type.ValueType]] = {
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "string": FieldDescriptorProto.TYPE_STRING,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "instant": FieldDescriptorProto.TYPE_MESSAGE,
    "timestamp": FieldDescriptorProto.TYPE_INT64,
    "date": FieldDescriptorProto.TYPE_INT32,
}


_KEYS = 100
_FORMS: Final[Mapping[str, str]] = {
    "instant": "An instant, of whole microseconds.",
    "timestamp": "A time without a zone: microseconds since 1970-01-01T00:00:00 on the wall clock.",
    "date": "Days since 1970-01-01.",
}
_SAID: Final[Mapping[str, str]] = {
    "{service}": "Served by `dagrun serve` beside dagrun.v1.Prediction.",
    "Row": "A field that is not set is null.",
    "PredictRequest.model": "Empty for the model itself; or as it is served: name@alias, name@3.",
    "PredictRequest.include_features": "Answer with the feature vectors too.",
    "PredictRequest.request_id": "What the caller calls this request; kept in the prediction log.",
    "PredictRequest.keys": "What each row is about, or nothing at all; kept in the prediction log.",
    "Answer.probability": "Of the positive class, 0 to 1.",
    "Answer.margin": "The raw score, before the sigmoid.",
    "Answer.label": "Whether the probability reaches the threshold.",
    "Answer.confidence": "The probability of the label given.",
    "Answer.features": "The vector the model saw, null as NaN; only when asked for.",
    "Answer.value": "What a regression predicts, which has none of the fields before.",
    "PredictResponse.answers": "One for each row, in the order of the rows.",
    "PredictResponse.model_version": "The version in the registry, from 1.",
    "PredictResponse.arm": "Which arm of a canary or a split answered; empty where there is none.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedFile:
    """The typed file of one model.

    Attributes:
        proto: its descriptor.
        service: the full name of its service.
        request: the full name of the message that `Predict` takes.
    """

    proto: FileDescriptorProto
    service: str
    request: str


def typed_file(model: str, fields: Sequence[Field], columns: Iterable[Column]) -> TypedFile:
    """Return the typed file of a model.

    Args:
        model: the model's name in the registry.
        fields: all fields it ever had; those without a column are reserved.
        columns: the columns that a row may have.
    """
    declared = {(column.name, column.kind) for column in columns}
    words = [word for word in re.split(r"[^A-Za-z0-9]+", model) if word]
    plain = "_".join(words).lower() or "model"
    if not plain[0].isalpha():
        plain = f"model_{plain}"
    package = f"dagrun.models.{plain}"
    camel = "".join(word[0].upper() + word[1:] for word in plain.split("_"))
    proto = FileDescriptorProto(
        name=f"dagrun/models/{plain}.proto", package=package, syntax="proto3"
    )
    live = [field for field in fields if (field.column, field.kind) in declared]
    if any(field.kind == "instant" for field in live):
        proto.dependency.append(timestamp_pb2.DESCRIPTOR.name)
    proto.options.java_package = package
    proto.options.java_multiple_files = True
    proto.options.java_outer_classname = f"{camel}Proto"
    proto.options.go_package = f"dagrun/models/{plain};{plain}"
    proto.options.csharp_namespace = f"Dagrun.Models.{camel}"
    proto.message_type.append(_row(live, [field for field in fields if field not in live]))
    for message in _messages():
        proto.message_type.append(_moved(message, package))
        if message is pb.PredictRequest.DESCRIPTOR:
            # A row has its key beside it, so that columns have all names and numbers to themselves.
            proto.message_type[-1].field.add(
                name="keys",
                number=_KEYS,
                type=FieldDescriptorProto.TYPE_STRING,
                label=FieldDescriptorProto.LABEL_REPEATED,
            )
    taken = {message.name for message in proto.message_type}
    name = f"{camel}Service" if camel in taken else camel
    service = proto.service.add(name=name)
    service.method.add(
        name="Predict",
        input_type=f".{package}.{pb.PredictRequest.DESCRIPTOR.name}",
        output_type=f".{package}.{pb.PredictResponse.DESCRIPTOR.name}",
    )
    return TypedFile(
        proto=proto,
        service=f"{package}.{name}",
        request=f"{package}.{pb.PredictRequest.DESCRIPTOR.name}",
    )


def typed_text(model: str, fields: Sequence[Field], columns: Sequence[Column]) -> str:
    """Return the text of a model's typed file; the arguments are those of `typed_file`."""
    file = typed_file(model, fields, columns)
    heading = (
        f"The typed API of the model {model}, written by `dagrun proto`.\n"
        "\n"
        "Field numbers are kept for the model's name and never used again, so this file may be\n"
        "written anew for each version of the model, and clients may be of different ages."
    )
    comments = {
        name.format(service=file.proto.service[0].name): said for name, said in _SAID.items()
    }
    for field in fields:
        same = [
            column for column in columns if (column.name, column.kind) == (field.column, field.kind)
        ]
        said = [f"The column {field.column!r}."] if field.name != field.column else []
        said += [_FORMS[field.kind]] if field.kind in _FORMS else []
        said += ["Never null."] if not any(column.nullable for column in same) else []
        comments[f"Row.{field.name}"] = "\n".join(said)
    return proto_text(file.proto, heading, comments)


def _row(live: Sequence[Field], gone: Sequence[Field]) -> DescriptorProto:
    row = DescriptorProto(name=pb.Row.DESCRIPTOR.name)
    for place, field in enumerate(live):
        row.field.add(
            name=field.name,
            number=field.number,
            type=_TYPES[field.kind],
            type_name=_INSTANT if field.kind == "instant" else None,
            label=FieldDescriptorProto.LABEL_OPTIONAL,
            proto3_optional=True,
            oneof_index=place,
        )
    for field in live:
        row.oneof_decl.add(name=f"_{field.name}")
    for field in gone:
        row.reserved_range.add(start=field.number, end=field.number + 1)
    return row


def _messages() -> Iterator[Any]:
    """Yield what `Predict` of dagrun.v1 takes and gives, but for its rows."""
    waiting: list[Any] = [pb.PredictResponse.DESCRIPTOR, pb.PredictRequest.DESCRIPTOR]
    seen = [pb.Row.DESCRIPTOR]
    while waiting:
        message = waiting.pop()
        if message not in seen:
            seen.append(message)
            waiting.extend(f.message_type for f in message.fields if f.message_type)
            yield message


def _moved(message: Any, package: str) -> DescriptorProto:
    """Return a message of dagrun.v1 as one of another package."""
    moved = DescriptorProto()
    message.CopyToProto(moved)
    for field in moved.field:
        ours = f".{pb.DESCRIPTOR.package}."
        if field.type_name.startswith(ours):
            field.type_name = f".{package}.{field.type_name.removeprefix(ours)}"
    return moved
