"""The privacy report: attacks, what is looked at, the command."""

import json

import numpy as np
import pytest
from PIL import Image
from samples import picture
from skimage import data

from jaxanon.anonymizers import anonymize
from jaxanon.anonymizers.gaussian import gaussian_blur
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.cli.privacy import _groups
from jaxanon.privacy.attacks import ATTACKS, deviation_of
from jaxanon.privacy.examine import Examiner, Variant, likeness, overlap
from jaxanon.privacy.face_embeddings import Embedder
from jaxanon.regions.faces import Detector


@pytest.fixture(scope="module")
def sharp():
    return np.asarray(Image.fromarray(data.astronaut()).resize((128, 128)))


@pytest.mark.parametrize("name", ["wiener", "richardson_lucy"])
def test_deblurring_comes_nearer_to_the_original(sharp, name):
    for deviation in (1.5, 3.0):
        soft = np.rint(gaussian_blur(sharp.astype(np.float32), deviation)) / 255
        restored = ATTACKS[name](soft, deviation)
        assert restored.shape == soft.shape
        assert 0 <= restored.min() <= restored.max() <= 1

        def gap(shown):
            return np.sqrt(np.square(shown - sharp / 255).mean())

        assert gap(restored) < 0.9 * gap(soft)


def test_denoising_removes_a_perturbation_from_a_blurred_image(sharp, rng):
    soft = gaussian_blur(sharp.astype(np.float32), 3.0) / 255
    noisy = np.clip(soft + rng.choice([-1, 1], soft.shape) * 16 / 255, 0, 1)
    restored = ATTACKS["denoise"](noisy, 1.0)
    assert np.square(restored - soft).mean() < 0.2 * np.square(noisy - soft).mean()


@pytest.mark.parametrize("name", list(ATTACKS))
@pytest.mark.parametrize(("shape", "deviation"), [((2, 3, 3), 6.0), ((40, 9, 3), 0.01)])
def test_attacks_take_any_size(name, shape, deviation):
    out = ATTACKS[name](np.full(shape, 0.5), deviation)
    assert out.shape == shape
    assert np.isfinite(out).all()


def test_the_attacker_knows_the_strength():
    assert deviation_of({"method": "blur", "strength": 9}) == (9, True)
    assert deviation_of({"method": "pixelate", "strength": 12})[0] == pytest.approx(12 / 12**0.5)
    assert deviation_of({"method": "isr", "size": "16x8"})[0] == pytest.approx(0.4 * 256 / 8)
    assert deviation_of({"method": "solid", "strength": None}) == deviation_of({}) == (6, False)


def test_likeness_is_that_of_the_field(sharp):
    from skimage.metrics import peak_signal_noise_ratio

    other = anonymize(sharp, "blur", strength=6)
    found = likeness(sharp, other)
    assert found["psnr"] == pytest.approx(peak_signal_noise_ratio(sharp, other))
    assert likeness(sharp, sharp) == {"ssim": 1.0, "psnr": 100.0}
    big = np.tile(sharp, (20, 20, 1))
    assert likeness(big, np.tile(other, (20, 20, 1)))["ssim"] < 1


def test_overlap():
    assert overlap((0, 0, 2, 2), (1, 1, 3, 3)) == pytest.approx(1 / 7)
    assert overlap((0, 0, 1, 1), (1, 0, 2, 1)) == 0
    assert overlap((0, 0, 1, 1), (0, 0, 1, 1)) == 1


@pytest.fixture(scope="module")
def embedder():
    return Embedder()


def test_embeddings_know_a_face_again(embedder):
    face = data.astronaut()
    (box,) = Detector()(face)
    window = embedder.window(face, box)
    own = embedder.embed(window, window.cut(face))
    small = np.asarray(Image.fromarray(face).resize((300, 300)).resize((512, 512)))
    assert np.linalg.norm(own - embedder.embed(window, window.cut(small))) < 0.4
    hidden = anonymize(face, "pixelate", strength=24)
    assert np.linalg.norm(own - embedder.embed(window, window.cut(hidden))) > 0.6
    others = [np.repeat((x * 255).astype(np.uint8)[..., None], 3, 2) for x in data.lfw_subset()[:5]]
    for other in others:
        big = np.asarray(Image.fromarray(other).resize((150, 150)))
        window = embedder.window(big, (10, 10, 130, 140))
        assert np.linalg.norm(own - embedder.embed(window, window.cut(big))) > 0.45


def test_everything_published_is_examined(tinies, embedder):
    ensemble = Ensemble(tinies[:1])
    original = data.astronaut()
    hidden = anonymize(original, "blur", strength=12)
    noisy = np.clip(hidden.astype(int) + 20, 0, 255).astype(np.uint8)
    examiner = Examiner(
        ensemble, 12, ["anonymized", "adapted"], copies=True, faces=(Detector(), embedder)
    )
    seen = examiner.look(original, {"anonymized": hidden, "adapted": noisy}, [hidden])
    assert len(examiner.variants) == len(seen.views) == len(seen.thumbnails) == 1 + 2 * 4 + 1
    at = {column: i for i, column in enumerate(examiner.variants)}
    mean = seen.thumbnails[at[Variant("adapted", "average")]]
    both = seen.thumbnails[at[Variant("adapted")]] + seen.thumbnails[at[Variant("anonymized")]]
    np.testing.assert_allclose(mean, both / 2, atol=1)
    (face,) = seen.faces
    assert face.embeddings.shape == (len(examiner.variants), 128)
    assert face.found.keys() == {"anonymized", "adapted"}
    assert seen.likeness["anonymized"]["psnr"] > seen.likeness["adapted"]["psnr"]
    assert seen.without_views().views == ()


