"""Everything that workers raise.

WorkerError
├── SpecError               the request can't be run as written; says what to change
│   ├── NotConfiguredError  this process lacks what the request names; another may have it
│   └── AuditError          an audit can't be drawn or labelled so; says what to do first
├── RecipeError             a recipe file can't be loaded or breaks its contract
├── EngineError             one generation failed
│   ├── PromptTooLongError  the prompt and its reply do not fit the model's context
│   ├── EngineTimeoutError  no reply within the time allowed
│   └── EngineUnavailableError  the model can't be loaded or reached at all
│       └── EngineDiedError     the engine worked and is dead; one loaded anew would work
├── ExportError             a file of rows can't be written there; says what to change
└── StoreError              the database refused
    ├── BatchNotFoundError  no such batch
    ├── CalibrationNotFoundError  none was uploaded for the recipe by this tenant
    ├── IdempotencyConflictError  the key was used before with another request
    ├── BatchBusyError      another process holds this batch
    └── StoreFullError      no room left on the disk; nothing admitted is lost
"""


class WorkerError(Exception):
    """Base of all worker errors."""


class SpecError(WorkerError):
    """The request can't be run as written."""


class NotConfiguredError(SpecError):
    """The request names what is not configured in this process; it may be in another."""


class AuditError(SpecError):
    """An audit can't be drawn or labelled as asked: the batch still runs, a label contradicts."""


class RecipeError(WorkerError):
    """A recipe can't be loaded or breaks its contract."""


class EngineError(WorkerError):
    """One generation failed; others may work."""


class PromptTooLongError(EngineError):
    """Prompt and reply do not fit the model's context; a shorter source would."""


class EngineTimeoutError(EngineError):
    """No reply within the time allowed."""


class EngineUnavailableError(EngineError):
    """The model can't be loaded or reached; nothing will work until that is mended."""


class EngineDiedError(EngineUnavailableError):
    """The engine has died and answers nobody any more; one that is loaded anew would."""


class ExportError(WorkerError):
    """A file of rows can't be written; the final name holds what it held before."""


class StoreError(WorkerError):
    """The database refused."""


class BatchNotFoundError(StoreError):
    """No batch has this id."""


class CalibrationNotFoundError(StoreError):
    """This tenant has uploaded no calibration for the recipe."""


class IdempotencyConflictError(StoreError):
    """The idempotency key was used before with a different request."""


class BatchBusyError(StoreError):
    """Another live process is running this batch."""


class StoreFullError(StoreError):
    """No room left; what was admitted stays, the batch can be resumed when there is room."""
