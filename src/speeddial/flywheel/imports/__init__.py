"""S1, collect: what other tools recorded of an agent and its model, brought into the record."""

from speeddial.flywheel.imports.importing import FORMATS, Imported, import_files

__all__ = ["FORMATS", "Imported", "import_files"]
