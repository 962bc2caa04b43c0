"""The engine against torch with the same rounding, and against itself: however the tokens come, the same bits.

The models are small and drawn at random, one for each shape that the engine knows.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers import models as tokenizer_models
from torch import Tensor

from pentanet.errors import CodeError, ConfigError, EncodingError, EngineError, UnknownNameError, UnsupportedModelError
from pentanet.families import GPTConfig, LlamaConfig, ModelConfig
from pentanet.families.build import build
from pentanet.families.rope import LinearRope, Llama3Rope, YarnRope
from pentanet.format.model_dir import open_model, write_model
from pentanet.kernels import native
from pentanet.linear_options import ACTIVATIONS, LowRank, RoundingChoice
from pentanet.nn import Trainable, quantized_modules
from pentanet.quant.methods.tequila import TequilaQuantizer
from pentanet.runtime.engine import CACHES, CacheType, Engine
from pentanet.runtime.engine_network import EngineNetwork, as_runtime
from pentanet.runtime.load import Runtime, load
from pentanet.runtime.modules import Coded, PackedLinear
from pentanet.runtime.predictor import open_predictor
from pentanet.runtime.sampling import Sampling
from pentanet.sources.running import generate as stream
from pentanet.training.pack import export_tensors

pytest.importorskip("pentanet._native", reason="the engine was not compiled")

from pentanet import _native

Packed = Callable[[str], Path]
VOCAB = 97
CONTEXT = 256


def llama(**changes: object) -> LlamaConfig:
    sizes: dict[str, object] = {"layers": 2, "width": 48, "heads": 6, "kv_heads": 2, "hidden": 100, "context": CONTEXT}
    return LlamaConfig(**{**sizes, **changes})  # type: ignore[arg-type]


LLAMA3 = Llama3Rope(factor=8.0, original_max_position_embeddings=CONTEXT // 4)
YARN = YarnRope(factor=4.0, original_max_position_embeddings=CONTEXT // 4)
MODELS: dict[str, tuple[ModelConfig, str, str, str]] = {  # sizes, method, embedding, head
    "bitnet": (llama(activation="relu2"), "pentanary", "int8", "int8"),
    "llama3": (llama(sub_norms=False, rope=LLAMA3, rope_theta=5e5, width=60), "ternary", "int8", "int8"),
    "smollm2": (llama(sub_norms=False, width=54, heads=9, kv_heads=3, tie=True), "pentanary", "int8", "int8"),
    "qwen3": (llama(sub_norms=False, qk_norm=True, head_dim=20, rope=YARN, tie=True), "pentanary", "int8", "int8"),
    "mistral": (llama(sub_norms=False, window=50, hidden=112), "pentanary", "int8", "int8"),
    "linear": (llama(sub_norms=False, rope=LinearRope(factor=2.0)), "pentanary", "int8", "int8"),
    "gpt": (GPTConfig(layers=2, width=48, heads=4, context=CONTEXT), "pentanet-seed", "float32", "grid"),
    "septenary": (llama(kv_heads=6, width=36), "septenary", "bfloat16", "bfloat16"),
    "binary": (llama(kv_heads=1), "binary", "grid", "grid"),
    "tequila": (llama(), "tequila", "int8", "grid"),
    "outliers": (llama(sub_norms=False, hidden=112), "pentanary", "int8", "int8"),
}


def tokenizer() -> Tokenizer:
    made = Tokenizer(tokenizer_models.WordLevel({f"w{i}": i for i in range(VOCAB)}, unk_token="w0"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.decoder = decoders.WordPiece()
    return made


def write(path: Path, name: str, low_rank: LowRank = "none") -> Path:
    """A model of MODELS; `NAME+int8` rounds the inputs of its linears."""
    sizes, _, suffix = name.partition("+")
    activations = next(kind for kind in ACTIVATIONS if kind == (suffix or "none"))
    config, method, embedding, head = MODELS[sizes]
    network = build(config, VOCAB, Trainable(method, embedding, head, activations, low_rank))
    generator = torch.Generator().manual_seed(0)
    network.initialize(generator)
    with torch.no_grad():
        for parameter_name, parameter in network.named_parameters():
            if "norm" in parameter_name or "ln_" in parameter_name:
                parameter.uniform_(0.5, 1.5, generator=generator)  # a gain of 1 would hide a missing one
                if sizes == "outliers":
                    parameter[7] = 12.0
            if parameter_name.endswith("log_step"):
                parameter.zero_()  # the first batch of a training would set it
        for _, module in quantized_modules(network):
            module.quantizer.initialize(module.weight)
            if isinstance(module.quantizer, TequilaQuantizer):
                module.quantizer.strength = 0.1  # a hundred times the published one: a missing bias must show
    write_model(
        path,
        config=config.hub_config(VOCAB),
        tensors=export_tensors(network),
        method=method,
        activations=activations,
        low_rank=low_rank,
        tokenizer=tokenizer().to_str().encode(),
        card="",
    )
    return path


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A packed model by its name in MODELS, made once."""
    folder = tmp_path_factory.mktemp("models")
    return lambda name: folder / name if (folder / name).exists() else write(folder / name, name)


