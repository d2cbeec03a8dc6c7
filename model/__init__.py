"""The method: multimodal graph fusion with dynamic multi-task learning. No Kafka and no HTTP in here.

The stream uses one small face, :mod:`model.scorer`: posts with decoded images in, scored labels out.
"""