@pytest.fixture
def folders(tmp_path, tinies, tiny_main):
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(6):
        Image.fromarray(picture(i, 60, 80)).save(photos / f"{i}.png")
    words = ["--save-anonymized", tmp_path / "blurred", "--sources", "tf_efficientnet_lite0"]
    words = ["anonymize", photos, "-o", tmp_path / "out", *words, "--quiet"]
    assert tiny_main([*map(str, words)]) == 0
    return tmp_path


def test_the_informed_attacker_knows_the_decisions_of_oracles_too():
    roles = {"a": "source", "b": "oracle", "c": "target"}
    run = {"classifiers": [{"name": name, "role": role} for name, role in roles.items()]}
    groups = {"sources": [2], "oracles": [1], "held out": [0]}
    assert _groups(["c", "b", "a"], run) == (groups, [1, 2], None)
    _, known, why = _groups(["a", "c"], run)
    assert known == []
    assert why == "--classifiers is without b, whose decisions the images keep"


@pytest.fixture
def report(folders, tiny_main):
    def run(*words):
        to = folders / "privacy.json"
        fixed = ("privacy", folders / "photos", folders / "out", "--json", to, "--overwrite")
        names = ("--classifiers", "tf_efficientnet_lite0,tf_efficientnet_lite1")
        status = tiny_main([*map(str, (*fixed, *words, *names))])
        return status, json.loads(to.read_text()) if to.exists() else None

    return run


def test_the_command_prints_and_writes_the_report(folders, report, capsys):
    status, found = report("--anonymized", folders / "blurred", "--no-faces")
    assert status == 0
    assert found["images"] == 6
    assert found["classifiers"] == {"sources": ["tiny_a"], "held out": ["tiny_b"]}
    assert found["deviation"] == 6
    assert found["bits_to_single_out"] == pytest.approx(np.log2(6), abs=0.01)
    assert found["guarantee"]["bits"] == pytest.approx(np.log2(10), abs=0.01)
    kinds = {(row["features"], row["attack"]) for row in found["reidentification"]}
    wanted = {(f, a) for f in ("sources", "held out", "pixels") for a in ("none", *ATTACKS)}
    assert kinds == {
        *wanted,
        ("decisions", "classifiers known"),
        ("pixels", "method known"),
        ("pixels and decisions", "method and classifiers known"),
    }
    for row in found["reidentification"]:
        assert row["gallery"] == 6
        assert row["rank1"]["adapted"]["mean"] <= row["rank5"]["adapted"]["mean"] <= 1
    shown = capsys.readouterr().out
    assert "faces were not looked at: asked for with --no-faces" in shown
    assert "at most 3.32 bits" in shown
    assert "guessing finds 16.7 % and 83.3 % of 6 images" in shown
    assert "takes the blur for 6 pixels of a short side of 256\n" in shown
    assert "6 images compared, 0 failed" in shown


def test_without_the_anonymized_images_there_is_no_difference(folders, report):
    status, found = report("--copies", folders / "blurred", "--no-faces")
    assert status == 0
    assert "average" in {row["attack"] for row in found["reidentification"]}
    for row in found["reidentification"]:
        assert row["rank1"].keys() == {"adapted", "chance"}


def test_a_missing_partner_is_named_and_the_rest_goes_on(folders, report, capsys):
    (folders / "blurred" / "3.png").unlink()
    (folders / "out" / "report.json").unlink()
    status, found = report("--anonymized", folders / "blurred", "--no-faces")
    assert status == 1
    assert found["images"] == 5
    assert "no 3.*" in found["failed"][0]
    assert found["classifiers"] == {"classifiers": ["tiny_a", "tiny_b"]}
    assert found["guarantee"]["bits"] is None
    shown = capsys.readouterr().out
    assert "guaranteed: unknown: no report.json lies beside the adapted images\n" in shown
    assert "256 (assumed; --deviation X tells it)" in shown


def test_images_made_from_the_originals_have_no_guarantee(folders, tiny_main, capsys):
    to = folders / "attacked"
    words = ["attack", folders / "photos", "-o", to, "--sources", "tf_efficientnet_lite0"]
    assert tiny_main([*map(str, words), "--steps", "2", "--quiet"]) == 0
    assert tiny_main(["privacy", str(folders / "photos"), str(to), "--no-faces"]) == 0
    shown = capsys.readouterr().out
    assert "guaranteed: nothing: the images were made from the originals themselves\n" in shown
    assert "bits\n" not in shown.replace("bits single", "")


