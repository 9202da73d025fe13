import pytest

from dsprof.analysis.npu.weights import bytes_of, rows_a_weight, weight_bytes
from dsprof.harness.device import Datapath
from tests.conftest import Factory


@pytest.fixture
def make_gemm(make_measurement: Factory) -> Factory:
    """q_b_proj in BF16 at 4 rows: 1536 x 24576 weights."""

    def make(**changes: object) -> object:
        fields = {
            "kernel": "linear",
            "op": "q_b_proj",
            "dtype": "bfloat16",
            "m": 4,
            "n": 24576,
            "k": 1536,
            "flops": {Datapath.BF16_TENSOR: 2 * 4 * 24576 * 1536},
            "bytes_read": 2 * (24576 * 1536 + 4 * 1536),
            "bytes_written": 2 * 4 * 24576,
        }
        return make_measurement(**fields | changes)

    return make


def test_a_product_reads_its_weights_in_their_type(make_gemm: Factory) -> None:
    assert weight_bytes(make_gemm()) == 2 * 24576 * 1536
    half = make_gemm(dtype="float8_e4m3fn", bytes_read=24576 * 1536 + 4 * 1536)
    assert weight_bytes(half) == 24576 * 1536


def test_each_weight_is_used_for_every_row(make_gemm: Factory) -> None:
    assert rows_a_weight(make_gemm()) == 4


def test_a_batched_product_reads_the_weights_of_every_head(make_gemm: Factory) -> None:
    heads = make_gemm(
        n=512,
        k=128,
        flops={Datapath.BF16_TENSOR: 128 * 2 * 4 * 512 * 128},
        bytes_read=2 * 128 * (512 * 128 + 4 * 128),
    )
    assert weight_bytes(heads) == 2 * 128 * 512 * 128


def test_routed_experts_read_what_is_not_their_rows(make_gemm: Factory) -> None:
    # 4 tokens of 8 experts each: 32 rows, spread over 30 distinct experts.
    experts = make_gemm(
        op="experts (gate_up)",
        dtype="float8_e4m3fn",
        m=32,
        n=4096,
        k=7168,
        flops={Datapath.FP8_TENSOR: 2 * 32 * 4096 * 7168},
        bytes_read=30 * 4096 * 7168 + 32 * 7168,
    )
    assert weight_bytes(experts) == 30 * 4096 * 7168
    assert rows_a_weight(experts) == pytest.approx(32 / 30)


def test_a_kernel_without_tensor_work_has_no_weights(make_measurement: Factory) -> None:
    assert weight_bytes(make_measurement()) == 0
    assert rows_a_weight(make_measurement()) is None


def test_a_type_that_is_not_known_has_no_weights(make_gemm: Factory) -> None:
    assert bytes_of("mystery") is None
    assert weight_bytes(make_gemm(dtype="mystery")) == 0
    assert rows_a_weight(make_gemm(dtype="mystery")) is None


def test_weights_are_never_more_than_what_is_read(make_gemm: Factory) -> None:
    assert weight_bytes(make_gemm(bytes_read=1000)) == 1000
