"""The laboratory: fill a machine with the cells of a study for so many minutes, and compare what is finished."""
