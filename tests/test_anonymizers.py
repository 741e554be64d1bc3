import numpy as np
import pytest
from samples import picture
from scipy.ndimage import gaussian_filter

from jaxanon.anonymizers.naive import GREY, anonymize, blur, pixelate, strength_of
from jaxanon.errors import ImageError, UsageError
from jaxanon.regions.boxes import Region


@pytest.mark.parametrize("sigma", [0.4, 3.0, 40.0])
def test_blur_is_a_gaussian(sigma):
    image = picture(0, 70, 90).astype(np.float32)
    wanted = gaussian_filter(
        image, (sigma, sigma, 0), mode="nearest", radius=(int(np.ceil(4 * sigma)),) * 2 + (0,)
    )
    np.testing.assert_allclose(blur(image, sigma), wanted, atol=0.01)


def test_pixelate_shows_the_mean_of_each_cell():
    image = picture(1, 40, 60).astype(np.float64)
    out = pixelate(image, 10)
    np.testing.assert_allclose(
        out[:10, :10], np.broadcast_to(image[:10, :10].mean((0, 1)), (10, 10, 3))
    )
    assert len(np.unique(out[..., 0])) == 4 * 6
    np.testing.assert_allclose(out.mean((0, 1)), image.mean((0, 1)))
    odd = pixelate(picture(2, 37, 53).astype(np.float64), 8.5)
    assert odd.shape == (37, 53, 3)
    assert len(np.unique(odd[..., 0])) == round(37 / 8.5) * round(53 / 8.5)


def test_strength_is_on_the_scale_of_a_256_pixel_short_side():
    image = picture(3, 128, 200)
    strong = anonymize(image, Region(), "pixelate", 16)
    np.testing.assert_array_equal(strong, np.rint(pixelate(image.astype(np.float32), 8)))


def test_solid_leaves_nothing():
    image = picture(4, 30, 40)
    assert (anonymize(image, Region(), "solid") == GREY).all()


@pytest.mark.parametrize("method", ["blur", "pixelate", "solid"])
def test_only_the_region_changes_and_its_core_is_fully_anonymized(method):
    image = picture(5, 120, 160)
    mask, core = np.zeros((2, 120, 160), bool)
    mask[30:90, 40:100], core[35:85, 45:95] = True, True
    out = anonymize(image, Region(mask, core, feather=4.0), method)
    far = np.zeros_like(mask)
    far[:10], far[:, 125:] = True, True
    np.testing.assert_array_equal(out[far], image[far])
    whole = anonymize(image, Region(), method)
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
        anonymize(image, Region(), method)
    strong = anonymize(image, Region(), method, 64)
    assert (strong != image).mean() > 0.9


def test_inputs_are_checked():
    with pytest.raises(UsageError, match="unknown method 'blurr'; near matches: blur"):
        strength_of("blurr", None)
    for value in (0, -1, 300, float("nan")):
        with pytest.raises(UsageError, match="strength is"):
            strength_of("blur", value)
    with pytest.raises(UsageError, match="takes no strength"):
        strength_of("solid", 3)
    assert strength_of("blur", None) == 6
