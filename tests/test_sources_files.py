"""Bad files: each gets one clear error that names the file, what is wrong with it, and the mend."""

import gzip
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from weaponized_interdependence.errors import InputError, UsageError, WiError
from weaponized_interdependence.sources.files import opened, require, text_frame
from weaponized_interdependence.sources.registry import read

GOOD = (
    b"exporter_id,exporter_name,importer_id,importer_name,value\n"
    b"usa,United States,deu,Germany,5\n"
    b"chn,China,usa,United States,7\n"
)


def read_bytes(folder: Path, data: bytes, name: str = "oec_2021.csv", **options: object) -> pl.DataFrame:
    path = folder / name
    path.write_bytes(data)
    flows = read("oec", path, **options).flows
    assert flows is not None
    return flows


def fault_of(folder: Path, data: bytes, name: str = "oec_2021.csv") -> str:
    with pytest.raises(InputError) as caught:
        read_bytes(folder, data, name)
    assert name in str(caught.value)
    assert "->" in str(caught.value)
    return str(caught.value)


def zipped(**members: bytes) -> bytes:
    import io

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_csv", ".csv"), data)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "the file is empty"),
        (gzip.compress(b""), "empty once unpacked"),
        (gzip.compress(GOOD * 2000)[:-200], "not a whole archive"),
        (gzip.compress(GOOD)[:-4] + b"abcd", "not a whole archive"),
        (b"\x28\xb5\x2f\xfd" + b"broken zstd stream", "not a whole archive"),
        (zipped(a_csv=GOOD)[:60], "not text|not a whole archive"),
        (zipped(readme=b"nothing here"), "no data file of this reader inside; it holds readme"),
        (zipped(**{"[Content_Types].xml": b"x"}), "Excel workbook"),
        (b"\xfd7zXZ\x00rest", "packed with xz"),
        (b"BZh91AY&SY", "packed with bzip2"),
        (GOOD.replace(b",", b";"), r"separated by ';' \(semicolon\), this reader wants comma"),
        (GOOD.replace(b",", b"\t"), r"separated by '\\t' \(tab\)"),
        (GOOD.decode().encode("utf-16"), "UTF-16 .*byte order mark at byte 0"),
        (GOOD.decode().encode("utf-16-le"), "zero byte at byte 1"),
        (GOOD.replace(b"Germany", b"C\xf4te"), r"not UTF-8: byte 0xf4 at byte offset 81, line 2"),
        (b"<!DOCTYPE html><html>login</html>", "web page"),
        (GOOD.replace(b"\n", b"\r"), "CR alone"),
        (b"\n" + GOOD, "first line is empty"),
        (GOOD[:-9], "last line has 4 of 5 cells and no end: the file was cut off"),
        (GOOD.replace(b"China", b'"China'), "quotation mark is opened and not closed"),
        (b"just one column\n1\n", "does not have the columns needed"),
        (GOOD.replace(b"exporter_name", b"value"), "column 'value' comes twice"),
        (GOOD.split(b"\n")[0] + b"\n", "not one row of data"),
        (b"PAR1 and then nothing", "not a whole parquet file"),
        (b"t,i,j,k,v,q\n2021,4,8,010121,1,1\n", "those of the reader baci"),
    ],
    ids=lambda given: given if isinstance(given, str) else "file",  # archives hold the time they were made at
)
def test_each_bad_file_has_its_error(tmp_path: Path, data: bytes, says: str) -> None:
    assert re.search(says, fault_of(tmp_path, data))


@pytest.mark.parametrize("name", ["oec", "baci"])
def test_a_parquet_damaged_inside(tmp_path: Path, name: str) -> None:
    columns = ("exporter_id", "importer_id", "value") if name == "oec" else ("t", "i", "j", "k", "v", "q")
    frame = pl.DataFrame({c: [str(n) for n in range(5000)] for c in columns})
    path = tmp_path / "BACI_HS17_2021.parquet"
    frame.write_parquet(path)
    data = bytearray(path.read_bytes())
    # only the pages: what is in the footer, which is read first, must stay whole for this fault to be the one found
    pages = pq.read_metadata(path).row_group(0).column(0).total_compressed_size
    data[4 : 4 + pages] = b"\x7f" * pages
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="cannot be parsed"):
        read(name, path)


def test_all_files_are_looked_at_before_the_error(tmp_path: Path) -> None:
    (tmp_path / "a_2021.csv").write_bytes(b"")
    (tmp_path / "b_2021.csv").write_bytes(GOOD.replace(b",", b";"))
    with pytest.raises(InputError) as caught:
        read("oec", tmp_path / "a_2021.csv", tmp_path / "b_2021.csv")
    assert "a_2021.csv: the file is empty" in str(caught.value)
    assert "b_2021.csv: cells are separated" in str(caught.value)


