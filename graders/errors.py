"""Everything that graders raise.

GraderError
├── GraderConfigError     unknown grader, bad option, unreadable file named in the configuration
│   └── CalibrationError  a calibration set or file that can't serve; says what it lacks
├── JudgeUnhealthyError   the judge fails its canaries: nothing that it says can be relied upon
├── UngradedError         this candidate can't be judged (no source, completion failed): no score
└── IndexUnavailableError the novelty index can't be read or is from another version
"""


class GraderError(Exception):
    """Base of all grader errors."""


class GraderConfigError(GraderError):
    """The configuration names something that does not exist; the message says what to change."""


class CalibrationError(GraderConfigError):
    """A set of labelled texts, or the file made from one, can't serve; the message says why."""


class JudgeUnhealthyError(GraderError):
    """The judge misjudges claims whose truth is known. Stops the batch instead of grading it."""


class UngradedError(GraderError):
    """No opinion could be formed about one candidate. Becomes `Grade.ungraded`, never a score."""


class IndexUnavailableError(GraderError):
    """The novelty index can't serve: damaged, locked, or written by another version."""
