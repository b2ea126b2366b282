"""The presets of `flaxdigits train`: whole configurations, by name."""

from flaxdigits.training.config import NO_DEFORMATION, Deformation, TrainConfig

REFERENCE_HIDDEN = (3000, 2000, 1000, 500, 250, 64)

PRESETS = {
    # The best in about three minutes on two CPU cores.
    "default": TrainConfig(),
    # The original project's recipe, kept as it was, for comparison.
    "reference": TrainConfig(
        hidden=REFERENCE_HIDDEN,
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
        deformation=NO_DEFORMATION,
    ),
    # The most accurate: begun as 8 and 32 channels of 5x5 convolutions, five times as long, with other pens.
    "record": TrainConfig(
        hidden=(1152, 1152, 320),
        map_sides=(12, 6),
        epochs=240,
        deformation=Deformation(thickness=1.5),
        precision="bfloat16",
    ),
}
