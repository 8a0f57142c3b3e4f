//! The Python extension `hanzo_queues._core`.
