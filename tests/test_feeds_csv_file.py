"""A file is streamed row by row, and whatever is wrong with it is named with its row."""

from __future__ import annotations

import gzip
import pickle
import tracemalloc
from pathlib import Path

import pytest

from oms import OmsError
from oms.feeds import FeedError, UnknownOrderError
from oms.feeds.csv_file import CsvFile, scaled


def read(path: Path) -> list[tuple[int, str]]:
    return list(CsvFile(path).rows())


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_rows_are_numbered_from_one_and_come_without_their_line_ends(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.csv", b"a,1\r\nb,2\nc,3")) == [(1, "a,1"), (2, "b,2"), (3, "c,3")]


def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.csv", b"\xef\xbb\xbfa,1\n")) == [(1, "a,1")]


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv"])
def test_a_compressed_file_is_known_by_its_content(tmp_path: Path, name: str) -> None:
    assert read(write(tmp_path / name, gzip.compress(b"a\nb\n"))) == [(1, "a"), (2, "b")]


def test_a_file_may_be_streamed_again_and_again(tmp_path: Path) -> None:
    file = CsvFile(write(tmp_path / "a.csv", b"a\nb\n"))
    assert list(file.rows()) == list(file.rows())


@pytest.mark.parametrize("content", [b"x\n" * 50_000, gzip.compress(b"x\n" * 50_000)])
def test_the_position_grows_to_the_size(tmp_path: Path, content: bytes) -> None:
    file = CsvFile(write(tmp_path / "a.csv", content))
    assert (file.position, file.size) == (0, len(content))
    positions = [file.position for _ in file.rows()]
    assert positions == sorted(positions)
    assert file.position == file.size


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv.gz", gzip.compress(b"34200.5,1,7,10,1000000,-1\n" * 200_000))
    tracemalloc.start()
    for _ in CsvFile(path).rows():
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_missing_file_is_a_feed_error(tmp_path: Path) -> None:
    file = CsvFile(tmp_path / "none.csv")
    with pytest.raises(FeedError, match=r"none\.csv: No such file or directory$") as caught:
        list(file.rows())
    assert caught.value.row is None
    with pytest.raises(FeedError, match="No such file"):
        _ = file.size


def test_a_folder_is_a_feed_error(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="directory"):
        read(tmp_path)


def test_empty_rows_at_the_end_are_passed_over(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.csv", b"a\nb\n\n \r\n\n")) == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("content", [b"a\n\n\nb\n", b"a\n\t\nb"])
def test_an_empty_row_before_the_end_is_a_feed_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(FeedError, match="row 2: an empty row"):
        read(write(tmp_path / "a.csv", content))


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf", b"\r\n\n", gzip.compress(b"")])
def test_an_empty_file_is_a_feed_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(FeedError, match=r"a\.csv: the file is empty"):
        read(write(tmp_path / "a.csv", content))


def test_a_truncated_gzip_file_is_a_feed_error_after_its_good_rows(tmp_path: Path) -> None:
    packed = gzip.compress("".join(f"{number}\n" for number in range(100_000)).encode())
    rows: list[tuple[int, str]] = []
    file = CsvFile(write(tmp_path / "a.csv.gz", packed[: len(packed) // 2]))
    with pytest.raises(FeedError, match=r"row \d+: the file is damaged") as caught:
        rows.extend(file.rows())
    assert caught.value.row == len(rows) + 1 > 1


@pytest.mark.parametrize("spoilt", [slice(12, 40), slice(-8, -4)])
def test_a_corrupt_gzip_file_is_a_feed_error(tmp_path: Path, spoilt: slice) -> None:
    packed = bytearray(gzip.compress(b"34200.5,1,7,10,1000000,-1\n" * 1000))
    packed[spoilt] = bytes(byte ^ 0xA5 for byte in packed[spoilt])
    with pytest.raises(FeedError, match=r"damaged|not UTF-8"):
        read(write(tmp_path / "a.csv.gz", bytes(packed)))


def test_what_is_not_text_is_a_feed_error_at_its_row(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="row 2: not UTF-8 text"):
        read(write(tmp_path / "a.csv", b"fine\nb\xff\nfine\n"))


def test_a_row_without_end_is_a_feed_error_before_it_fills_the_memory(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="row 1: no row has 65536 bytes"):
        read(write(tmp_path / "a.csv", b"1" * 1_000_000))


def test_an_error_says_where_and_survives_pickling() -> None:
    error = UnknownOrderError("a.csv", 3, "order 5 is deleted but was never submitted")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (again.path, again.row, again.problem) == (error.path, error.row, error.problem)
    assert str(again) == "a.csv: row 3: order 5 is deleted but was never submitted"
    assert all(isinstance(error, kind) for kind in (FeedError, OmsError, ValueError, LookupError))


@pytest.mark.parametrize(
    ("text", "decimals", "exact"),
    [("236.47", 2, 23_647), ("0.1", 9, 100_000_000), ("7", 2, 700), ("0.00", 2, 0)],
)
def test_a_decimal_is_read_as_an_exact_integer(text: str, decimals: int, exact: int) -> None:
    assert scaled(text, decimals) == exact
