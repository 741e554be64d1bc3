"""How precisely products of float32 numbers are computed, as `default_matmul_precision` names it.

Accelerators would by default round the factors to TF32 (GPU) or to bfloat16 (TPU).
"""

DECISIONS = "float32"
"""Of the classifiers' decisions: full precision on every backend."""
GRADIENTS = "high"
"""Of all that leads to gradients: TF32 on GPUs, three products of bfloat16 on TPUs.

On CPUs it is float32 too.
"""
