"""A file is streamed row by row, and an error names the bad row."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import random
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from oms import OmsError
from oms.feeds import FeedError, UnknownOrderError, bitstamp, feed_of, lobster, text_file
from oms.feeds.text_file import TextFile, scaled


def read(path: Path) -> list[tuple[int, str]]:
    return list(TextFile(path).rows())


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_rows_are_numbered_from_one_and_have_no_line_ends(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.csv", b"a,1\r\nb,2\nc,3")) == [(1, "a,1"), (2, "b,2"), (3, "c,3")]


def test_a_byte_order_mark_is_not_part_of_the_first_row(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.csv", b"\xef\xbb\xbfa,1\n")) == [(1, "a,1")]


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv"])
def test_a_compressed_file_is_recognized_by_its_content(tmp_path: Path, name: str) -> None:
    assert read(write(tmp_path / name, gzip.compress(b"a\nb\n"))) == [(1, "a"), (2, "b")]


def zipped(*members: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def zstd_compressed(content: bytes) -> bytes:
    module = pytest.importorskip(
        "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd",
        reason="no module that reads zst is installed",
    )
    packed: bytes = module.compress(content)
    return packed


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "gz in two parts": lambda content: gzip.compress(content[:3]) + gzip.compress(content[3:]),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zip": lambda content: zipped(("m.csv", content)),
    "zip, stored": lambda content: zipped(("m.csv", content), compression=zipfile.ZIP_STORED),
    "zip with a folder": lambda content: zipped(
        ("day/", b""), ("day/m.csv", content), ("__MACOSX/._m", b"x")
    ),
    "zst": zstd_compressed,
}
packed_as = pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)


@packed_as
@pytest.mark.parametrize("name", ["a.csv", "a.7z"])
def test_a_compressed_file_is_read_under_any_name(
    tmp_path: Path, pack: Callable[[bytes], bytes], name: str
) -> None:
    file = TextFile(write(tmp_path / name, pack(b"a\nb\n")))
    assert list(file.rows()) == list(file.rows()) == [(1, "a"), (2, "b")]
    assert file.position <= file.size


@packed_as
def test_a_truncated_archive_is_a_feed_error_that_names_the_file(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    rng = random.Random(1)
    whole = pack("".join(f"{rng.random()}\n" for _ in range(20_000)).encode())
    for length in (len(whole) // 2, len(whole) - 1, len(whole) - 9, 20):
        path = write(tmp_path / "a.csv", whole[:length])
        with pytest.raises(FeedError, match=r"a\.csv: .*(damaged|cannot be read)"):
            read(path)


@packed_as
def test_a_damaged_archive_is_a_feed_error(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    rng = random.Random(1)
    content = "".join(f"{rng.random()}\n" for _ in range(3_000)).encode()
    whole = bytearray(pack(content))
    for place in (len(whole) // 3, len(whole) // 2):
        whole[place : place + 20] = bytes(20)
    try:
        rows = read(write(tmp_path / "a.csv", bytes(whole)))
    except FeedError as error:
        assert error.path == str(tmp_path / "a.csv")
    else:  # zst has no checksum by default
        assert pack is zstd_compressed
        assert rows


@packed_as
def test_a_compressed_file_is_read_in_bounded_memory(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = write(tmp_path / "a.csv", pack((b"x" * 1_000 + b"\n") * 20_000))
    tracemalloc.start()
    for _ in TextFile(path).rows():
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # xz needs the memory of its dictionary, 8 MB by default. The unpacked file has 20 MB.
    assert peak < (10_000_000 if pack is lzma.compress else 1_000_000)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive: unpack it first"),
        (b"Rar!\x1a\x07\x01\0", "a rar archive: unpack it first"),
        (b"\x04\x22\x4d\x18abc", "an lz4 file: unpack it first"),
        (b"\x1f\x9d\x90abc", "a compress (.Z) file: unpack it first"),
        (b"m.csv".ljust(257, b"\0") + b"ustar\x0000", "a tar archive: unpack it first"),
        (
            gzip.compress(b"m".ljust(257, b"\0") + b"ustar\x0000", mtime=0),
            "a tar archive inside a gz file: unpack it first",
        ),
        (
            zipped(("m.csv.gz", gzip.compress(b"a\n", mtime=0))),
            "a gz file inside a zip archive: unpack it first",
        ),
        (zipped(("a", b"a"), ("b", b"b")), "a zip archive must have 1 member, not 2: unpack it first"),
        (zipped(("a/", b"")), "a zip archive must have 1 member, not 0: unpack it first"),
        (
            zipped(("a", b"a"), compression=zipfile.ZIP_LZMA),
            "a zip archive must be compressed with deflate: unpack it first",
        ),
        (zipped(), "an empty zip archive: unpack it first"),
        (b"PAR1abc", "a Parquet file: unpack it first"),
    ],
)
def test_an_error_names_the_format_of_a_file_that_must_be_unpacked_first(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    with pytest.raises(FeedError) as caught:
        read(write(tmp_path / "a.csv", content))
    assert (caught.value.row, caught.value.problem) == (None, problem)
    with pytest.raises(FeedError, match="unpack it first"):
        feed_of(tmp_path / "a.csv")


def test_a_member_that_needs_a_password_is_a_feed_error(tmp_path: Path) -> None:
    content = bytearray(zipped(("m.csv", b"a\n")))
    content[6] |= 1  # in the header of the member
    content[content.index(b"PK\1\2") + 8] |= 1  # in the directory of the archive
    with pytest.raises(FeedError, match=r"the zip archive cannot be read: .*password"):
        read(write(tmp_path / "a.csv", bytes(content)))


def test_the_error_about_a_zst_file_names_the_package_that_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oms.feeds.compression._ZSTD_MODULES", ("no.such.module",))
    with pytest.raises(FeedError, match=r"a zst file: unpack it first, or install backports\.zstd"):
        read(write(tmp_path / "a.csv", b"\x28\xb5\x2f\xfdabc"))


def test_a_memory_error_is_not_reported_as_a_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: object, size: int = -1) -> bytes:
        raise MemoryError

    path = write(tmp_path / "a.csv", gzip.compress(b"a\n"))
    monkeypatch.setattr("gzip.GzipFile.read1", fail)
    monkeypatch.setattr("gzip.GzipFile.read", fail)
    monkeypatch.setattr("gzip.GzipFile.readinto", fail, raising=False)
    with pytest.raises(MemoryError):
        read(path)


def test_a_file_can_be_streamed_more_than_once(tmp_path: Path) -> None:
    file = TextFile(write(tmp_path / "a.csv", b"a\nb\n"))
    assert list(file.rows()) == list(file.rows())


@pytest.mark.parametrize("content", [b"x\n" * 50_000, gzip.compress(b"x\n" * 50_000, mtime=0)])
def test_the_position_increases_to_the_size_of_the_file(tmp_path: Path, content: bytes) -> None:
    file = TextFile(write(tmp_path / "a.csv", content))
    assert (file.position, file.size) == (0, len(content))
    positions = [file.position for _ in file.rows()]
    assert positions == sorted(positions)
    assert file.position == file.size


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv.gz", gzip.compress(b"34200.5,1,7,10,1000000,-1\n" * 200_000))
    tracemalloc.start()
    for _ in TextFile(path).rows():
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_missing_file_is_a_feed_error(tmp_path: Path) -> None:
    file = TextFile(tmp_path / "none.csv")
    with pytest.raises(FeedError, match=r"none\.csv: No such file or directory$") as caught:
        list(file.rows())
    assert caught.value.row is None
    with pytest.raises(FeedError, match="No such file"):
        _ = file.size


def test_a_folder_is_a_feed_error(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="directory"):
        read(tmp_path)


def test_empty_rows_at_the_end_are_skipped(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.csv", b"a\nb\n\n \r\n\n")) == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("content", [b"a\n\n\nb\n", b"a\n\t\nb"])
def test_an_empty_row_before_the_end_is_a_feed_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(FeedError, match="row 2: must not be empty"):
        read(write(tmp_path / "a.csv", content))


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf", b"\r\n\n", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_a_feed_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(FeedError, match=r"a\.csv: the file is empty"):
        read(write(tmp_path / "a.csv", content))


def test_a_truncated_gzip_file_is_a_feed_error_after_its_good_rows(tmp_path: Path) -> None:
    packed = gzip.compress("".join(f"{number}\n" for number in range(100_000)).encode())
    rows: list[tuple[int, str]] = []
    file = TextFile(write(tmp_path / "a.csv.gz", packed[: len(packed) // 2]))
    with pytest.raises(FeedError, match=r"row \d+: the file is damaged") as caught:
        rows.extend(file.rows())
    assert caught.value.row == len(rows) + 1 > 1


@pytest.mark.parametrize("damaged", [slice(12, 40), slice(-8, -4)])
def test_a_corrupt_gzip_file_is_a_feed_error(tmp_path: Path, damaged: slice) -> None:
    packed = bytearray(gzip.compress(b"34200.5,1,7,10,1000000,-1\n" * 1000))
    packed[damaged] = bytes(byte ^ 0xA5 for byte in packed[damaged])
    with pytest.raises(FeedError, match=r"damaged|not UTF-8"):
        read(write(tmp_path / "a.csv.gz", bytes(packed)))


def test_a_row_that_is_not_text_is_a_feed_error(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="row 2: must be UTF-8 text"):
        read(write(tmp_path / "a.csv", b"fine\nb\xff\nfine\n"))


def test_a_very_long_row_is_a_feed_error_before_it_fills_the_memory(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="row 1: must have fewer than 65,536 bytes"):
        read(write(tmp_path / "a.csv", b"1" * 1_000_000))


def test_an_error_names_its_file_and_row_also_after_pickling() -> None:
    error = UnknownOrderError("a.csv", 3, "order 5 is deleted but was never submitted")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - trusted bytes
    assert (again.path, again.row, again.problem) == (error.path, error.row, error.problem)
    assert str(again) == "a.csv: row 3: order 5 is deleted but was never submitted"
    assert all(isinstance(error, kind) for kind in (FeedError, OmsError, ValueError, LookupError))


@pytest.mark.parametrize(
    ("text", "decimals", "exact"),
    [("236.47", 2, 23_647), ("0.1", 9, 100_000_000), ("7", 2, 700), ("0.00", 2, 0)],
)
def test_a_decimal_is_read_as_an_exact_integer(text: str, decimals: int, exact: int) -> None:
    assert scaled(text, decimals) == exact


def test_a_reader_whose_file_was_closed_before_it_ends_without_an_error(tmp_path: Path) -> None:
    file = TextFile(write(tmp_path / "a.csv", b"a,1\nb,2\n"))
    rows = file.rows()
    next(rows)
    raw = file._raw
    assert raw is not None
    raw.close()  # as the garbage collector may do
    rows.close()


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (lambda path: list(bitstamp.read(path)), "id,timestamp\n"),
        (lambda path: list(bitstamp.trades(path)), "x,y\nz\n"),
        (
            lambda path: list(lobster.read(path)),
            "34200.1,1,7,10,1000000,-1\nno row\n34200.2,1,8,10,1000000,-1\n",
        ),
        (lambda path: list(TextFile(path).rows()), "a\n\nb\n"),
    ],
)
def test_a_file_is_closed_when_a_bad_row_raises_an_error(
    read: Callable[[Path], object], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[io.BufferedReader] = []

    def open_and_record(path: str, mode: str) -> io.BufferedReader:
        opened.append(io.open(path, "rb"))  # noqa: SIM115, UP020  # the name `open` is the one replaced
        return opened[-1]

    monkeypatch.setattr(text_file, "open", open_and_record, raising=False)
    with pytest.raises(FeedError) as caught:
        read(write(tmp_path / "x.csv", text.encode()))
    assert opened
    assert all(file.closed for file in opened), caught.traceback  # the traceback keeps suspended generators
