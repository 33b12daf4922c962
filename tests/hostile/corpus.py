"""Datasets, recordings and pictures that somebody made to harm their reader. All are made here; none is stored.

Each case is a function that spoils a sound dataset, recording or picture. Manifests are made to agree with
what was spoiled, so that hashes stop nothing.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from labelkit.dataset.manifest import MANIFEST_NAME, hash_line
from labelkit.dataset.table import COLUMNS, TABLE_NAME, read_table
from tests.dataset.tampered import put

SHARD = "shards/p01-0000.h5"
PLUGIN_FILTER = 32015  # zstd's number; h5py has no such filter of its own

DATASETS: dict[str, Callable[[Path], None]] = {}
RECORDINGS: dict[str, Callable[[Path], None]] = {}
PICTURES: dict[str, Callable[[bytes, bytes], bytes]] = {}  # from a sound PNG and JPEG


def named(cases, name):
    def keep(function):
        cases[name] = function
        return function

    return keep


# --- shards


@contextmanager
def edited(folder: Path) -> Iterator[h5py.File]:
    """Edit the shard with h5py, and make the manifest agree."""
    with h5py.File(folder / SHARD, "a") as shard:
        yield shard
    put(folder, SHARD, (folder / SHARD).read_bytes())


def in_place_of_azimuth(name: str):
    """Put something else in the place of one field of the shard."""

    def decorate(function):
        @named(DATASETS, name)
        def spoil(folder: Path) -> None:
            with edited(folder) as shard:
                del shard["azimuth"]
                function(shard, folder)

        return spoil

    return decorate


def pipe(folder: Path) -> Path:
    """Make a pipe beside the dataset: whoever opens it waits until the time is up."""
    path = folder.parent / "pipe"
    os.mkfifo(path)
    return path


@in_place_of_azimuth("external link")
def _(shard, folder):
    shard["azimuth"] = h5py.ExternalLink(str(pipe(folder)), "/azimuth")


@in_place_of_azimuth("soft link to itself")
def _(shard, folder):
    shard["azimuth"] = h5py.SoftLink("/azimuth")


@in_place_of_azimuth("external storage")
def _(shard, folder):
    shard.create_dataset("azimuth", (2,), "<f4", external=[("/etc/passwd", 0, 8)])


@in_place_of_azimuth("virtual dataset")
def _(shard, folder):
    layout = h5py.VirtualLayout((2,), "<f4")
    layout[:] = h5py.VirtualSource(str(pipe(folder)), "azimuth", (2,))
    shard.create_virtual_dataset("azimuth", layout)


@in_place_of_azimuth("virtual dataset of any number of files")
def _(shard, folder):
    pipe(folder)
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    whole = h5py.h5s.create_simple((1,), (h5py.h5s.UNLIMITED,))
    whole.select_hyperslab((0,), (h5py.h5s.UNLIMITED,), (1,), (1,))
    plist.set_virtual(
        whole, str(folder.parent / "pi%%bpe").replace("%%b", "").encode(), b"azimuth%b", h5py.h5s.create_simple((1,))
    )
    h5py.h5d.create(shard.id, b"azimuth", h5py.h5t.IEEE_F32LE, whole, plist)


@in_place_of_azimuth("shape bomb, never allocated")
def _(shard, folder):
    shard.create_dataset("azimuth", (2**50,), "<f4")


@in_place_of_azimuth("shape bomb, chunked")
def _(shard, folder):
    shard.create_dataset("azimuth", (2**61,), "<f4", chunks=(1024,), fillvalue=90)


@in_place_of_azimuth("compressed bomb")
def _(shard, folder):
    shard.create_dataset("azimuth", data=np.zeros(2**26, "<f4"), chunks=(2**26,), compression="gzip")


@in_place_of_azimuth("filter plug-in")
def _(shard, folder):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((2,))
    plist.set_filter(PLUGIN_FILTER, h5py.h5z.FLAG_OPTIONAL)
    field = h5py.h5d.create(shard.id, b"azimuth", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((2,)), plist)
    field.write_direct_chunk((0,), b"\0" * 8)


@in_place_of_azimuth("text of any length")
def _(shard, folder):
    shard.create_dataset("azimuth", data=["x" * 1000] * 2, dtype=h5py.string_dtype())


@in_place_of_azimuth("references")
def _(shard, folder):
    shard.create_dataset("azimuth", data=np.array([shard.ref, shard.ref], dtype=h5py.ref_dtype))


@in_place_of_azimuth("a group that holds itself")
def _(shard, folder):
    group = shard.create_group("azimuth")
    group["azimuth"] = group


@in_place_of_azimuth("a named type")
def _(shard, folder):
    shard["azimuth"] = np.dtype("<f4")


@in_place_of_azimuth("nothing, and 20,000 links of another name")
def _(shard, folder):
    for k in range(20_000):
        shard[f"x{k}"] = h5py.SoftLink("/nowhere")


@in_place_of_azimuth("another length")
def _(shard, folder):
    shard["azimuth"] = np.full(3, 90, "<f4")


@in_place_of_azimuth("big-endian numbers")
def _(shard, folder):
    shard["azimuth"] = np.full(2, 90, ">f4")


@named(DATASETS, "an unknown field that is an external link")
def _(folder):
    with edited(folder) as shard:
        shard["more"] = h5py.ExternalLink(str(pipe(folder)), "/")


@named(DATASETS, "an attribute of text of any length")
def _(folder):
    with edited(folder) as shard:
        shard.attrs["participant"] = "p01" * 10_000


@named(DATASETS, "an attribute of another type")
def _(folder):
    with edited(folder) as shard:
        shard.attrs["schema"] = shard.ref


@named(DATASETS, "an HDF5 file of nothing")
def _(folder):
    with h5py.File(folder / SHARD, "w"):
        pass
    put(folder, SHARD, (folder / SHARD).read_bytes())


def instead_of_the_shard(name: str, content: Callable[[bytes], bytes]):
    named(DATASETS, f"shard: {name}")(lambda folder: put(folder, SHARD, content((folder / SHARD).read_bytes())))


instead_of_the_shard("empty", lambda sound: b"")
instead_of_the_shard("no HDF5", lambda sound: b"\x80\x04pickle" * 100)
instead_of_the_shard("cut short", lambda sound: sound[: len(sound) // 2])
instead_of_the_shard("cut short by one byte", lambda sound: sound[:-1])
instead_of_the_shard("its end far beyond the file", lambda sound: sound[:40] + b"\xff" * 7 + b"\x7f" + sound[48:])
instead_of_the_shard("its root anywhere", lambda sound: sound[:64] + b"\xff\xff\xff\x7f" * 4 + sound[80:])


@named(DATASETS, "shard: 1 TB of nothing")
def _(folder):
    os.truncate(folder / SHARD, 2**40)


@named(DATASETS, "shard: a pipe")
def _(folder):
    (folder / SHARD).unlink()
    os.mkfifo(folder / SHARD)


@named(DATASETS, "shards: a link to itself")
def _(folder):
    (folder / SHARD).unlink()
    (folder / "shards").rmdir()
    (folder / "shards").symlink_to("shards")


# --- manifests


def with_manifest(name: str, edit: Callable[[dict], object]):
    @named(DATASETS, f"manifest: {name}")
    def spoil(folder: Path) -> None:
        fields = json.loads((folder / MANIFEST_NAME).read_text())
        edit(fields)
        instead_of_the_manifest(folder, json.dumps(fields).encode())


def instead_of_the_manifest(folder: Path, content: bytes) -> None:
    (folder / MANIFEST_NAME).write_bytes(content)
    (folder / "manifest.sha256").write_bytes(hash_line(content))


ENTRY = {"bytes": 5, "sha256": "0" * 64}
for bad in (
    *("../secret", "/etc/passwd", "shards/../../secret", "./labels.parquet", "shards/a\0b.h5", "shards\\x.h5", ""),
    *(".build/x", "shards/.x", "shards/deep/x.h5", "shards/", "shards/x.h5\n", "C:/x", "shards/\u202e5h.x", "x" * 5000),
):
    with_manifest(f"names {bad[:20]!r}", lambda m, bad=bad: m["files"].update({bad: ENTRY}))
with_manifest("a negative size", lambda m: m["files"][SHARD].update(bytes=-1))
with_manifest("a size beyond any", lambda m: m["files"][SHARD].update(bytes=10**40))
with_manifest("a size as text", lambda m: m["files"][SHARD].update(bytes="many"))
with_manifest("a hash that is a path", lambda m: m["files"][SHARD].update(sha256="../" * 21 + "x"))
with_manifest("counts beyond any", lambda m: m.update(frames=10**30, samples=-1))
with_manifest("no files", lambda m: m.update(files=[]))
with_manifest("the manifest itself", lambda m: m["files"].update({MANIFEST_NAME: ENTRY}))
with_manifest(
    "a participant of control characters", lambda m: m["participants"].update({"\x1b[2J": {"frames": 0, "samples": 0}})
)
with_manifest("deep settings", lambda m: m.update(settings=json.loads("[" * 500 + "]" * 500)))
for name, content in {
    "deeper than any stack": b"[" * 1_000_000,
    "a number of a million digits": b'{"schema_": ' + b"9" * 1_000_000 + b"}",
    "no text": bytes(range(256)),
    "UTF-16": '{"schema_": "labelkit/1"}'.encode("utf-16"),
    "not an object": b"[1]",
    "nothing": b"",
    "NaN": b'{"schema_": "labelkit/1", "frames": NaN}',
}.items():
    named(DATASETS, f"manifest: {name}")(lambda folder, content=content: instead_of_the_manifest(folder, content))


@named(DATASETS, "manifest: 1 TB of nothing")
def _(folder):
    os.truncate(folder / MANIFEST_NAME, 2**40)


@named(DATASETS, "manifest: a pipe")
def _(folder):
    (folder / MANIFEST_NAME).unlink()
    os.mkfifo(folder / MANIFEST_NAME)


# --- label tables


def with_rows(name: str, edit: Callable[[list[dict]], object]):
    @named(DATASETS, f"table: {name}")
    def spoil(folder: Path) -> None:
        rows = read_table(folder / TABLE_NAME).to_pylist()
        edit(rows)
        write_table(folder, pa.Table.from_pylist(rows, schema=COLUMNS))


def write_table(folder: Path, table: pa.Table) -> None:
    pq.write_table(table, folder.parent / "t.parquet", compression="zstd")
    put(folder, TABLE_NAME, (folder.parent / "t.parquet").read_bytes())


with_rows("a shard outside", lambda rows: rows[0].update(shard="../../secret.h5"))
with_rows("an absolute shard", lambda rows: rows[0].update(shard="/etc/passwd"))
with_rows("NUL and control characters", lambda rows: rows[0].update(frame="a\0b\x1b[2J", participant="\x1b[2J"))
with_rows("an index far away", lambda rows: rows[0].update(index=2**31 - 1))
with_rows("a negative index", lambda rows: rows[0].update(index=-1))


@named(DATASETS, "table: 1,900 times a long text")
def _(folder):
    sound = read_table(folder / TABLE_NAME)
    many = pa.concat_tables([sound.slice(0, 1)] * 1_900).combine_chunks()
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 1_900, pa.int32()), ["x" * 2**20])
    write = many.set_column(many.schema.get_field_index("detail"), "detail", long)
    pq.write_table(write, folder.parent / "t.parquet", compression="zstd", store_schema=False)
    put(folder, TABLE_NAME, (folder.parent / "t.parquet").read_bytes())


@named(DATASETS, "table: 20 million rows of nothing")
def _(folder):
    n = 20_000_000
    nothing = pa.RecordBatch.from_arrays(
        [pa.nulls(n, field.type) if field.nullable else pa.repeat(pa.scalar("", pa.string()), n) for field in COLUMNS],
        schema=COLUMNS,
    )
    write_table(folder, pa.Table.from_batches([nothing]))


@named(DATASETS, "table: other columns")
def _(folder):
    write_table(folder, pa.table({"participant": [["nested"]]}))


@named(DATASETS, "table: text that is no UTF-8")
def _(folder):
    sound = read_table(folder / TABLE_NAME)
    bad = pa.array([b"\xff\xfe"] * sound.num_rows, pa.binary()).view(pa.string())
    write_table(folder, sound.set_column(2, COLUMNS.field("frame"), bad))


def instead_of_the_table(name: str, content: Callable[[bytes], bytes]):
    named(DATASETS, f"table: {name}")(
        lambda folder: put(folder, TABLE_NAME, content((folder / TABLE_NAME).read_bytes()))
    )


instead_of_the_table("empty", lambda sound: b"")
instead_of_the_table("cut short", lambda sound: sound[: len(sound) // 2])
instead_of_the_table("a footer longer than the file", lambda sound: sound[:-8] + b"\xff\xff\xff\x7fPAR1")
instead_of_the_table("a footer of nothing", lambda sound: b"PAR1" + b"\0" * 100 + b"\x64\0\0\0PAR1")


# --- recordings: what lies in RAW/p01, a TUM recording


@named(RECORDINGS, "links to themselves")
def _(folder):
    (folder / "depth" / "0.5.png").symlink_to("0.5.png")
    (folder / "loop").symlink_to("loop")
    (folder / "round").symlink_to(folder)
    (folder / "rgb" / "up").symlink_to("..")


@named(RECORDINGS, "a picture that is a link out")
def _(folder):
    (folder / "depth" / "0.5.png").symlink_to("/etc/passwd")


@named(RECORDINGS, "a folder that is a link out")
def _(folder):
    (folder / "more").symlink_to("/etc")


@named(RECORDINGS, "a sidecar that is a link out")
def _(folder):
    (folder / "recording.toml").unlink()
    (folder / "recording.toml").symlink_to("/etc/passwd")


@named(RECORDINGS, "pipes in the place of pictures, sidecar and lists")
def _(folder):
    for name in ("depth/0.5.png", "recording.toml", "rgb.txt"):
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)


def with_text(name: str, file: str, content: bytes):
    named(RECORDINGS, name)(lambda folder: (folder / file).write_bytes(content))


with_text("a list that leads out", "rgb.txt", b"1.0 ../../../etc/passwd\n")
with_text("an absolute list", "rgb.txt", b"1.0 /etc/passwd\n")
with_text("a list that leads up", "rgb.txt", b"1.0 ..\n2.0 .\n")
with_text("a list with NUL", "rgb.txt", b"1.0 rgb/\0.png\n")
with_text("a list of long names", "rgb.txt", b"1.0 rgb/" + b"x" * 100_000 + b".png\n")
with_text("a list of strange times", "rgb.txt", b"1e999 rgb/1.png\nnan rgb/2.png\n")
with_text("a sidecar deeper than any stack", "recording.toml", b"x = " + b"[" * 100_000)
with_text("a sidecar of a number of a million digits", "recording.toml", b"[intrinsics]\nfx = " + b"9" * 900_000)
with_text("a sidecar of endless numbers", "recording.toml", b"[intrinsics]\nfx = inf\nfy = nan\n")
with_text("a sidecar of a large picture", "recording.toml", b"[intrinsics]\nwidth = 9999999999\n")
with_text("patterns that lead out", "recording.toml", b'[files]\ncolor = "../{key}.png"\ndepth = "/etc/{key}"\n')
with_text(
    "patterns that never end", "recording.toml", b'[files]\ncolor = "' + b"{key}" * 5000 + b'"\ndepth = "{key}"\n'
)


@named(RECORDINGS, "a sidecar of 1 TB")
def _(folder):
    os.truncate(folder / "recording.toml", 2**40)


@named(RECORDINGS, "a list of 1 TB")
def _(folder):
    os.truncate(folder / "rgb.txt", 2**40)


@named(RECORDINGS, "a picture of 1 TB")
def _(folder):
    os.truncate(next((folder / "depth").iterdir()), 2**40)


# --- pictures


def png(width: int, height: int, bits: int, color: int, data: bytes, *more: tuple[bytes, bytes]) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in ((b"IHDR", header), *more, (b"IDAT", data), (b"IEND", b""))
    )


def jpeg_claiming(sound: bytes, width: int, height: int) -> bytes:
    frame = sound.index(b"\xff\xc0") + 5
    return sound[:frame] + struct.pack(">HH", height, width) + sound[frame + 4 :]


PICTURES |= {
    "a PNG that claims 65535 x 65535": lambda p, j: png(65535, 65535, 16, 0, zlib.compress(b"\0" * 100)),
    "a PNG that claims as much as is allowed": lambda p, j: png(7000, 7000, 16, 0, zlib.compress(b"\0" * 100)),
    "a PNG of no pixels": lambda p, j: png(0, 240, 16, 0, zlib.compress(b"")),
    "a PNG that goes on and on": lambda p, j: png(320, 240, 16, 0, zlib.compress(bytes(2**28), 9)),
    "a PNG of no known colours": lambda p, j: png(320, 240, 16, 5, zlib.compress(b"\0" * 100)),
    "a PNG of 3 bits": lambda p, j: png(320, 240, 3, 0, zlib.compress(b"\0" * 100)),
    "a PNG with a bomb of a colour profile": lambda p, j: png(
        320, 240, 16, 0, zlib.compress(b"\0" * 641 * 240), (b"iCCP", b"x\0\0" + zlib.compress(bytes(2**28), 9))
    ),
    "a PNG with a bomb of a text": lambda p, j: png(
        320, 240, 16, 0, zlib.compress(b"\0" * 641 * 240), (b"zTXt", b"x\0\0" + zlib.compress(bytes(2**28), 9))
    ),
    "a PNG whose chunk is longer than any file": lambda p, j: p[:33] + b"\x7f\xff\xff\xffIDAT" + p[41:],
    "a JPEG that claims 65535 x 65535": lambda p, j: jpeg_claiming(j, 65535, 65535),
    "a JPEG that claims as much as is allowed": lambda p, j: jpeg_claiming(j, 7000, 7000),
    "a JPEG of no pixels": lambda p, j: jpeg_claiming(j, 0, 0),
    "a JPEG of markers": lambda p, j: b"\xff\xd8" + b"\xff" * 1_000_000,
    "a JPEG of empty segments": lambda p, j: b"\xff\xd8" + b"\xff\xe0\x00\x00" * 250_000,
    "a JPEG of scans": lambda p, j: scan_bomb(j),
    "a PGM that claims 999999999 x 999999999": lambda p, j: b"P5 999999999 999999999 65535\n" + b"\0" * 100,
    "a PGM that claims more than it has": lambda p, j: b"P5 320 240 65535\n" + b"\0" * 100,
    "a PGM of no largest value": lambda p, j: b"P5 320 240 0\n" + b"\0" * 160_000,
    "a PGM of a long comment": lambda p, j: b"P5 #" + b"x" * 5_000_000 + b"\n320 240 65535\n",
    "a picture of nothing": lambda p, j: b"",
    "a picture that is a TIFF": lambda p, j: b"II*\0" + b"\xff" * 1000,
}


def scan_bomb(sound: bytes) -> bytes:
    """Make a progressive JPEG, at the largest size, in which every scan goes over all pixels for a few bytes."""
    frame = sound.index(b"\xff\xc0")
    tables = sound[2:frame]  # quantisation; what Huffman tables there are come after the frame
    huffman = sound.index(b"\xff\xc4")
    length = struct.unpack_from(">H", sound, huffman + 2)[0]
    header = b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, 7000, 7000, 1) + b"\x01\x11\x00"
    scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 0, 0, 0) + b"\x00" * 4
    return b"\xff\xd8" + tables + header + sound[huffman : huffman + 2 + length] + scan * 20_000 + b"\xff\xd9"
