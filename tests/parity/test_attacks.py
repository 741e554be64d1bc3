"""Attacks of other packages run on our classifiers, and see in them what we do."""

import json

import numpy as np
import pytest

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning"),  # foolbox's of scipy
]
NAMES = "tf_efficientnet_lite0,tf_efficientnet_lite1"


def needed(kind):
    """The other package, where it is installed: torchattacks does not fit beside the extras."""
    if kind != "LinfPGD":
        pytest.importorskip("torchattacks")


@pytest.mark.parametrize("kind", ["LinfPGD", "DIFGSM"])
def test_a_peer_moves_views_towards_what_the_source_decided(kind, photos):
    import torch
    from attack_peers import Victim, run_attack
    from attack_rows import EPS, PEERS

    from jaxanon.anonymizers import anonymize
    from jaxanon.classifiers.ensemble import Ensemble
    from jaxanon.classifiers.loading import load_classifier
    from jaxanon.classifiers.preprocessing import look
    from jaxanon.io.images import read_image

    needed(kind)
    name = NAMES.split(",")[0]
    classifier = load_classifier(name)
    ours, victim = Ensemble([classifier]), Victim(name, classifier.config)
    originals = [read_image(path) for path, _ in photos[:2]]
    wanted = ours.decide(originals)[0]
    views = [look(anonymize(image, "blur"), classifier.config) for image in originals]

    def scores(images):
        pixels = torch.tensor(np.stack(images)).permute(0, 3, 1, 2) / 255
        return victim(pixels).detach().numpy()

    (logits,) = ours.logits_from_views([[view] for view in views])
    np.testing.assert_allclose(scores(views), logits, atol=1e-4 * np.abs(logits).max())
    made = run_attack(PEERS[kind]._replace(steps=2), victim, views, wanted)
    assert (made.steps, made.gradients) == (2, 2)
    changed = np.abs(np.stack(made.images).astype(int) - np.stack(views))
    assert 0 < changed.max() <= EPS
    if kind == "DIFGSM":  # two small steps of foolbox's go less far than its random start
        picked = np.arange(2), wanted
        assert (scores(made.images)[picked] > logits[picked]).all()


def test_the_script_measures_and_does_nothing_twice(tmp_path, monkeypatch, capsys):
    import compare_attacks
    from attack_rows import OURS, PEERS

    monkeypatch.setitem(PEERS, "LinfPGD", PEERS["LinfPGD"]._replace(steps=2))
    monkeypatch.setitem(OURS, "balanced", {"name": "balanced", "steps": 2})
    monkeypatch.setattr(compare_attacks, "PACKAGES", ("torch", "foolbox"))
    file = tmp_path / "found.json"
    words = ["--classifiers", NAMES, "--batch", "2", "--rounds", "1", "--json", str(file)]
    words += ["--rows", "LinfPGD;balanced"]
    assert compare_attacks.main(words) == 0
    (result,) = (found := json.loads(file.read_text())).values()
    (once,) = result["rounds"]
    peer, ours = once["rows"]["LinfPGD"], once["rows"]["balanced"]
    assert (peer["gradients"], peer["steps"]) == (2, 2)
    assert 0 < ours["gradients"] <= 2
    for row in (peer, ours):
        assert [len(bits) for bits in row["kept"].values()] == [2, 2]
        assert min(row["seconds"], row["cpu_seconds"]) > 0
        assert 20 < row["psnr"] < 50
    assert "foolbox LinfPGD" in capsys.readouterr().out
    assert compare_attacks.main(words) == 0
    assert json.loads(file.read_text()) == found
    assert compare_attacks.main([*words, "--rows", "LinfPDG"]) == 2
    assert "LinfPDG" in capsys.readouterr().err
