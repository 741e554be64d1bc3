"""A conditional inpainting GAN for faces: it fills regions that it never sees."""
