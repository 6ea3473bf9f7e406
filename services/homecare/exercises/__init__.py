"""What is done at home: every exercise and kind of traction as data, with its drawing."""
