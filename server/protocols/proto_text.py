"""The text of a .proto file, from its descriptor.

Guarantee: `protoc` reads the text as the very descriptor it was written from. Where it ends: only
what typed files hold is written (messages of scalars and messages, one level deep, optional or
repeated; reserved numbers; unary methods); a test compiles it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    ServiceDescriptorProto,
)

Comments = Mapping[str, str]
"""What to say about a message (`Row`), a field (`Row.distance`) or a service, by its name."""


def proto_text(file: FileDescriptorProto, heading: str, comments: Comments) -> str:
    """Return the text of a file, which ends with a line break."""
    return "\n".join(_lines(file, heading, comments)) + "\n"


def _lines(file: FileDescriptorProto, heading: str, comments: Comments) -> Iterator[str]:
    yield from _comment(heading, "")
    yield f'syntax = "{file.syntax}";'
    yield ""
    yield f"package {file.package};"
    yield ""
    for dependency in file.dependency:
        yield f'import "{dependency}";'
    for option, value in file.options.ListFields():
        written = str(value).lower() if isinstance(value, bool) else f'"{value}"'
        yield f"option {option.name} = {written};"
    for service in file.service:
        yield ""
        yield from _service(service, comments)
    for message in file.message_type:
        yield ""
        yield from _message(message, file.package, comments)


def _service(service: ServiceDescriptorProto, comments: Comments) -> Iterator[str]:
    yield from _comment(comments.get(service.name, ""), "")
    yield f"service {service.name} {{"
    for method in service.method:
        taken, given = (name.rpartition(".")[2] for name in (method.input_type, method.output_type))
        yield f"  rpc {method.name}({taken}) returns ({given});"
    yield "}"


def _message(message: DescriptorProto, package: str, comments: Comments) -> Iterator[str]:
    yield from _comment(comments.get(message.name, ""), "")
    yield f"message {message.name} {{"
    for kept in message.reserved_range:
        yield f"  reserved {kept.start};"
    for field in message.field:
        yield from _comment(comments.get(f"{message.name}.{field.name}", ""), "  ")
        yield f"  {_label(field)}{_type(field, package)} {field.name} = {field.number};"
    yield "}"


def _label(field: FieldDescriptorProto) -> str:
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return "repeated "
    return "optional " if field.proto3_optional else ""


def _type(field: FieldDescriptorProto, package: str) -> str:
    if field.type_name:
        return field.type_name.removeprefix(f".{package}.").removeprefix(".")
    return FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()


def _comment(text: str, indent: str) -> Iterator[str]:
    for line in text.splitlines():
        yield f"{indent}// {line}".rstrip()
