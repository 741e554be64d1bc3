"""The page of `jaxanon ui`, made with Gradio: a photo in, what classifiers make of it out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from jaxanon.adaptation.settings import DEFAULT, PRESETS
from jaxanon.cli.trial import Choices, Trial, upright
from jaxanon.errors import JaxanonError

METHODS = {"pixelate": 8.0, "blur": 6.0, "solid": 0.0}
"""Anonymizer -> its strength at first."""
REGIONS = {"all of it": "whole", "what I paint": "painted", "all faces": "faces"}
"""What the page calls regions -> their names."""
HEAD = ["classifier", "role", "on the original", "anonymized", "adapted"]
ABOUT_PRESETS = (
    "fast: until the sources decide as on the original, hardly visible; transfer: much further, so "
    "that other classifiers do so too, visibly; balanced: most of that in less than half of the "
    "time, and more visibly"
)
INTRODUCTION = """# jaxanon: anonymized, and still understood

Hide a photo, and have it adapted until classifiers decide on it as on the original. Sources are
adapted to; the target only looks on. Nothing is kept for longer
than ten minutes.
"""


def theme() -> Any:
    """Colours with enough contrast, and fonts that need no network."""
    import gradio as gr

    plain = gr.themes.Default(
        primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["monospace"]
    )
    return plain.set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_dark="*primary_700",
        button_primary_text_color="white",
    )


def page(trial: Trial, folder: Path, *, faces: bool) -> Any:
    """The page, a `gradio.Blocks`.

    Args:
        trial: tries photos.
        folder: for files to be downloaded.
        faces: whether faces can be found.
    """
    import gradio as gr

    def tried(photo: bytes | None, editor: Any, *choices: Any) -> tuple[Any, ...]:
        """What came of the photo, for all parts of the page that show it."""
        return (gr.Column(visible=True), *_tried(trial, folder, photo, editor, *choices))

    # Files of the page are removed after ten minutes, and when it ends.
    with gr.Blocks(title="jaxanon", analytics_enabled=False, delete_cache=(60, 600)) as blocks:
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            with gr.Column():
                photo = gr.File(label="Photo", file_types=["image"], type="binary")
                editor = gr.ImageEditor(
                    label="Paint here",
                    brush=gr.Brush(colors=["#d02020"], color_mode="fixed"),
                    transforms=(),
                    sources=(),
                    layers=False,
                    type="numpy",
                    format="png",
                )
            with gr.Column():
                choices = _choices(faces=faces)
                go = gr.Button("Hide and adapt", variant="primary")
        outputs = _results()
        photo.change(_shown, photo, editor, api_visibility="private")
        given = [photo, editor, *choices]
        go.click(tried, given, outputs, api_visibility="private", concurrency_limit=1)
    return blocks


def _choices(*, faces: bool) -> list[Any]:
    """What is asked: regions, method, strength, preset."""
    import gradio as gr

    known = [name for name in REGIONS if faces or REGIONS[name] != "faces"]
    regions = gr.Radio(known, value=known[0], label="What is private")
    method = gr.Radio(list(METHODS), value="pixelate", label="How it is hidden")
    strength = gr.Number(
        METHODS["pixelate"],
        label="Strength",
        info="of the hiding: more hides more (nothing to choose for solid)",
    )
    preset = gr.Radio(
        list(PRESETS), value=DEFAULT, label="How far it is adapted", info=ABOUT_PRESETS
    )
    method.change(METHODS.get, method, strength, api_visibility="private")
    return [regions, method, strength, preset]


def _results() -> list[Any]:
    """What is shown in the end, and the part of the page that holds it first of all."""
    import gradio as gr

    def picture(title: str) -> Any:
        alt = f"the {title.lower()} photo"
        plain: dict[str, Any] = {"format": "png", "interactive": False, "buttons": ["fullscreen"]}
        return gr.Image(label=title, alt_text=alt, **plain)

    with gr.Column(visible=False) as results:
        with gr.Row():
            pictures = picture("Anonymized"), picture("Adapted")
        figures = gr.Markdown()
        download = gr.DownloadButton("Download the adapted photo")
        decisions = gr.Dataframe(headers=HEAD, label="Decisions", interactive=False)
        views = gr.Gallery(
            label="What each classifier sees", format="png", columns=2, buttons=["fullscreen"]
        )
    return [results, *pictures, decisions, views, figures, download]


def _shown(photo: bytes | None) -> Any:
    """The photo, to be painted on."""
    if photo is None:
        return None
    with _told():
        return {"background": upright(photo), "layers": [], "composite": None}


def _tried(
    trial: Trial, folder: Path, photo: bytes | None, editor: Any, *choices: Any
) -> tuple[Any, ...]:
    """What came of the photo: two pictures, decisions, views, figures, the file."""
    import gradio as gr

    if photo is None:
        raise gr.Error("Choose a photo first.", print_exception=False)
    regions, method, strength, preset = choices
    chosen = Choices(method, strength, preset, REGIONS[regions])
    with _told():
        found = trial.run(photo, _painted(editor), chosen)
    with tempfile.NamedTemporaryFile(
        prefix="adapted-", suffix=".png", dir=folder, delete=False
    ) as file:
        file.write(found.file)
    rows = [list(row) for row in found.rows]
    return found.anonymized, found.adapted, rows, list(found.views), found.figures, file.name


def _painted(editor: Any) -> np.ndarray | None:
    """Where a photo was painted on, bool `(height, width)`; None where it was not."""
    layers = [np.asarray(layer) for layer in (editor or {}).get("layers", [])]
    if not layers:
        return None
    return np.asarray(np.any([layer[..., 3] > 0 for layer in layers], axis=0))


@contextmanager
def _told() -> Iterator[None]:
    """Show errors to whoever caused them, in place of a traceback."""
    import gradio as gr

    try:
        yield
    except JaxanonError as error:
        raise gr.Error(str(error), print_exception=False) from error
