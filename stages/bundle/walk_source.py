"""The source of the walk through the trees of a model, in LLVM's language.

There are two ways: from node to node, for any trees, and from place to place, twice as fast, for
trees that are laid out as if all their leaves were at one depth.

Guarantee: leaves are added in float32, in the order of the trees; the sigmoid is computed in
float32 with the host's `expf`, as XGBoost computes it. Where it ends: nothing is checked here. The
numbers of nodes and features must be those of a model that was laid out by `trees`.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

from dagrun.stages.bundle.assembly import LANES, ROOTS, added, lanes, loaded
from dagrun.stages.bundle.walk_layout import NODE, TEST, Walk, even


class _Way(NamedTuple):
    """How eight leaves, at `%at0` to `%at7`, are found: what is done once for a block of trees, and
    for each row, from the block `%enter` to `%leaves`."""

    block: str
    row: str


def _compared(mark: str = "") -> tuple[str, ...]:
    """Return the lines that make of a test `%at@` whether a row goes right, `%right@`."""
    lines = (
        "%most@ = load i32, ptr %at@",
        "%feature@.at = getelementptr i8, ptr %at@, i64 4",
        "%feature@ = load i32, ptr %feature@.at",
        "%spot@ = zext i32 %feature@ to i64",
        "%x@.at = getelementptr i8, ptr %spread.row, i64 %spot@",
        "%x@ = load i32, ptr %x@.at",
        "%right@ = icmp ugt i32 %x@, %most@",
    )
    return tuple(line.replace("@", "@" + mark) for line in lines)


def _any_depth() -> _Way:
    step = lanes(
        *_compared(),
        "%left@.at = getelementptr i8, ptr %at@, i64 8",
        "%left@ = load i32, ptr %left@.at",
        "%mask@ = sext i1 %right@ to i32",
        f"%step@ = and i32 %mask@, {NODE.itemsize}",
        "%to@ = add i32 %left@, %step@",
        "%next@ = zext i32 %to@ to i64",
    )
    return _Way(
        block=f"""
  %first = mul i64 %place, {LANES}
{lanes(*ROOTS)}
  %depth.at = getelementptr i32, ptr %depths, i64 %place
  %depth = load i32, ptr %depth.at""",
        row=f"""
  br label %level
level:
  %tested = phi i32 [0, %enter], [%tested.next, %test]
{lanes("%here@ = phi i64 [%root@, %enter], [%next@, %test]")}
{lanes("%at@ = getelementptr i8, ptr %nodes, i64 %here@")}
  %level.more = icmp ult i32 %tested, %depth
  br i1 %level.more, label %test, label %leaves
