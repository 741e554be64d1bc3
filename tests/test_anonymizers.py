from argparse import ArgumentParser
from dataclasses import dataclass, field

import numpy as np
import pytest
from samples import picture
from scipy.ndimage import gaussian_filter

from jaxanon.anonymizers import ANONYMIZERS, anonymize, make, whole_image_methods
from jaxanon.anonymizers.anonymizer import (
    Anonymized,
    Anonymizer,
    AnonymizerOptions,
    described,
    register,
)
from jaxanon.anonymizers.gaussian import gaussian_blur
from jaxanon.anonymizers.pixelate import mosaic
from jaxanon.anonymizers.solid import GREY, Solid
from jaxanon.cli.anonymizer_flags import add_anonymizer_flags, anonymizer_from
from jaxanon.errors import ImageError, UsageError
from jaxanon.privacy.attacks import deviation_of
from jaxanon.regions.region import Region


@pytest.mark.parametrize("sigma", [0.4, 3.0, 40.0])
def test_blur_is_a_gaussian(sigma):
    image = picture(0, 70, 90).astype(np.float32)
    wanted = gaussian_filter(
        image, (sigma, sigma, 0), mode="nearest", radius=(int(np.ceil(4 * sigma)),) * 2 + (0,)
    )
    np.testing.assert_allclose(gaussian_blur(image, sigma), wanted, atol=0.01)


def test_pixelate_shows_the_mean_of_each_cell():
    image = picture(1, 40, 60).astype(np.float64)
    out = mosaic(image, 10)
    np.testing.assert_allclose(
        out[:10, :10], np.broadcast_to(image[:10, :10].mean((0, 1)), (10, 10, 3))
    )
    assert len(np.unique(out[..., 0])) == 4 * 6
    np.testing.assert_allclose(out.mean((0, 1)), image.mean((0, 1)))
    odd = mosaic(picture(2, 37, 53).astype(np.float64), 8.5)
    assert odd.shape == (37, 53, 3)
    assert len(np.unique(odd[..., 0])) == round(37 / 8.5) * round(53 / 8.5)


def test_strength_is_on_the_scale_of_a_256_pixel_short_side():
    image = picture(3, 128, 200)
    strong = anonymize(image, "pixelate", strength=16)
    np.testing.assert_array_equal(strong, np.rint(mosaic(image.astype(np.float32), 8)))


def test_solid_leaves_nothing():
    image = picture(4, 30, 40)
    assert (anonymize(image, "solid") == GREY).all()


@pytest.mark.parametrize("method", ["blur", "pixelate", "solid"])
def test_only_the_region_changes_and_its_core_is_fully_anonymized(method):
    image = picture(5, 120, 160)
    mask, core = np.zeros((2, 120, 160), bool)
    mask[30:90, 40:100], core[35:85, 45:95] = True, True
    out = anonymize(image, method, region=Region(mask, core, feather=4.0))
    far = np.zeros_like(mask)
    far[:10], far[:, 125:] = True, True
    np.testing.assert_array_equal(out[far], image[far])
    whole = anonymize(image, method)
    np.testing.assert_array_equal(out[core], whole[core])
    if method != "blur":
        np.testing.assert_array_equal(out[~mask], image[~mask])
    else:  # the edge is soft, as in Yang et al.
        edge = (out[60, 85:115].astype(int) - image[60, 85:115]).any(-1)
        assert edge[:10].any()
        assert edge[15:18].any()


@pytest.mark.parametrize(("method", "side"), [("pixelate", 24), ("blur", 16)])
def test_what_would_hide_nothing_is_refused(method, side):
    image = picture(6, side, side)
    with pytest.raises(ImageError, match="hides nothing: give a larger --strength"):
        anonymize(image, method)
    strong = anonymize(image, method, strength=64)
    assert (strong != image).mean() > 0.9


