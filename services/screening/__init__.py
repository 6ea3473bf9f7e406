"""The patient's file, and who may be treated."""
