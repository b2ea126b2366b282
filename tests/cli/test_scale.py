"""`predict --engine ray` where every part is there already, so that Ray need not start; with it, tests/scale."""

from filelock import FileLock
from PIL import Image

from flaxdigits import Recognizer
from flaxdigits.bulk import Options
from flaxdigits.scale.job import plan
from flaxdigits.scale.parts import read_unit


def test_a_finished_reading_tells_its_errors_again(tmp_path, run_program, few, tiny_model):
    (tmp_path / "in").mkdir()
    for place, image in enumerate(few.images[:3]):
        Image.fromarray(image).save(tmp_path / "in" / f"{place}.png")
    for name in ("8.png", "9.png"):
        (tmp_path / "in" / name).write_text("no picture")
    job = plan([str(tmp_path / "in")], tmp_path / "out", Options(tiny_model, "single"))
    read_unit(job.units[0], job.out, Recognizer(tiny_model), job.options)
    command = ("predict", "in", "--engine", "ray", "--out", "out", "--model", tiny_model, "--single")
    done = run_program(tmp_path, *command)
    assert done.returncode == 1
    assert done.stdout == "out: 5 rows in 1 part; 0 files read now\n"
    assert done.stderr == (
        "5 of 5 files\n"
        f"flaxdigits: {tmp_path}/in/8.png: not a picture that can be read\n"
        f"flaxdigits: {tmp_path}/in/9.png: not a picture that can be read\n"
        "flaxdigits: 2 files could not be read\n"
    )


def test_two_readings_into_one_folder_are_refused(tmp_path, run_program, few, tiny_model):
    (tmp_path / "in").mkdir()
    Image.fromarray(few.images[0]).save(tmp_path / "in" / "0.png")
    with FileLock(plan([str(tmp_path / "in")], tmp_path / "out", Options(tiny_model, "single")).out / ".lock"):
        command = ("predict", "in", "--engine", "ray", "--out", "out", "--model", tiny_model, "--single")
        done = run_program(tmp_path, *command)
    assert done.returncode == 1
    assert done.stderr == f"flaxdigits: {tmp_path}/out: another process is reading into it; wait for it to end\n"


def test_other_options_than_those_of_the_parts_are_one_line(tmp_path, run_program, few, tiny_model):
    (tmp_path / "in").mkdir()
    Image.fromarray(few.images[0]).save(tmp_path / "in" / "0.png")
    plan([str(tmp_path / "in")], tmp_path / "out", Options(tiny_model, "single"))
    (tmp_path / "out" / "part-00001.parquet").touch()
    done = run_program(tmp_path, "predict", "in", "--engine", "ray", "--out", "out", "--model", tiny_model, "--page")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        f"flaxdigits: {tmp_path}/out: holds parts of another reading, with another value of: --single and --page; "
    )
    assert done.stderr.count("\n") == 1
