"""Programs compiled for accelerators that are not there, and what their text says."""

from importlib.util import find_spec

import compile_for
import pytest
import roofline_page
from compile_for import STUDY, Case
from compiled_text import collectives, kernels, layout_changes, size_of

from jaxanon.classifiers.families import FAMILIES

SMALL = "mobilenetv3_small_050"
TRIGGERS = ["resnet18", "resnet152", "xception65"]

COMPILED = """HloModule jit_f, entry_computation_layout={(f32[2,3]{1,0})->f32[2,3]{1,0}}

%fused (p: f32[2,3]) -> f32[2,3] {
  %p = f32[2,3]{1,0} parameter(0)
  ROOT %n = f32[2,3]{1,0} negate(%p)
}

ENTRY %main (a: f32[2,3], b: bf16[4]) -> f32[2,3] {
  %a = f32[2,3]{1,0} parameter(0)
  %b = bf16[4]{0} parameter(1)
  %loop = f32[2,3]{1,0} fusion(%a), kind=kLoop, calls=%fused
  %transpose_fusion = f32[3,2]{1,0} fusion(%loop), kind=kInput, calls=%fused
  %conv = (f32[2,3]{1,0}, u8[10]{0}) custom-call(%loop, %b), custom_call_target="__cudnn$conv"
  %get = f32[2,3]{1,0} get-tuple-element(%conv), index=0
  ROOT %sum = f32[2,3]{1,0} all-reduce(%get), to_apply=%fused
}
"""


def test_kernels_are_read_from_the_text():
    found = kernels(COMPILED)
    assert found.launches == {"fusion:loop": 1, "transpose": 1, "cudnn$conv": 1, "all-reduce": 1}
    assert found.bytes == {"fusion:loop": 48, "transpose": 48, "cudnn$conv": 66, "all-reduce": 48}
    assert layout_changes(found) == (1, 48)
    assert collectives(found) == 1
    assert size_of("(f32[2,3]{1,0}, pred[], bf16[8]{0}, f8e4m3fn[5])") == 24 + 1 + 16 + 5
    near = "(bf16[32,56]{1,0:T(8,128)(2,1)S(1)}, u32[2]{0:T(128)})"
    assert size_of(near) == 8, "what stays in vector memory is not counted"


def test_what_is_fetched_ahead_counts_once():
    far, near = "bf16[8,4]{1,0:T(8,128)}", "bf16[8,4]{1,0:T(8,128)S(1)}"
    half = "bf16[4,4]{1,0:T(8,128)S(1)}"
    text = f"""
ENTRY %main (a: bf16[8,4]) -> bf16[8,4] {{
  %a = {far} parameter(0)
  %slice-start = (({far}), {half}, s32[]{{:S(2)}}) slice-start(%a), slice={{[0:4], [0:4]}}
  %slice-done = {half} slice-done(%slice-start)
  %fusion = {near} fusion(%slice-done), kind=kLoop, calls=%f
  %copy-start = ({far}, {near}, u32[]{{:S(2)}}) copy-start(%fusion)
  ROOT %copy-done = {far} copy-done(%copy-start)
}}
"""
    found = kernels(text)
    assert found.launches == {"ahead": 2, "fusion:loop": 1}
    assert found.bytes["ahead"] == 2 * 16 + 2 * 32, "half is read, the whole is written"
    assert layout_changes(found) == (0, 0)


def test_the_page_shows_what_was_compiled():
    assert roofline_page.PAGE.read_text() == roofline_page.page(roofline_page.read())


def row_of(*case):
    row = compile_for.apart(Case(*case))
    assert not {"aborted", "error"} & row.keys(), row
    return row


def test_a_step_on_two_devices_passes_nothing_and_keeps_what_is_given_away():
    """What is structural, and so the same for every target."""
    forward = row_of("cpu", SMALL, "forward", 1, 2, "float32")
    step = row_of("cpu", SMALL, "advance", 2, 2, "float32")
    assert (step["collectives"], step["callbacks"]) == (0, 0)
    assert step["donated_mb"] > 0
    layers = sum(forward["products"].values())
    canvas = 2 * 2  # two products to make a view, two back
    assert layers > 20
    assert sum(step["products"].values()) <= 2 * layers + canvas, "no gradient of weights"
    assert set(forward["products"]) == {"f32 HIGHEST"}


needs_cuda = pytest.mark.skipif(
    find_spec("jax_cuda13_plugin") is None, reason="needs the extra `aot`"
)


@pytest.mark.aot
@needs_cuda
@pytest.mark.parametrize("program", ["advance", "forward"])
@pytest.mark.parametrize("name", TRIGGERS)
def test_it_compiles_for_an_h100(name, program):
    """Those that brought the compiler down: openxla/xla#47381."""
    row = row_of("h100", name, program, 1, 2, "bfloat16")
    assert row["launches"] > 10
    assert row["layout_changes"] < 5, "kernels lie as they are read"


@pytest.mark.aot
@pytest.mark.slow
@needs_cuda
@pytest.mark.parametrize("program", ["advance", "forward"])
@pytest.mark.parametrize("name", [*(next(iter(f.variants)) for f in FAMILIES.values()), STUDY])
def test_every_family_compiles_for_an_h100(name, program):
    if program == "advance" or "+" not in name:
        assert row_of("h100", name, program, 1, 2, "bfloat16")["launches"] > 10