def test_what_is_told_by_some_of_the_sources_is_not_taken_for_all(folders, tiny_main, capsys):
    words = ["anonymize", folders / "photos", "-o", folders / "two", "--quiet", "--sources"]
    assert tiny_main([*map(str, words), "tf_efficientnet_lite0,tf_efficientnet_lite1"]) == 0
    to = folders / "privacy.json"
    words = ["privacy", folders / "photos", folders / "two", "--json", to, "--no-faces"]
    words += ["--anonymized", folders / "blurred", "--classifiers", "tf_efficientnet_lite0"]
    assert tiny_main([*map(str, words)]) == 0
    found = json.loads(to.read_text())
    assert "without tiny_b" in found["decisions_left_out"]
    assert "the decisions were left out: --classifiers is without" in capsys.readouterr().out
    assert all("told" not in row["rank1"] for row in found["reidentification"])


def test_only_what_was_hidden_is_deblurred(tinies):
    """Elsewhere a filter would spoil what the attacker has already."""
    original = np.asarray(Image.fromarray(data.astronaut()).resize((256, 256)))
    hidden = original.copy()
    hidden[60:120, 60:120] = gaussian_blur(original.astype(np.float32), 6).round()[60:120, 60:120]
    examiner = Examiner(Ensemble(tinies[:1]), 6, ["anonymized", "adapted"], copies=False)
    seen = examiner.look(original, {"anonymized": hidden, "adapted": hidden})
    shown = dict(zip(examiner.variants, seen.thumbnails.reshape(-1, 32, 32, 3), strict=True))
    for attack in ("wiener", "richardson_lucy"):
        apart = np.abs(shown[Variant("adapted", attack)] - shown[Variant("adapted")]).max(-1)
        assert apart[8:14, 8:14].max() > 2
        apart[5:18, 5:18] = 0
        assert apart.max() == 0


def test_faces_are_left_out_where_their_packages_are_missing(report, monkeypatch, capsys):
    import sys

    monkeypatch.setitem(sys.modules, "dlib", None)
    status, found = report()
    assert status == 0
    assert found["faces"] is None
    assert "jaxanon[privacy]" in found["faces_left_out"]
    assert report("--threshold", 0.5)[0] == 2, "asked for, so its lack is an error"
    assert "jaxanon[privacy]" in capsys.readouterr().err


def test_faces_in_the_report(folders, report):
    for place in ("photos", "out", "blurred"):
        shown = (
            data.astronaut()
            if place == "photos"
            else anonymize(data.astronaut(), "pixelate", strength=30)
        )
        Image.fromarray(shown).save(folders / place / "face.png")
    status, found = report("--anonymized", folders / "blurred")
    assert status == 0
    assert found["faces"]["faces"] == 1
    assert found["faces"]["adapted"]["mean"] == 0
    assert found["faces"]["difference"]["worse"] is False
    (row,) = (
        r for r in found["reidentification"] if (r["features"], r["attack"]) == ("faces", "none")
    )
    assert row["gallery"] == 1


def test_the_report_is_kept_out_of_the_inputs(folders, tiny_main, capsys):
    words = ("privacy", folders / "photos", folders / "out", "--json", folders / "out" / "p.json")
    assert tiny_main([*map(str, words)]) == 2
    assert "lies among the inputs" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", '{"classifiers": [1], "settings": {}}', '{"classifiers": [], "settings": {}}',
        '{"classifiers": [{"name": "a", "role": "target"}], "settings": '
        '{"method": "isr", "size": 3}}',
        '{"classifiers": [{"name": "a", "role": "target"}], "settings": {}, "guarantee": {}}',
    ],
)  # fmt: skip
def test_a_damaged_report_of_the_run_is_named(folders, report, text, capsys):
    (folders / "out" / "report.json").write_text(text)
    assert report("--no-faces")[0] == 2
    assert "report.json: not the report of a run" in capsys.readouterr().err


def test_turned_images_are_no_evidence_of_privacy(folders, report, capsys):
    Image.fromarray(data.chelsea()[:300, :300]).save(folders / "photos" / "cat.png")
    for place in ("out", "blurred"):
        turned = np.rot90(data.chelsea()[:300, :300], 2)
        Image.fromarray(np.ascontiguousarray(turned)).save(folders / place / "cat.png")
    status, found = report("--no-faces")
    assert status == 1
    assert "turned by 180 degrees" in found["failed"][0]
    assert found["images"] == 6


def test_views_are_named_where_one_must_be_chosen(folders, tiny_main, capsys):
    view = folders / "views" / "view-1"
    view.mkdir(parents=True)
    for path in (folders / "out").glob("*.png"):
        path.rename(view / path.name)
    (folders / "out" / "report.json").rename(folders / "views" / "report.json")
    assert (
        tiny_main(["privacy", str(folders / "photos"), str(folders / "views"), "--no-faces"]) == 1
    )
    assert "give one, such as" in capsys.readouterr().err
    assert tiny_main(["privacy", str(folders / "photos"), str(view), "--no-faces"]) == 0
    assert "sources" in capsys.readouterr().out, "the report lies above the view"