def test_inputs_are_checked():
    with pytest.raises(UsageError, match="unknown method 'blurr'; near matches: blur"):
        make("blurr")
    for value in (0, -1, 300, float("nan"), "6"):
        with pytest.raises(UsageError, match="strength is"):
            make("blur", strength=value)
    with pytest.raises(UsageError, match=r"takes no strength .* --method blur or pixelate, not"):
        make("solid", strength=3)
    with pytest.raises(UsageError, match=r"unknown option of blur 'strenght'; near .*: strength"):
        make("blur", strenght=3)
    assert make("blur", strength=None).recorded() == {"method": "blur", "strength": 6}
    for method, options, text in (
        ("isr", {"size": (8, 6)}, r"size is \(8, 6\); it must be text of the form WxH"),
        ("isr", {"views": "2"}, "views is '2'; it must be a whole number"),
        ("isr", {"motions": 3}, "motions is 3; it must be a path"),
        ("blur", {"strength": "6"}, "strength is '6'; it must be a number"),
        ("blur", {"seed": -1}, "seed is -1; it must be a whole number, 0 or more"),
        ("blur", {"seed": 0.5}, "seed is 0.5; it must be a whole number, 0 or more"),
    ):
        with pytest.raises(UsageError, match=text):
            make(method, **options)
    assert make("isr", views=np.int64(2)).views == 2
    with pytest.raises(UsageError, match="image is a list, expected uint8"):
        anonymize([[0]])
    with pytest.raises(UsageError, match=r"image is float32 \(4, 5, 3\), expected uint8"):
        anonymize(np.zeros((4, 5, 3), np.float32))


def test_methods_that_need_nothing_else_work_on_any_image_with_their_defaults():
    image = picture(7, 90, 120)
    assert set(whole_image_methods()) == {"blur", "pixelate", "solid", "isr"}
    for method in whole_image_methods():
        out = anonymize(image, method)
        assert out.shape == image.shape
        assert (out != image).mean() > 0.5
        np.testing.assert_array_equal(out, anonymize(image, method, seed=0))


def test_a_new_anonymizer_is_known_to_the_command_line_and_the_privacy_report(monkeypatch):
    """It takes one class; its flag, help and range come from its options."""
    monkeypatch.setitem(ANONYMIZERS, "negative", Solid)  # so that it is taken out again

    @dataclass(frozen=True)
    class NegativeOptions(AnonymizerOptions):
        top_level: float = field(
            default=255.0,
            metadata=described("white becomes", "L", float, above=0, at_most=255),
        )

    @register
    class Negative(Anonymizer):
        name = "negative"
        summary = "colours turned round"
        Options = NegativeOptions

        def __call__(self, original, region, view=0):
            return Anonymized((self.options.top_level - original).astype(np.uint8))

        @classmethod
        def equivalent_blur(cls, recorded):
            return recorded["top_level"] / 2

    parser = ArgumentParser()
    add_anonymizer_flags(parser)
    text = " ".join(parser.format_help().split())
    assert "negative (colours turned round)" in text
    assert "--top-level L negative: white becomes (default: 255)" in text
    args = parser.parse_args(["--method", "negative", "--top-level", "200"])
    args.regions = "whole"
    chosen = anonymizer_from(args, seed=0)
    assert (chosen(np.zeros((2, 2, 3), np.uint8), Region()).pixels == 200).all()
    assert deviation_of(chosen.recorded()) == (100, True)
    args = parser.parse_args(["--method", "blur", "--top-level", "200"])
    args.regions = "whole"
    with pytest.raises(UsageError, match="--top-level goes with --method negative, not with blur"):
        anonymizer_from(args, seed=0)


def test_a_region_of_another_image_is_refused():
    image = np.zeros((40, 50, 3), np.uint8)
    with pytest.raises(UsageError, match=r"expected bool \(40, 50\)"):
        anonymize(image, "solid", region=Region(np.ones((5, 5), bool)))
    with pytest.raises(UsageError, match=r"must be Region\(mask=array\)"):
        anonymize(image, "solid", region=np.ones((40, 50), bool))
