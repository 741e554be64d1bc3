"""A conditional inpainting GAN for faces: trained from nothing, it fills regions that it never sees."""
