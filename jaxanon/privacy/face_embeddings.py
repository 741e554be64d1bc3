"""Who is it? Face embeddings by dlib, whose weights come in `face_recognition_models`.

Source: King, "Dlib-ml", JMLR 2009, and its face recognition network of 2017: a ResNet that maps an
aligned face of 150 pixels to 128 numbers; faces of one person lie nearer than 0.6.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from jaxanon.errors import UsageError
from jaxanon.regions.region import Box
from jaxanon.runtime.packages import package_folder

CHIP = 150
CONTEXT = 0.5
"""Share of its longer side by which the window around a face reaches beyond it."""
MODELS = ("shape_predictor_5_face_landmarks.dat", "dlib_face_recognition_resnet_model_v1.dat")


@dataclass(frozen=True)
class Window:
    """A face's place in its picture, scaled so that the face has the size that the network sees.

    Attributes:
        left, top, right, bottom: edges of the window, in pixels of the picture.
        scale: pixels of the window as it is cut out, per pixel of the picture.
        shape: dlib's landmarks of the face, in pixels of the window as it is cut out.
    """

    left: int
    top: int
    right: int
    bottom: int
    scale: float
    shape: Any

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """The window, `(h, w, 3)` uint8, of a picture `(H, W, 3)` uint8 of the same size."""
        part = Image.fromarray(picture[self.top : self.bottom, self.left : self.right])
        width, height = (max(round(side * self.scale), 1) for side in part.size)
        return np.asarray(part.resize((width, height), Image.Resampling.BICUBIC))


class Embedder:
    """Embeds faces; any thread may ask.

    Raises:
        UsageError: when the packages are missing.
    """

    def __init__(self) -> None:
        folder = package_folder("face_recognition_models")
        try:
            import dlib
        except ImportError as error:
            raise UsageError(
                f"comparing faces needs a package that is missing ({error}); "
                "pip install 'jaxanon[privacy]'"
            ) from error
        if folder is None:
            raise UsageError(
                "comparing faces needs face_recognition_models; pip install 'jaxanon[privacy]'"
            )
        self._dlib = dlib
        self._lock = threading.Lock()  # the network keeps its buffers between two calls
        landmarks, network = (str(folder / "models" / name) for name in MODELS)
        self._landmarks = dlib.shape_predictor(landmarks)
        self._network = dlib.face_recognition_model_v1(network)

    def window(self, original: np.ndarray, box: Box) -> Window:
        """The window around a face of an original; attackers are granted its true landmarks.

        Args:
            original: `(H, W, 3)` uint8.
            box: left, top, right and bottom of the face, in pixels.
        """
        height, width = original.shape[:2]
        x0, y0, x1, y1 = box
        reach = CONTEXT * max(x1 - x0, y1 - y0)
        left, top = max(0, int(x0 - reach)), max(0, int(y0 - reach))
        right, bottom = min(width, int(np.ceil(x1 + reach))), min(height, int(np.ceil(y1 + reach)))
        window = Window(left, top, right, bottom, CHIP / max(x1 - x0, y1 - y0), None)
        inner = [
            round((edge - start) * window.scale)
            for edge, start in zip(box, (left, top) * 2, strict=True)
        ]
        with self._lock:
            shape = self._landmarks(window.cut(original), self._dlib.rectangle(*inner))
        return Window(left, top, right, bottom, window.scale, shape)

    def embed(self, window: Window, cut: np.ndarray) -> np.ndarray:
        """Embedding `(128,)` float64 of a face.

        Args:
            window: where the face lies.
            cut: `(h, w, 3)` uint8, the face as its window cuts it out, perhaps changed since.
        """
        chip = self._dlib.get_face_chip(np.ascontiguousarray(cut), window.shape, CHIP)
        with self._lock:
            return np.array(self._network.compute_face_descriptor(chip))
