"""Which part of an image is private: boxes, masks, faces."""