test:
{step}
  %tested.next = add i32 %tested, 1
  br label %level""",
    )


def _one_depth(depth: int) -> _Way:
    tests, leaves = TEST.itemsize << depth, 4 << depth
    first_leaf = LANES * tests - leaves
    parts = [lanes("%place@.0 = add i64 0, 1")]
    for level in range(depth):
        here, there = f"%place@.{level}", f"%place@.{level + 1}"
        parts += [
            "\n".join(
                f"  %tests{lane}.{level} = getelementptr i8, ptr %trees.at, i64 {lane * tests}"
                for lane in range(LANES)
            ),
            lanes(
                f"%at@.{level} = getelementptr i64, ptr %tests@.{level}, i64 {here}",
                *_compared(f".{level}"),
                f"%twice@.{level} = add i64 {here}, {here}",
                f"%bit@.{level} = zext i1 %right@.{level} to i64",
                f"{there} = add i64 %twice@.{level}, %bit@.{level}",
            ),
        ]
    ends = "\n".join(
        f"  %ends{lane} = getelementptr i8, ptr %trees.at, i64 {first_leaf + lane * leaves}\n"
        f"  %at{lane} = getelementptr float, ptr %ends{lane}, i64 %place{lane}.{depth}"
        for lane in range(LANES)
    )
    return _Way(
        block=f"""
  %trees.offset = mul i64 %place, {even(depth).itemsize}
  %trees.at = getelementptr i8, ptr %nodes, i64 %trees.offset""",
        row="\n".join(["", *parts, ends, "  br label %leaves"]),
    )


_BOUND = f"0x{struct.unpack('<Q', struct.pack('<d', np.float32(88.7)))[0]:X}"
"""XGBoost clips `-margin` here, and adds 1e-16 to the denominator (src/common/math.h, `Sigmoid`);
that is at least 1, where float32 cannot tell. LLVM writes a float as the bits of the double."""
_SOURCE = f"""
define void @walk(ptr %given) {{
entry:
{loaded(Walk)}
  %half = mul i64 %width, 2
  %stride = add i64 %half, 1
  br label %part
part:
  %begin = phi i64 [0, %entry], [%end, %answers]
  %part.more = icmp ult i64 %begin, %count
  br i1 %part.more, label %rows.of, label %done
rows.of:
  %rest = sub i64 %count, %begin
  %short = icmp ult i64 %rest, %together
  %size = select i1 %short, i64 %rest, i64 %together
  %end = add i64 %begin, %size
  br label %prepare
prepare:
  %fresh = phi i64 [0, %rows.of], [%fresh.next, %copy]
  %fresh.more = icmp ult i64 %fresh, %size
  br i1 %fresh.more, label %start, label %block
start:
  %fresh.number = add i64 %begin, %fresh
  %offset = mul i64 %fresh.number, %width
  %features = getelementptr float, ptr %rows, i64 %offset
  %fresh.offset = mul i64 %fresh, %stride
  %first.half = getelementptr i32, ptr %spread, i64 %fresh.offset
  %second.half = getelementptr i32, ptr %first.half, i64 %width
  %last = getelementptr i32, ptr %second.half, i64 %width
  store i32 0, ptr %last
  %fresh.margin = getelementptr float, ptr %margins, i64 %fresh.number
  store float %base, ptr %fresh.margin
  %fresh.next = add i64 %fresh, 1
  br label %copy
copy:
  %column = phi i64 [0, %start], [%column.next, %copied]
  %column.more = icmp ult i64 %column, %width
  br i1 %column.more, label %copied, label %prepare
copied:
  %from = getelementptr float, ptr %features, i64 %column
  %feature = load float, ptr %from
  %missing = fcmp uno float %feature, 0.0
  %unsigned.zero = fadd float %feature, 0.0
  %bits = bitcast float %unsigned.zero to i32
  %sign = ashr i32 %bits, 31
  %turned = or i32 %sign, {-(2**31)}
  %key = xor i32 %bits, %turned
  %highest = select i1 %missing, i32 -1, i32 %key
  %lowest = select i1 %missing, i32 0, i32 %key
  %first.at = getelementptr i32, ptr %first.half, i64 %column
  %second.at = getelementptr i32, ptr %second.half, i64 %column
  store i32 %highest, ptr %first.at
  store i32 %lowest, ptr %second.at
  %column.next = add i64 %column, 1
  br label %copy
block:
  %place = phi i64 [0, %prepare], [%place.next, %row]
  %block.more = icmp ult i64 %place, %blocks
  br i1 %block.more, label %trees, label %answers
trees:@block
  %place.next = add i64 %place, 1
  br label %row
row:
  %row.number = phi i64 [0, %trees], [%row.next, %leaves]
  %row.more = icmp ult i64 %row.number, %size
  br i1 %row.more, label %enter, label %block
enter:
  %row.offset = mul i64 %row.number, %stride
  %spread.row = getelementptr i32, ptr %spread, i64 %row.offset@row
leaves:
  %margin.number = add i64 %begin, %row.number
  %margin.at = getelementptr float, ptr %margins, i64 %margin.number
  %margin = load float, ptr %margin.at
{added("float", "%margin")}
  store float %sum{LANES - 1}, ptr %margin.at
  %row.next = add i64 %row.number, 1
  br label %row
answers:
  %number = phi i64 [%begin, %block], [%number.next, %answer]
  %number.more = icmp ult i64 %number, %end
  br i1 %number.more, label %answer, label %part
answer:
  %total.at = getelementptr float, ptr %margins, i64 %number
  %value.at = getelementptr float, ptr %values, i64 %number
  %total = load float, ptr %total.at
  %sigmoid = call float @sigmoid(float %total)
  %is.logistic = icmp ne i32 %logistic, 0
  %value = select i1 %is.logistic, float %sigmoid, float %total
  store float %value, ptr %value.at
  %number.next = add i64 %number, 1
  br label %answers
done:
  ret void
}}

define float @sigmoid(float %margin) {{
  %negative = fneg float %margin
  %small = fcmp olt float %negative, {_BOUND}
  %bounded = select i1 %small, float %negative, float {_BOUND}
  %power = call float @expf(float %bounded)
  %denominator = fadd float %power, 1.0
  %probability = fdiv float 1.0, %denominator
  ret float %probability
}}

define float @logit(float %score) {{
  %inverse = fdiv float 1.0, %score
  %odds = fsub float %inverse, 1.0
  %log = call float @logf(float %odds)
  %margin = fneg float %log
  ret float %margin
}}

declare float @expf(float)
declare float @logf(float)
"""


def source(depth: int | None) -> str:
    """Return the functions `walk`, for trees of one depth or else of any, `sigmoid` and `logit`."""
    way = _any_depth() if depth is None else _one_depth(depth)
    return _SOURCE.replace("@block", way.block).replace("@row", way.row)
