"""The benchmark against PyTorch runs, and writes what it is asked for."""

import json

import pytest

pytestmark = pytest.mark.parity
KEYS = {"what", "name", "batch", "precision", "peer", "ours_seconds", "peer_seconds", "ratio"}


def test_every_peer_keeps_what_it_promises(tmp_path):
    """On two photos: PyTorch's loop reaches what ours does, and the rows have their fields."""
    import bench_vs_torch  # needs PyTorch, which the other tests do without

    file = tmp_path / "bench.json"
    name = "tf_efficientnet_lite0"
    words = ["--json", file, "--classifiers", name, "--end-to-end", name, "--images", 2]
    bench_vs_torch.main([str(word) for word in [*words, "--repeats", 1, "--rounds", 1]])
    result = json.loads(file.read_text())
    assert {"device", "versions"} <= set(result)
    assert {row["what"] for row in result["rows"]} == {"gradient_step", "end_to_end"}
    for row in result["rows"]:
        assert set(row) >= KEYS
        assert row["ratio"] == pytest.approx(row["peer_seconds"] / row["ours_seconds"])
    ends = [row for row in result["rows"] if row["what"] == "end_to_end"]
    assert {row["peer"] for row in ends} == {"timm-eager", "foolbox"}
    for row in ends:
        assert row["ours_kept"] == 2
        if row["peer"] == "timm-eager":
            assert row["peer_kept"] == 2
        if row["peer"] == "timm-eager" and row["variant"] != "fixed steps":
            assert abs(row["peer_steps"] - row["ours_steps"]) <= 1, "the same update rule"