def rounded_forward(self: PackedLinear, x: Tensor) -> Tensor:
    """The linear of the slow path, with the activations that the engine multiplies, in its order."""
    matrix = self.matrix
    if not isinstance(matrix, Coded):
        return torch.nn.functional.linear(x, matrix.all())

    def product(q: Tensor, scale: Tensor) -> Tensor:
        groups = q.unflatten(-1, (matrix.levels.shape[1], -1)).double()
        sums = torch.einsum("...gc,rgc->...rg", groups, matrix.levels.double())
        return (sums.float() * matrix.scales.squeeze(-1)).sum(-1) * scale

    scale = x.abs().amax(-1, keepdim=True) / 127
    q = (x / scale.clamp_min(1e-30)).round()
    y = product(q, scale)
    y = y if matrix.bias is None else y + matrix.bias
    coarse = q.double().abs().mean(-1, keepdim=True) < 12
    rest = x - q * scale
    more = rest.abs().amax(-1, keepdim=True) / 127
    return y + product((rest / more.clamp_min(1e-30)).round(), more) * coarse


@pytest.fixture
def rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the slow path round activations as the engine does."""
    monkeypatch.setattr(PackedLinear, "forward", rounded_forward)


NAMES = list(MODELS)


def text(length: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).integers(0, VOCAB, length).tolist()


@pytest.mark.usefixtures("rounded")
@pytest.mark.parametrize("name", NAMES)
def test_logits_are_those_of_torch(packed: Packed, name: str) -> None:
    engine, reference = Engine.open(packed(name)), load(packed(name))
    ids = text(CONTEXT)
    with torch.inference_mode():
        expected = reference.network(torch.tensor([ids]))[0].numpy()
    found = engine.logits(ids)
    # A float that differs in its last bit may round to another int8 now and then: most logits agree to float
    # rounding, and the others to a small part of their spread.
    error = np.abs(found - expected).max(-1) / expected.std()
    assert np.median(error) < 1e-3
    assert error.max() < 0.25


@pytest.mark.parametrize("name", ["bitnet", "gpt", "septenary", "tequila"])
def test_a_model_trained_with_int8_has_the_logits_of_the_engine_in_torch(packed: Packed, name: str) -> None:
    engine, trained, plain = (
        Engine.open(packed(f"{name}+int8")),
        load(packed(f"{name}+int8")),
        load(packed(name)),
    )
    ids = text(64)
    with torch.inference_mode():
        expected, unrounded = (model.network(torch.tensor([ids]))[0].numpy() for model in (trained, plain))
    found = engine.logits(ids)
    error = np.abs(found - expected).max(-1) / expected.std()
    assert np.median(error) < 1e-3  # float sums in another order
    assert np.median(np.abs(found - unrounded).max(-1) / expected.std()) > 5e-3


@pytest.mark.usefixtures("rounded")
@pytest.mark.parametrize("name", NAMES)
def test_greedy_tokens_are_those_of_torch(packed: Packed, name: str) -> None:
    engine, reference = Engine.open(packed(name)), load(packed(name))
    ids = text(8, seed=3)
    equal = 0
    for _ in range(200):
        expected, found = reference.next_logits(ids), engine.next_logits(ids)
        token = int(found.argmax())
        # torch sums in another order on another processor: a near tie may fall to the other side there.
        assert expected.max() - expected[token] < 0.1 * expected.std(), len(ids)
        equal += token == int(expected.argmax())
        ids.append(token)
    assert equal >= 195
    assert len(set(ids)) > 10


@pytest.mark.parametrize("name", NAMES)
def test_chunks_change_nothing(packed: Packed, name: str) -> None:
    engine = Engine.open(packed(name))
    ids = text(150)
    whole = engine.logits(ids)
    for step in (1, 7, 64):
        for end in range(step, 151, step):
            np.testing.assert_array_equal(engine.next_logits(ids[:end]), whole[end - 1])


@pytest.mark.parametrize("name", NAMES)
def test_threads_and_instruction_sets_change_nothing(
    packed: Packed, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = text(40)
    found = []
    for isa in _native.supported_isas():
        monkeypatch.setenv(native.ISA_VARIABLE, isa)
        for threads in (1, 2, 3):
            engine = Engine.open(packed(name), threads=threads)
            assert (engine.isa, engine.threads) == (isa, threads)
            found.append(engine.logits(ids))
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@pytest.mark.parametrize("cache", CACHES)
def test_other_sequences_change_nothing(packed: Packed, cache: CacheType) -> None:
    engine = Engine.open(packed("mistral"), cache=cache)
    texts = [text(length, seed) for seed, length in enumerate((130, 1, 57))]
    whole = [engine.logits(ids) for ids in texts]
    session = _native.Session(engine.model, sequences=4, threads=2, cache=cache, activations=engine.activations)

    def forward(*parts: tuple[int, list[int]]) -> np.ndarray:
        ids = np.array([i for _, part in parts for i in part], np.int32)
        return session.forward(ids, [(place, len(part)) for place, part in parts], every=True)

    found = forward((2, texts[0][:125]), (0, texts[1]), (3, texts[2][:20]))
    np.testing.assert_array_equal(found, np.concatenate([whole[0][:125], whole[1], whole[2][:20]]))
    found = forward((3, texts[2][20:]), (2, texts[0][125:]))
    np.testing.assert_array_equal(found, np.concatenate([whole[2][20:], whole[0][125:]]))
    assert [session.length(place) for place in range(4)] == [1, 0, 130, 57]
    session.truncate(33, sequence=2)
    session.truncate(0, sequence=3)
    found = forward((1, texts[2]), (2, texts[0][33:40]), (3, texts[1]))
    np.testing.assert_array_equal(found, np.concatenate([whole[2], whole[0][33:40], whole[1]]))


def test_a_session_refuses_parts_that_do_not_fit(packed: Packed) -> None:
    session = _native.Session(Engine.open(packed("bitnet")).model, sequences=2)
    ids = np.arange(6, dtype=np.int32)
    for parts, message in (
        ([(2, 6)], "sequence 2 of 2"),
        ([(-1, 6)], "sequence -1 of 2"),
        ([(0, 3), (0, 3)], "sequence 0 twice"),
        ([(0, 6), (1, 0)], "0 tokens"),
        ([(0, 5)], "fewer tokens"),
        ([(0, 6), (1, 1)], "more tokens"),
    ):
        with pytest.raises(ValueError, match=message):
            session.forward(ids, parts)
    assert session.length(0) == session.length(1) == 0
    with pytest.raises(ValueError, match="at least one sequence"):
        _native.Session(Engine.open(packed("bitnet")).model, sequences=0)
    with pytest.raises(ValueError, match="unknown name 'int3'"):
        _native.Session(Engine.open(packed("bitnet")).model, cache="int3")
    with pytest.raises(ValueError, match="unknown name 'int3'"):
        _native.Session(Engine.open(packed("bitnet")).model, activations="int3")
    with pytest.raises(UnknownNameError, match="cache 'int3'"):
        Engine.open(packed("bitnet"), cache="int3")  # type: ignore[arg-type]


@pytest.mark.parametrize(("cache", "error"), [("float16", 0.05), ("bfloat16", 0.1), ("int8", 0.1)])
def test_smaller_caches_change_little(packed: Packed, cache: CacheType, error: float) -> None:
    exact, smaller = Engine.open(packed("qwen3")), Engine.open(packed("qwen3"), cache=cache)
    expected = exact.logits(text(100))
    found = smaller.logits(text(100))
    assert 0 < np.abs(found - expected).mean() < error * expected.std()
    np.testing.assert_array_equal(smaller.next_logits(text(100)), found[-1])


def test_another_beginning_is_read_anew(packed: Packed) -> None:
    engine = Engine.open(packed("llama3"))
    first, second = text(20), text(20, seed=1)
    fresh = Engine.open(packed("llama3")).next_logits(second)
    for ids in (first, [*first[:9], *second[9:]], first[:5], first[:5]):
        engine.next_logits(ids)
    np.testing.assert_array_equal(engine.next_logits(second), fresh)


def test_a_directory_by_its_name_runs_in_the_engine(packed: Packed) -> None:
    path, sampling = packed("bitnet"), Sampling(seed=1)
    with Engine.open(path) as engine:
        tokens = list(engine.stream("w3 w4", 8, sampling))
        assert [token.text for token in tokens if token.text] == list(engine.generate("w3 w4", 8, sampling))
    assert list(stream(str(path), "w3 w4", 8, sampling)) == [token.text for token in tokens if token.text]


@pytest.mark.usefixtures("rounded")
def test_generate_writes_what_the_slow_path_writes(packed: Packed) -> None:
    engine, reference = Engine.open(packed("bitnet")), load(packed("bitnet"))
    for sampling in (Sampling(temperature=0), Sampling(seed=5)):
        pieces = list(engine.generate("w3 w4", 60, sampling))
        assert len(pieces) > 10
        assert "".join(pieces) == "".join(stream(reference, "w3 w4", 60, sampling))


@pytest.mark.parametrize("sampling", [Sampling(temperature=0), Sampling(seed=5, repetition_penalty=1.3)])
def test_texts_of_a_batch_are_those_written_alone(packed: Packed, sampling: Sampling) -> None:
    engine = Engine.open(packed("smollm2"), threads=2)
    long = " ".join(f"w{i}" for i in text(CONTEXT - 5))  # its window slides
    prompts = ["w3 w4", long, "w5", "w3 w4"]
    texts = [""] * len(prompts)
    order = []
    for place, piece in engine.generate_batch(prompts, 12, sampling):
        texts[place] += piece
        order.append(place)
    assert order[:4] == [0, 1, 2, 3]  # as they come
    assert texts == ["".join(engine.generate(prompt, 12, sampling)) for prompt in prompts]
    assert list(engine.generate_batch([], 12)) == []
    with pytest.raises(ConfigError, match="tokens 0"):
        engine.generate_batch(prompts, 0)


def test_threads_that_share_an_engine_get_right_logits_or_an_error(packed: Packed) -> None:
    engine, ids = Engine.open(packed("llama3")), text(200)
    right = engine.logits(ids)

    def call(_: int) -> bool:
        try:
            np.testing.assert_array_equal(engine.logits(ids), right)
        except EngineError:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert any(threads.map(call, range(40)))
    np.testing.assert_array_equal(engine.logits(ids), right)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_is_refused(packed: Packed) -> None:
    engine = Engine.open(packed("llama3"), threads=2)
    batch = engine.generate_batch(["w1", "w2"])
    next(batch)
    child = os.fork()
    if child == 0:
        try:
            engine.next_logits([1])
        except EngineError:
            try:
                list(batch)
            except EngineError:
                os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_an_engine_closes_at_the_end_of_its_block(packed: Packed) -> None:
    with Engine.open(packed("llama3")) as engine:
        engine.next_logits([1])
    with pytest.raises(EngineError, match="closed"):
        engine.next_logits([1])
    with pytest.raises(EngineError, match="closed"):
        engine.generate_batch(["w1"])


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="pins threads on Linux alone")
def test_threads_are_pinned_on_request_alone(packed: Packed) -> None:
    path, ids = packed("bitnet"), text(9)

    def cores(pin: bool) -> tuple[int, bytes]:
        engine = Engine.open(path, threads=2, pin=pin)
        return len(os.sched_getaffinity(0)), engine.logits(ids).tobytes()

    with ThreadPoolExecutor(1) as thread:  # which is pinned in place of the one that runs the tests
        free, pinned = [thread.submit(cores, pin).result() for pin in (False, True)]
    assert (free[0], pinned[0]) == (len(os.sched_getaffinity(0)), 1)
    assert free[1] == pinned[1]


def test_a_full_context_slides(packed: Packed) -> None:
    engine = Engine.open(packed("bitnet"))
    prompt = " ".join(f"w{i}" for i in text(CONTEXT - 3))
    assert len("".join(engine.generate(prompt, 10, Sampling(temperature=0))).split()) == 10


def test_the_network_takes_batches(packed: Packed) -> None:
    engine = Engine.open(packed("gpt"))
    ids = torch.tensor([text(12, 0), text(12, 1)])
    found = EngineNetwork(engine).eval()(ids)
    assert found.shape == (2, 12, VOCAB)
    np.testing.assert_array_equal(found[1], engine.logits(ids[1].tolist()))


@pytest.mark.parametrize("activations", ["int8", "int8x2", "adaptive"])
def test_the_slow_path_rounds_as_it_is_told(packed: Packed, activations: RoundingChoice) -> None:
    path, ids = packed("outliers"), text(64)
    engine = Engine.open(path, activations=activations)
    assert engine.activations == activations
    found = engine.logits(ids)
    with torch.inference_mode():
        expected, exact = (
            model.network(torch.tensor([ids]))[0].numpy() for model in (load(path, activations=activations), load(path))
        )
    error, cost = (np.abs(found - other).max(-1) / exact.std() for other in (expected, exact))
    assert np.median(error) < 1e-3
    assert error.max() < 0.25
    assert np.median(cost) < 0.002 if activations == "int8x2" else np.median(cost) > 0.02


def test_auto_rounds_as_training_did(packed: Packed) -> None:
    assert Engine.open(packed("bitnet+int8")).activations == "int8"
    assert Engine.open(packed("bitnet")).activations == "adaptive"


def test_roundings_that_do_not_exist_or_do_not_fit_are_refused(packed: Packed) -> None:
    for opened in (Engine.open, load):
        with pytest.raises(UnknownNameError, match="activations 'int4'"):
            opened(packed("bitnet"), activations="int4")  # type: ignore[arg-type]
    with pytest.raises(UnsupportedModelError, match=r"'elastic2'.*--activations"):
        load(packed("bitnet+elastic2"), activations="int8")


def test_int8_activations_change_little(packed: Packed) -> None:
    ids = torch.tensor([text(64)])
    with torch.inference_mode():
        exact = load(packed("bitnet")).network(ids)
    rounded = as_runtime(Engine.open(packed("bitnet"), activations="int8")).network(ids)
    assert 0 < (exact - rounded).std() < 0.1 * exact.std()


@pytest.mark.parametrize("ids", [[], [VOCAB], [-1], [0] * (CONTEXT + 1)], ids=["none", "beyond", "negative", "long"])
def test_ids_that_do_not_exist_are_refused_and_do_no_harm(packed: Packed, ids: list[int]) -> None:
    engine = Engine.open(packed("bitnet"))
    before = engine.logits([1, 2, 3])
    for call in (engine.logits, engine.next_logits):
        with pytest.raises(ConfigError, match=r"token"):
            call(ids)
    np.testing.assert_array_equal(engine.logits([1, 2, 3]), before)


def test_threads_that_no_machine_has_are_refused(packed: Packed) -> None:
    with pytest.raises(ConfigError, match="threads 40000: must be 1 to 1024"):
        Engine.open(packed("bitnet"), threads=40_000)


def test_a_prompt_that_is_no_text_is_refused(packed: Packed) -> None:
    engine = Engine.open(packed("bitnet"))
    with pytest.raises(EncodingError, match="the prompt is not UTF-8, at character 3"):
        engine.generate("w1 \udcff", 3)
    with pytest.raises(EncodingError, match="the prompt is not UTF-8"):
        engine.generate_batch(["w1", "\udcff"], 3)


def test_negative_threads_are_refused(packed: Packed) -> None:
    with pytest.raises(ConfigError, match="threads -1"):
        Engine.open(packed("bitnet"), threads=-1)


@pytest.mark.parametrize("isa", _native.supported_isas())
def test_a_damaged_code_names_its_tensor(
    packed: Packed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isa: str
) -> None:
    monkeypatch.setenv(native.ISA_VARIABLE, isa)
    path = shutil.copytree(packed("bitnet"), tmp_path / "model")
    name = "model.layers.1.mlp.up_proj.weight"
    codes = open_model(path).tensor_file.raw(name)
    file = path / "model.safetensors"
    content = file.read_bytes().replace(codes.tobytes(), b"\xff" * codes.size)
    file.write_bytes(content)
    with pytest.raises(CodeError, match=name):
        Engine.open(path, verify=False)


def test_the_choice_of_engine(packed: Packed, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed("bitnet")
    assert isinstance(open_predictor(path, "torch"), Runtime)
    assert isinstance(open_predictor(path, "native"), Engine)
    assert isinstance(open_predictor(path, "auto"), Engine)
    monkeypatch.setattr(native, "_NAME", "pentanet._not_there")
    assert isinstance(open_predictor(path, "auto"), Runtime)
    with pytest.raises(EngineError):
        open_predictor(path, "native")


def test_learned_steps_of_activations_run_with_torch(packed: Packed) -> None:
    path = packed("bitnet+elastic2")
    with pytest.raises(UnsupportedModelError, match=r"learned steps \('elastic2'\).*--engine torch"):
        open_predictor(path, "native")
    assert isinstance(open_predictor(path, "auto"), Runtime)


def test_rotated_inputs_run_with_torch(packed: Packed) -> None:
    path = packed("bitnet+hadamard8")
    with pytest.raises(UnsupportedModelError, match=r"rotate their inputs \('hadamard8'\).*--engine torch"):
        open_predictor(path, "native")
    assert isinstance(open_predictor(path, "auto"), Runtime)


def test_a_path_of_low_rank_runs_with_torch(packed: Packed, tmp_path: Path) -> None:
    write(tmp_path / "model", "bitnet", low_rank="gated")
    with pytest.raises(UnsupportedModelError, match="path of low rank"):
        Engine.open(tmp_path / "model")
    assert isinstance(open_predictor(tmp_path / "model", "auto"), Runtime)


def test_shapes_that_do_not_fit_are_refused() -> None:
    """The engine checks again, though the directory was checked: a wrong caller must not crash it."""
    gain = np.ones(16, np.float32)
    square = _native.Matrix.plain(np.zeros(1024, np.uint8), dtype="float32", rows=16, cols=16)
    wide = _native.Matrix.plain(np.zeros(2048, np.uint8), dtype="float32", rows=16, cols=32)

    def model(
        width: int = 16, heads: int = 2, kv_heads: int = 2, whole: dict[str, object] | None = None, **changes: object
    ) -> _native.Model:
        parts = {"attention_norm": gain, "qkv": [square] * 3, "attention_out": square, "mlp_norm": gain}
        layer = _native.Layer(**{**parts, "up": [square], "down": square, **changes})  # type: ignore[arg-type]
        return _native.Model(
            width=width,
            heads=heads,
            kv_heads=kv_heads,
            head_width=width // max(heads, 1),
            context=8,
            norm="rms",
            norm_eps=1e-5,
            activation="gelu",
            embedding=square,
            head=square,
            final_norm=gain,
            layers=[layer],
            **{"gated": False, **(whole or {})},  # type: ignore[arg-type]
        )

    turns = (np.ones((8, 4), np.float32), np.ones((8, 4), np.float32))
    positions = {"rotaries": [turns]}
    assert model().vocab == 16
    assert model(query_norm=gain, key_norm=gain[:8]).vocab == 16
    assert model(whole=positions, rotary=0, window=3).vocab == 16
    assert model(whole={"gated": True}, up=[square, square]).vocab == 16
    for wrong in (
        {"qkv": [square] * 2},
        {"qkv": []},
        {"qkv": [square]},
        {"qkv": [square, square, wide]},
        {"attention_out": wide},
        {"up": []},
        {"up": [wide]},
        {"down": wide},
        {"mlp_norm": gain[:8]},
        {"query_norm": gain[:7]},
        {"attention_post_norm": gain[:8]},
        {"mlp_post_norm": gain[:8]},
        {"window": -1},
        {"rotary": 0},
        {"rotary": -2},
        {"up": [square, square]},
        {"whole": {"gated": True}},
        {"whole": {"rotaries": [(turns[0], turns[1][:7])]}},
        {"whole": {"rotaries": [(turns[0][:, :3], turns[1])]}},
        {"whole": {"rotaries": [(np.ones((8, 5), np.float32),) * 2]}},
        {"whole": {"rotaries": [(np.ones((8, 0), np.float32),) * 2]}},
        {"whole": {"embedding_scale": 0.0}},
        {"whole": {"residual_scale": float("nan")}},
        {"whole": {"logit_scale": float("inf")}},
        {"whole": {"score_scale": -1.0}},
        {"whole": {"score_cap": -1.0}},
        {"whole": {"logit_cap": float("inf")}},
        {"key_norm": gain[:7]},
        {"attention_sub_norm": gain[:8]},
        {"mlp_sub_norm": gain[:8]},
    ):
        with pytest.raises(ValueError, match="fit"):
            model(**wrong)
    for width, heads, kv_heads in ((0, 2, 2), (16, 0, 1), (16, 3, 1), (16, 4, 3), (32, 2, 2), (16, 2, 0)):
        with pytest.raises(ValueError, match="fit"):
            model(width, heads, kv_heads)
