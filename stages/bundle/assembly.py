"""What the walks through trees have in common when they are written in LLVM's language.

Eight trees are walked at once, one in each lane: a step waits for memory, and eight steps wait no
longer than one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import llvmlite.binding as llvm

LANES = 8
"""Trees that are walked at once."""
_KINDS = {
    ctypes.c_void_p: "ptr",
    ctypes.c_int64: "i64",
    ctypes.c_int32: "i32",
    ctypes.c_double: "double",
    ctypes.c_float: "float",
}
ROOTS = (
    "%root@.number = add i64 %first, @",
    "%root@.at = getelementptr i32, ptr %roots, i64 %root@.number",
    "%root@.narrow = load i32, ptr %root@.at",
    "%root@ = zext i32 %root@.narrow to i64",
)
"""Lines that find where a lane's tree begins, the block's first tree being `%first`."""


def lanes(*lines: str) -> str:
    """Return lines once for each lane, `@` being its number.

    Lane after lane, few values wait for their turn; the processor does the steps of several at
    once all the same.
    """
    return "\n".join("  " + line.replace("@", str(lane)) for lane in range(LANES) for line in lines)


def added(kind: str, before: str) -> str:
    """Return lines that add the leaves at `%at0` to `%at7` to `before`, in order; the last sum is
    `%sum7`."""
    lines = []
    for lane in range(LANES):
        lines.append(f"  %leaf{lane} = load {kind}, ptr %at{lane}")
        lines.append(f"  %sum{lane} = fadd {kind} {before}, %leaf{lane}")
        before = f"%sum{lane}"
    return "\n".join(lines)


def loaded(given: type[ctypes.Structure]) -> str:
    """Return lines that load each field of what `%given` points to, as a value of its name."""
    fields = [(name, _KINDS[kind]) for name, kind, *_ in given._fields_]
    whole = f"{{{', '.join(kind for _, kind in fields)}}}"
    return "\n".join(
        f"  %{name}.at = getelementptr {whole}, ptr %given, i64 0, i32 {number}\n"
        f"  %{name} = load {kind}, ptr %{name}.at"
        for number, (name, kind) in enumerate(fields)
    )


def compiled(source: str, functions: Sequence[str]) -> tuple[llvm.ExecutionEngine, list[int]]:
    """Compile for this machine; return what holds the code, and the addresses of functions.

    It takes some milliseconds.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(source)
    machine = llvm.Target.from_default_triple().create_target_machine(opt=3)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine, [engine.get_function_address(name) for name in functions]
