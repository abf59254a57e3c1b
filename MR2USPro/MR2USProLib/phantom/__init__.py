"""Simulated exams: one pelvis, seen by T2 MR and by a biplane TRUS sweep, with everything about it known."""
