import re

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from jaxanon.classifiers import registry
from jaxanon.classifiers.families import efficientnet_lite
from jaxanon.classifiers.layers.basic import Conv, Depthwise, Linear, Pointwise
from jaxanon.classifiers.layers.norms import BatchNorm
from jaxanon.classifiers.loading import load_classifier
from jaxanon.classifiers.weights.port import leaves, port
from jaxanon.errors import WeightsError


class Net(nnx.Module):
    def __init__(self):
        self.conv = Conv(3, 8, 3, padding=1, norm=BatchNorm("bn", 1e-3))
        self.deep = nnx.List([Depthwise(8, 3, padding="same", norm=BatchNorm("norm", 1e-5))])
        self.point = Pointwise(8, 4)
        self.head = Linear(4, 5)

    def __call__(self, x):
        return self.head(self.point(self.deep[0](self.conv(x))).mean((1, 2)))


def state_of(rng):
    def norm(prefix, n):
        return {
            f"{prefix}.weight": rng.uniform(0.5, 2, n),
            f"{prefix}.bias": rng.normal(size=n),
            f"{prefix}.running_mean": rng.normal(size=n),
            f"{prefix}.running_var": rng.uniform(0.1, 2, n),
            f"{prefix}.num_batches_tracked": np.int64(7).reshape(()),
        }

    state = {
        "conv.weight": rng.normal(size=(8, 3, 3, 3)),
        "deep.0.weight": rng.normal(size=(8, 1, 3, 3)),
        "point.weight": rng.normal(size=(4, 8, 1, 1)),
        "point.bias": rng.normal(size=4),
        "head.weight": rng.normal(size=(5, 4)),
        "head.bias": rng.normal(size=5),
        **norm("bn", 8),
        **norm("deep.norm", 8),
    }
    return {
        key: value.astype(np.float32) if value.dtype == np.float64 else value
        for key, value in state.items()
    }


def test_folding_equals_convolution_then_batch_norm(rng):
    state = state_of(rng)
    model = Net()
    port(model, state, "test")
    x = jnp.asarray(rng.normal(size=(2, 9, 9, 3)), jnp.float32)

    def norm(y, prefix, eps):
        mean, var = state[f"{prefix}.running_mean"], state[f"{prefix}.running_var"]
        gain, shift = state[f"{prefix}.weight"], state[f"{prefix}.bias"]
        y = (np.asarray(y, np.float64) - mean) / np.sqrt(var + eps) * gain + shift
        return jnp.asarray(y, jnp.float32)

    def convolve(x, key, groups):
        return lax.conv_general_dilated(
            x, state[key].transpose(2, 3, 1, 0), (1, 1), "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups,
        )  # fmt: skip

    y = norm(convolve(x, "conv.weight", 1), "bn", 1e-3)
    y = norm(convolve(y, "deep.0.weight", 8), "deep.norm", 1e-5)
    y = convolve(y, "point.weight", 1) + state["point.bias"][None, None, None]
    y = y.mean((1, 2)) @ state["head.weight"].T + state["head.bias"][None]
    np.testing.assert_allclose(model(x), y, rtol=1e-4, atol=1e-4)


def test_one_error_lists_all_that_is_wrong(rng):
    state = state_of(rng)
    del state["conv.weight"]
    state["head.weight"] = state["head.weight"].T
    state["bn.running_var"][3] = np.nan
    state["point.bias"] = state["point.bias"].astype(np.int32)
    state["extra.weight"] = np.zeros(3, np.float32)
    with pytest.raises(WeightsError) as error:
        port(Net(), state, "broken.pth")
    text = str(error.value)
    for part in (
        "broken.pth",
        "missing: conv.weight (8, 3, 3, 3)",
        "shape: head.weight is (4, 5), the architecture has (5, 4)",
        "value: bn.running_var is not finite",
        "type: point.bias is int32",
        "unused: extra.weight (3,)",
    ):
        assert part in text


def test_negative_variance_is_refused(rng):
    state = state_of(rng)
    state["deep.norm.running_var"][0] = -1
    with pytest.raises(WeightsError, match=r"deep\.norm\.running_var has negative"):
        port(Net(), state, "x")


@pytest.mark.parametrize("architecture", list(efficientnet_lite.VARIANTS))
def test_every_package_key_has_a_timm_name(architecture):
    """The names of EfficientNet-PyTorch, by its own numbering, reach every layer exactly once."""
    wanted = set(leaves(efficientnet_lite.build(architecture, 1000, 224)))
    number, keys = 0, ["_conv_stem.weight", "_conv_head.weight", "_fc.weight"]
    for stage, (group,) in enumerate(efficientnet_lite.stages(architecture)):
        for _ in range(group.blocks):
            parts = ["_depthwise_conv", "_project_conv"] + (["_expand_conv"] if stage else [])
            keys += [f"_blocks.{number}.{part}.weight" for part in parts]
            number += 1
    names = [efficientnet_lite.rename(architecture, key) for key in keys]
    assert {name.removesuffix(".weight") for name in names} == wanted
    assert len(set(names)) == len(names)
    for foreign in (
        f"_blocks.{number}._bn1.weight",
        "_blocks.0._expand_conv.weight",
        "stem.weight",
    ):
        assert efficientnet_lite.rename(architecture, foreign) == foreign


def test_weights_of_another_variant_are_refused(photos):
    with pytest.raises(WeightsError, match=r"lite1 from .*do not fit") as error:
        load_classifier("tf_efficientnet_lite1", registry.find("tf_efficientnet_lite0").installed)
    assert "shape: " in str(error.value)
    assert re.search(r"shape: \.\.\. and \d+ more", str(error.value))
    assert "nearest known architecture: tf_efficientnet_lite0 (100%" in str(error.value)
