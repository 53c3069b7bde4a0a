"""Thresholds with a guarantee: certificates from labelled texts, audits of finished batches."""

from graders.calibration.certificate import Certificate, Refusal
from graders.calibration.selection import certify

__all__ = ["Certificate", "Refusal", "certify"]
