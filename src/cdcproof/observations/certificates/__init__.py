"""Certificates, and how long they last."""
