"""Engines run open-weight models; each file here is one, behind the contract in base.py."""
