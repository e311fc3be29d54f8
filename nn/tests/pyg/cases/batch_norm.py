"""BatchNorm, with its running statistics."""

from .common import F_IN, Case


def cases():
    for config, kwargs in (("default", {}), ("eps", {"eps": 0.01}), ("momentum", {"momentum": 0.3})):
        yield Case("BatchNorm", "nodes", "plain", config, {"in_channels": F_IN} | kwargs)
