"""Linear and HeteroLinear."""

from .common import F_IN, F_OUT, SMALL_IN, SMALL_OUT, Case, small


def cases():
    base = {"in_channels": F_IN, "out_channels": F_OUT}
    for config, kwargs in (
        ("default", {}),
        ("no_bias", {"bias": False}),
        ("glorot", {"weight_initializer": "glorot"}),
    ):
        yield Case("Linear", "nodes", "plain", config, base | kwargs)
        types = base | kwargs | {"num_types": 4}
        yield Case("HeteroLinear", "types", "plain", config, types)
    # Types without rows: there are rows of two types.
    yield Case("HeteroLinear", "types", "empty", "default", base | {"num_types": 4})


def nonfinite():
    widths = {"in_channels": SMALL_IN, "out_channels": SMALL_OUT}
    yield small("Linear", "nodes", "default", widths)
    yield small("HeteroLinear", "types", "default", widths | {"num_types": 3})