def test_unreadable_and_absent_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file(.|\n)*no file matches(.|\n)*is a folder"):
        read("oec", tmp_path / "absent.csv", tmp_path / "*.none", tmp_path)
    with pytest.raises(UsageError, match="no file was named"):
        read("oec")


def test_encoding_can_be_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no encoding is called"):
        read_bytes(tmp_path, GOOD, encoding="utf8000")
    data = GOOD.replace(b"Germany", b"C\xf4te")
    assert read_bytes(tmp_path, data, encoding="cp1252").height == 2
    assert read_bytes(tmp_path, GOOD.decode().encode("utf-16"), encoding="utf-16").height == 2


def test_zip_bomb(tmp_path: Path) -> None:
    bomb = gzip.compress(b"0" * (300 << 20), compresslevel=1)
    assert "times its size: a zip bomb" in fault_of(tmp_path, bomb)
    zipped_bomb = tmp_path / "bomb_2021.zip"
    with (
        zipfile.ZipFile(zipped_bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("a.csv", "w") as out,
    ):
        for _ in range(300):
            out.write(b"0" * (1 << 20))
    with pytest.raises(InputError, match="WI_MAX_UNPACK_RATIO"):
        read("oec", zipped_bomb)


def test_size_limit_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(GOOD * 1000)
    monkeypatch.setenv("WI_MAX_UNPACKED_GB", "0.00001")
    assert "more than 1e-05 GB" in fault_of(tmp_path, packed)
    monkeypatch.setenv("WI_MAX_UNPACKED_GB", "much")
    with pytest.raises(UsageError, match="must be numbers"):
        read_bytes(tmp_path, packed)


def test_encrypted_member_is_named(tmp_path: Path) -> None:
    data = bytearray(zipped(a_csv=GOOD))
    # set the encryption bit in the local and the central header
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    (tmp_path / "x_2021.zip").write_bytes(bytes(data))
    with pytest.raises(InputError, match="is encrypted"):
        read("oec", tmp_path / "x_2021.zip")


def test_a_member_name_is_never_a_path(tmp_path: Path) -> None:
    inside = tmp_path / "deep" / "deeper"
    inside.mkdir(parents=True)
    (inside / "x_2021.zip").write_bytes(zipped(**{"../../escaped_2021_csv": GOOD}))
    flows = read("oec", inside / "x_2021.zip", year=2021).flows
    assert flows is not None
    assert flows.height == 2
    assert not list(tmp_path.rglob("escaped*"))


def test_temporary_files_are_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    read_bytes(tmp_path, gzip.compress(GOOD), "oec_2021.csv.gz")
    with pytest.raises(InputError):
        read_bytes(tmp_path, gzip.compress(GOOD * 2000)[:-200])
    assert list(scratch.iterdir()) == []


def test_odd_lines_are_kept_aside_with_their_cells(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'a,b\n1,"x, y"\n2\n\n3,4,5\n6,7,\n8,9\n')
    with opened([path]) as (file,):
        require(file, ["a", "b"])
        frame, odd = text_frame(file)
    assert odd == {2: ["2"], 4: ["3", "4", "5"]}
    # row 5 only has a separator at its end, row 3 is blank
    assert frame.drop_nulls("a").rows() == [(1, "1", "x, y"), (5, "6", "7"), (6, "8", "9")]


def test_a_file_odd_throughout_is_an_error(tmp_path: Path) -> None:
    data = b"exporter_id,importer_id,value\n" + b"usa,deu,1,2,3,4\n" * 100_002
    assert "do not have the header's 3 cells" in fault_of(tmp_path, data)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_no_room_to_unpack(tmp_path: Path) -> None:
    from weaponized_interdependence.errors import OutputError
    from weaponized_interdependence.sources.unpack import _put

    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OutputError, match="TMPDIR"):
        _put(full, b"x", Path("/dev/full"))


def test_importing_the_registry_loads_no_reader() -> None:
    code = (
        "import sys; import weaponized_interdependence.sources.registry as r; "
        "heavy = [m for m in sys.modules if m.endswith(('.baci', '.icio', '.comtrade')) or m == 'pyarrow']; "
        "assert not heavy, heavy; assert 'baci' in r.READERS"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)


def test_every_error_is_one_of_ours(tmp_path: Path) -> None:
    """Cut a file at every byte: it is read, or there is an error of ours, never another."""
    for n in range(len(GOOD) + 1):
        try:
            flows = read_bytes(tmp_path, GOOD[:n])
        except WiError:
            continue
        assert flows.height <= 2
