"""Pascal VOC: an XML file of boxes per image.

Source: http://host.robots.ox.ac.uk/pascal/VOC/. Corners are taken as they stand, as today's tools
write them, not as counted from 1.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from jaxanon.regions.annotation import Annotation, path_of, size_of
from jaxanon.regions.shapes import AnnotatedShape

KNOWN = {"object", "size", "source", "owner"}
"""Elements with others in them; whatever else holds some may be a misspelt object."""


def read(root: Element, name: str | None = None) -> Annotation:
    """The annotations of one image.

    Args:
        root: root of the XML.
        name: path of the image; by default what the file says.

    Raises:
        ValueError: where it is malformed.
    """
    if root.tag != "annotation":
        raise ValueError(f"its root is <{root.tag}>, not <annotation>")
    unknown = [child.tag for child in root if len(child) and child.tag not in KNOWN]
    if unknown:
        raise ValueError(f"<{unknown[0]}> is no element of Pascal VOC")
    shapes = tuple(_shape(element) for element in root.iter("object"))
    size = size_of(root.findtext("size/width"), root.findtext("size/height"))
    return Annotation(path_of(name or root.findtext("filename")), shapes, size)


def _shape(element: Element) -> AnnotatedShape:
    texts = [element.findtext(f"bndbox/{edge}") for edge in ("xmin", "ymin", "xmax", "ymax")]
    label = element.findtext("name")
    if None in texts:
        raise ValueError(f"an <object> ({label}) without a whole <bndbox>")
    x0, y0, x1, y1 = (float(text or "") for text in texts)
    return AnnotatedShape((x0, y0, x1, y1), label=label)
