import pytest

from pentanet.errors import ConfigError, UnknownNameError
from pentanet.format.layouts import LAYOUTS
from pentanet.machine import usable_cores
from pentanet.speed import MODELS, speed_settings


def test_by_default_one_thread_and_all_cores():
    assert speed_settings().threads == tuple(dict.fromkeys((1, usable_cores())))
    assert speed_settings().layouts == tuple(LAYOUTS)
    assert speed_settings().model == MODELS["llama-778m"]


def test_what_is_named_twice_is_measured_once():
    found = speed_settings(threads=[1, 1], layouts=["byte", "byte"])
    assert (found.threads, found.layouts) == ((1,), ("byte",))


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ({"threads": [0]}, ConfigError, "--threads 0"),
        ({"threads": [usable_cores() + 1]}, ConfigError, "cores"),
        ({"layouts": ["pentanary"]}, UnknownNameError, "pentanary-7bit"),
        ({"model": "llama-778"}, UnknownNameError, "llama-778m"),
        ({"model": "none", "against": True}, ConfigError, "--model none"),
    ],
    ids=str,
)
def test_mistakes(wrong, error, said):
    with pytest.raises(error, match=said):
        speed_settings(**wrong)


@pytest.mark.parametrize(("name", "millions"), [("llama-778m", 778), ("smollm2-135m", 135)])
def test_models_have_the_weights_of_their_names(name, millions):
    shape = MODELS[name]
    net = shape.network
    kv = net.kv_heads * net.width // net.heads
    layer = 2 * net.width * (net.width + kv) + 3 * net.width * net.hidden + 2 * net.width
    total = net.layers * layer + net.width + shape.vocab * net.width * (1 if net.tie else 2)
    assert round(total / 1e6) == millions
