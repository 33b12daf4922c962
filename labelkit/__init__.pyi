"""The public names. Type checkers read them here, and `__init__.py` loads each when it is asked for."""

from .dataset.dataset import open_dataset as open_dataset
from .workflows.array_script import array_script as array_script
from .workflows.build_dataset import build_dataset as build_dataset
from .workflows.build_dataset import build_dataset_part as build_dataset_part
from .workflows.card import card as card
from .workflows.coverage_map import coverage as coverage
from .workflows.coverage_map import coverage_map as coverage_map
from .workflows.demo import demo as demo
from .workflows.evaluate import evaluate as evaluate
from .workflows.export import export as export
from .workflows.inspect import inspect as inspect
from .workflows.latency import latency as latency
from .workflows.play import play as play
from .workflows.predict import predict as predict
from .workflows.record import record as record
from .workflows.report import report_dataset as report_dataset
from .workflows.show import show as show
from .workflows.simulate import simulate as simulate
from .workflows.simulate import simulate_live as simulate_live
from .workflows.train import train as train
from .workflows.tune import tune as tune
from .workflows.verify import verify as verify
from .workflows.withdraw import withdraw as withdraw

__version__: str
