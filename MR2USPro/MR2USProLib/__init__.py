"""The engine of MR2USPro: from a biplane TRUS video and a T2 MR to a registered MR.

Importing this package costs next to nothing: SimpleITK, OpenCV and torch are imported by the stages that use them.
"""

__version__ = "0.1.0"
