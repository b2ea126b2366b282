"""The folder where JAX caches compiled programs, so that a second command does not compile them again."""

import os

CACHE_BYTES = 2**28  # at most; the oldest entries are removed first


def use_compilation_cache() -> None:
    """Sets JAX's variables, unless the user has; JAX_ENABLE_COMPILATION_CACHE=0 disables the cache.

    Called before JAX is imported.
    """
    from platformdirs import user_cache_path

    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(user_cache_path("flaxdigits") / "jax"))
    os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(CACHE_BYTES))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
