import json
from pathlib import Path

from command_line import jaxanon
from PIL import Image

from jaxanon.io.images import read_image


def test_adapt_takes_pairs_of_any_other_anonymizer(zoo, photos_dir, tmp_path, capsys):
    other = tmp_path / "other"
    (other / "sub").mkdir(parents=True)
    for path in photos_dir.rglob("*.*"):
        target = (other / path.relative_to(photos_dir)).with_suffix(".png")
        image = read_image(path)
        Image.fromarray(
            image[::16, ::16].repeat(16, 0).repeat(16, 1)[: image.shape[0], : image.shape[1]]
        ).save(target)
    (other / "a.png").unlink()
    Image.fromarray(read_image(photos_dir / "b.jpg").transpose(1, 0, 2)).save(other / "b.png")
    out = tmp_path / "out"
    code = jaxanon(
        "adapt", photos_dir, other, "-o", out, "--sources", ",".join(zoo[:2]), "--eps", 40
    )
    assert code == 1
    report = json.loads((out / "report.json").read_text())
    errors = {Path(i["input"]).name: i["error"] for i in report["images"]}
    assert "no a.* in" in errors["a.png"]
    assert "turned by 90 degrees?" in errors["b.jpg"]
    assert [errors[n] for n in ("c.webp", "d.png", "e.png")] == [None] * 3
    assert sorted(p.name for p in out.rglob("*.png")) == ["c.png", "d.png", "e.png"]
    assert jaxanon("adapt", photos_dir, other, "-o", other / "x", "--sources", zoo[0]) == 2
    assert "overlap" in capsys.readouterr().err
