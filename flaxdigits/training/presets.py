"""The named configurations."""

from typing import Literal

from flaxdigits.training.config import NO_AUGMENTATION, Augmentation, TrainConfig

Preset = Literal["default", "reference", "record"]
PRESETS: dict[Preset, TrainConfig] = {
    # The most accurate that trains in four minutes on two CPU cores, in one with units for bfloat16.
    "default": TrainConfig(),
    # The original project's network and recipe, for comparison.
    "reference": TrainConfig(
        hidden=(3000, 2000, 1000, 500, 250, 64),
        epochs=100,
        batch_size=32,
        initializer="glorot_uniform",  # Keras's default
        optimizer="adam",
        adam_epsilon=1e-7,
        learning_rate=1e-3,
        schedule="constant",
        warmup_epochs=0,
        weight_decay=0,
        label_smoothing=0,
        ema_decay=0,
        augmentation=NO_AUGMENTATION,
        added_pictures=0,
    ),
    # The most accurate: pretraining with 8 and 32 channels, five times as long, strokes of varying width.
    "record": TrainConfig(
        hidden=(1152, 1152, 320),
        pretraining_epochs=48,
        epochs=160,
        augmentation=Augmentation(stroke_width=1.5, anneal=0.375),
        precision="bfloat16",
    ),
}
