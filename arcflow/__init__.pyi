# The names of __init__.py for type checkers and editors. A stub, because imports under
# TYPE_CHECKING would count as arrows upward for the many modules that import the package.
from arcflow.api.answers import answer as answer
from arcflow.api.answers import fine_tune as fine_tune
from arcflow.api.models import load_model as load_model
from arcflow.api.pictures import draw as draw
from arcflow.api.tasks import load_tasks as load_tasks
from arcflow.api.tasks import score as score
from arcflow.api.tasks import vote as vote
from arcflow.callbacks.pass_n import PassN as PassN
from arcflow.callbacks.ttft import TestTimeFineTuning as TestTimeFineTuning
from arcflow.core.grid import Grid as Grid
from arcflow.core.task import Pair as Pair
from arcflow.core.task import Task as Task
from arcflow.datamodules.arc import ARCDataModule as ARCDataModule
from arcflow.datamodules.mixture import MixtureDataModule as MixtureDataModule
from arcflow.datamodules.omniarc import OmniARCDataModule as OmniARCDataModule
from arcflow.datamodules.rearc import ReARCDataModule as ReARCDataModule
from arcflow.evaluation.views import evaluation_views as evaluation_views
from arcflow.modules.backbone import BackboneConfig as BackboneConfig
from arcflow.modules.lora.adapters import LoRAConfig as LoRAConfig
from arcflow.modules.lora_module import LoRAModule as LoRAModule
from arcflow.sandbox import Sandbox as Sandbox
from arcflow.scoring.journal import read_journal as read_journal
from arcflow.scoring.submission import build_submission as build_submission
from arcflow.scoring.submission import read_submission as read_submission
from arcflow.scoring.submission import write_submission as write_submission
from arcflow.scoring.voting import Candidate as Candidate
from arcflow.scoring.voting import Vote as Vote

__version__: str
__all__: list[str]
