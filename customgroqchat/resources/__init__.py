"""The paths of the official SDK: ``client.chat.completions.create``, ``client.models.list``."""
