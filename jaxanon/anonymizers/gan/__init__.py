"""A conditional inpainting GAN for faces: it fills regions that it never sees."""

from jaxanon.anonymizers.gan.anonymizer import Gan as Gan
