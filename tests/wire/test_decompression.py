"""Compressed bodies: whatever the layers, in small steps and up to a limit."""

import gzip
import re
import tracemalloc
import zlib
from collections.abc import Callable
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleverreach_async.transport.http.decompression import ContentError, Decompressor, codings_of

MEGABYTE = 2**20
STEP = 256 * 1024


def deflate_without_header(body: bytes) -> bytes:
    """Compress as some servers do for ``deflate``."""
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(body) + stream.flush()


COMPRESSIONS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate without header": ("deflate", deflate_without_header),
    "none": ("identity", bytes),
}


def decompress(body: bytes, header: str, *, most: int = MEGABYTE, piece: int = 1000) -> bytes:
    """Decompress a body that arrives in pieces."""
    decompressor = Decompressor(codings_of(header), most)
    found = [
        it
        for start in range(0, len(body), piece)
        for it in decompressor.feed(body[start : start + piece])
    ]
    decompressor.finish()
    assert all(len(it) <= max(STEP, piece) for it in found)
    return b"".join(found)


def bomb(layers: int, size: int) -> bytes:
    """Compress blanks several times."""
    return reduce(lambda body, _: gzip.compress(body, 9), range(layers), b" " * size)


@given(st.binary(), st.lists(st.sampled_from([*COMPRESSIONS]), max_size=2), st.integers(1, 50))
def test_any_body_is_what_was_compressed(body: bytes, names: list[str], piece: int) -> None:
    """For up to two codings, and pieces of any size."""
    layers = [COMPRESSIONS[name] for name in names]
    compressed = reduce(lambda inner, layer: layer[1](inner), layers, body)
    header = ", ".join(coding for coding, _ in layers)
    assert body == decompress(compressed, header, piece=piece)


@pytest.mark.parametrize("size", [STEP - 1, STEP, STEP + 1, 3 * STEP])
def test_a_body_of_whole_steps(size: int) -> None:
    """What is left in the decompressor after a full step is not lost."""
    body = bytes(size)
    assert body == decompress(gzip.compress(body), "gzip", piece=MEGABYTE)


@given(st.binary(), st.sampled_from(["gzip", "deflate", "gzip, deflate", "deflate, gzip", ""]))
def test_any_bytes_are_decompressed_or_refused(body: bytes, header: str) -> None:
    """There is one error for whatever is wrong."""
    try:
        decompress(body, header, most=1000)
    except ContentError as error:
        assert str(error)  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(("size", "fits"), [(1000, True), (1001, False)])
def test_each_layer_is_limited(*, layers: int, size: int, fits: bool) -> None:
    """The limit is that of the body, and of what is between."""
    header = ", ".join(["gzip"] * layers)
    if fits:
        assert b" " * size == decompress(bomb(layers, size), header, most=size)
        return
    with pytest.raises(ContentError, match="larger than 1000 bytes"):
        decompress(bomb(layers, size), header, most=1000)


def test_a_layer_between_is_limited_too() -> None:
    """A body that is small in the end may be large before."""
    end = b"\x01\x01\x00\xfe\xffx" + zlib.crc32(b"x").to_bytes(4, "little") + bytes([1, 0, 0, 0])
    empty_blocks = b"\x00\x00\x00\xff\xff" * 5000
    body = gzip.compress(b"\x1f\x8b\x08" + bytes(7) + empty_blocks + end)
    assert b"x" == decompress(body, "gzip, gzip")
    with pytest.raises(ContentError, match="larger than 10000 bytes"):
        decompress(body, "gzip, gzip", most=10_000)


def test_a_bomb_needs_little_memory() -> None:
    """Hundreds of megabytes in a few bytes stop at the limit, and pieces are not kept."""
    stream = zlib.compressobj(9, wbits=31)
    layer = b"".join(stream.compress(bytes(MEGABYTE)) for _ in range(200)) + stream.flush()
    body = gzip.compress(layer, 9)
    assert len(body) < 3000
    decompressor = Decompressor(codings_of("gzip, gzip"), 64 * MEGABYTE)
    tracemalloc.start()
    try:
        with pytest.raises(ContentError, match="larger than 67108864 bytes"):
            for _ in decompressor.feed(body):
                pass
        assert tracemalloc.get_traced_memory()[1] < 3 * MEGABYTE
    finally:
        tracemalloc.stop()


CUT = {"gzip": gzip.compress(b"[1, 2, 3]"), "deflate": zlib.compress(b"[1, 2, 3]")}


@pytest.mark.parametrize("coding", CUT)
def test_a_cut_body_is_refused(coding: str) -> None:
    """Wherever it is cut; its beginning alone could be another value."""
    whole = CUT[coding]
    for length in range(1, len(whole)):
        with pytest.raises(ContentError, match=r"cut|damaged"):
            decompress(whole[:length], coding)


def test_a_damaged_body_is_refused() -> None:
    """The checksum is compared."""
    whole = bytearray(gzip.compress(b"[1, 2, 3]" * 100))
    whole[-5] ^= 1
    with pytest.raises(ContentError, match="damaged"):
        decompress(bytes(whole), "gzip")


def test_what_follows_the_end_is_left_out() -> None:
    """PHP may add a line break."""
    assert b"[]" == decompress(gzip.compress(b"[]") + b"\n", "gzip", piece=3)


def test_no_body_is_no_cut_body() -> None:
    """A response without content may name a coding."""
    assert b"" == decompress(b"", "gzip, gzip")


HEADERS = {
    "gzip, gzip, gzip": "compressed 3 times",
    ",".join(["deflate"] * 100): "compressed 100 times",
    "br": "not asked for",
    "zstd, gzip": "not asked for",
    "gzip\x1b": "not asked for",
}


@pytest.mark.parametrize(("header", "message"), HEADERS.items(), ids=[it[:8] for it in HEADERS])
def test_other_codings_are_refused(header: str, message: str) -> None:
    """At most two, and only those that requests ask for; the header is not repeated."""
    with pytest.raises(ContentError, match=message) as caught:
        codings_of(header)
    assert not re.search(r"br|zstd|\x1b", str(caught.value))


def test_identity_is_no_coding() -> None:
    """It is left out, as are empty parts."""
    assert ["deflate", "gzip"] == codings_of("identity, gzip,, Deflate , identity")
